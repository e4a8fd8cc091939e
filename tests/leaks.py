"""T07: reads every answer, and finds in it what its caller may not see.

The service that the tests ask is wrapped in `Watched`: there is no way to call it past the scanner.
"""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from facts import Actor, Id, Key, State
from oracle import NOTHING, Sight, sees
from oracle_standing import is_alive, is_visible, rights_of
from probes import unlimited
from random_worlds import Drawn, mail_of
from tillkeeper.access.operation import House
from tillkeeper.app import make_service
from tillkeeper.core.secrets import KEY_IN_TEXT
from tillkeeper.surfaces.http.edge import Edge

_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_SERIAL = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])")
_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+\.[a-z]+")
_CLAIMS = {"kind": "kind", "sub": "id", "organization_id": "organization", "env": "env"}
_REPORT = re.compile(r"/(?:access|audit-log)(?:/|$)")
Message: TypeAlias = dict[str, Any]


class Leak(AssertionError):
    """An answer names what its caller may not see."""


@dataclass(frozen=True)
class Tokens:
    """What may be known by its form: ids, mail addresses, the public halves of keys, and the serial
    numbers of TSS.
    """

    ids: frozenset[UUID]
    mails: frozenset[str]
    keys: frozenset[str]
    serials: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: str) -> "Tokens":
        return cls(
            frozenset(UUID(each) for each in _ID.findall(text)),
            frozenset(each.lower() for each in _MAIL.findall(text)) if "@" in text else frozenset(),
            frozenset(KEY_IN_TEXT.findall(text)),
            frozenset(_SERIAL.findall(text)),
        )

    def without(self, other: "Tokens") -> "Tokens":
        return Tokens(
            self.ids - other.ids,
            self.mails - other.mails,
            self.keys - other.keys,
            self.serials - other.serials,
        )

    @property
    def lists(self) -> tuple[list[UUID], list[str], list[str]]:
        return list(self.ids), list(self.mails), list(self.keys)


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as text, and who asked."""

    actor: Actor | None
    is_change: bool
    """What was made, or would be, is told whatever the right to read it."""
    is_report: bool
    """Of who has access, and of what happened: to an organization as a whole."""
    asked: str
    answered: str


class Signed(NamedTuple):
    """A TSS, client, transaction or export by its id, or a TSS by its serial number."""

    name: str
    organization: Id
    env: str
    reading: str
    """The right to read it."""


class Eyes(Protocol):
    """Knows who sees what in one database."""

    async def look(self, asker: Actor | None) -> object:
        """Remember how things are before somebody is answered."""

    async def hidden(self, exchange: Exchange, tokens: Tokens, before: object) -> list[str]:
        """Return what of an answer exists and is in the caller's sight neither before nor after."""


@dataclass(frozen=True)
class Watched(Edge):
    """The service, every answer of which is read before anybody else reads it."""

    eyes: Eyes = field(kw_only=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        asked, sent = bytearray(), list[Message]()

        async def listen() -> Message:
            message: Message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def speak(message: Message) -> None:
            sent.append(message)
            await send(message)

        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        before = await self.eyes.look(_bearer(scope))
        await super().__call__(scope, listen, speak)
        await self._read(scope, bytes(asked), sent, before)

    async def _read(
        self, scope: Message, asked: bytes, sent: list[Message], before: object
    ) -> None:
        status = sent[0]["status"] if sent else 0
        headers = "\n".join(f"{n!r} {v!r}" for n, v in sent[0]["headers"]) if sent else ""
        body = b"".join(each.get("body", b"") for each in sent[1:]).decode("utf-8", "replace")
        told = f"{scope['path']}?{scope['query_string'].decode('latin-1')}\n"
        told += f"{scope['headers']!r}\n{asked.decode('utf-8', 'replace')}"
        is_report = bool(_REPORT.search(scope["path"]))
        exchange = Exchange(
            actor_of(scope, status, body),
            scope["method"] != "GET",
            is_report,
            told,
            f"{headers}\n{body}",
        )
        tokens = Tokens.of(exchange.answered).without(Tokens.of(told))
        if found := await self.eyes.hidden(exchange, tokens, before):
            where = f"{scope['method']} {scope['path']}, {exchange.actor}"
            raise Leak(f"{found} in the answer to {where}: {_around(body, found)}")


def watched(service: Edge, eyes: Eyes) -> Watched:
    """Return the same service, with eyes on what it says."""
    same = {each.name: getattr(service, each.name) for each in fields(service)}
    return Watched(**same, eyes=eyes)


def serve(beside: Edge, house: House) -> Watched:
    """Return one more service on the database of another one, watched by the same eyes."""
    assert isinstance(beside, Watched)
    return watched(make_service(house), beside.eyes)


def actor_of(scope: Message, status: int, body: str) -> Actor | None:
    """Return whose token a request carries, or whose an answer gives."""
    if status == 401:
        return None
    if '"access_token"' in body:
        return _named(json.loads(body)["access_token"])
    return _bearer(scope)


def _bearer(scope: Message) -> Actor | None:
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return _named(value[7:].decode("latin-1"))
    return None


def _named(token: str) -> Actor | None:
    try:
        _, payload, _ = token.strip().split(".")
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        values = {mine: claims[theirs] for theirs, mine in _CLAIMS.items()}
        ids = {name: UUID(values[name]) for name in ("id", "organization")}
    except (AttributeError, ValueError, KeyError, TypeError):
        return None
    return Actor(**values | ids, generation=claims.get("generation", 0))


def sight_of(exchange: Exchange, state: State, now: float) -> Sight:
    """Return what an answer may name, whatever the hour: that the actor is alive others prove."""
    actor = exchange.actor
    if actor is None or actor.organization not in state.organizations:
        return NOTHING
    state = _telling(exchange, actor, state)
    found = sees(actor, state, now)
    return _across(actor, state, now, found) if exchange.is_report else found


def is_shown(exchange: Exchange, state: State, now: float, thing: Signed) -> bool:
    """Tell whether an answer may name what an organization's tills have made in an env."""
    actor, of = exchange.actor, thing.organization
    if actor is None or thing.env != actor.env or of not in state.organizations:
        return False
    state = _telling(exchange, actor, state)
    if not is_alive(actor, state, now) or thing.reading not in rights_of(actor, state):
        return False
    return is_visible(actor, thing.reading, of, state, now)


def _telling(exchange: Exchange, actor: Actor, state: State) -> State:
    """Return the state that decides what is told in this exchange, whatever the hour."""
    state = _awake(actor, state)
    if exchange.is_change or exchange.is_report:
        state = unlimited(actor, state)
    if exchange.is_report and actor.id in state.keys:
        state.keys = state.keys | {actor.id: replace(state.keys[actor.id], reach="all")}
    return state


def _across(actor: Actor, state: State, now: float, found: Sight) -> Sight:
    """Add what lacks the env: to enable it one looks across, and the audit tells of that."""
    if not is_alive(actor, state, now):
        return found
    missing = "organization:enable_env"
    others = {each for each in state.organizations if is_visible(actor, missing, each, state, now)}
    return replace(found, bare_ids=found.bare_ids | others)


def _awake(actor: Actor, state: State) -> State:
    asleep = {id_: row for id_, row in state.organizations.items() if row.status != "active"}
    active = state.organizations | {i: replace(row, status="active") for i, row in asleep.items()}
    keys, roles = state.keys, state.roles
    if key := keys.get(actor.id):
        awake = Key(key.id, key.organization, key.env, generation=actor.generation)
        awake = replace(awake, permissions=key.permissions, reach=key.reach, manager=key.manager)
        keys = keys | {actor.id: replace(awake, maker=key.maker, maker_of=key.maker_of)}
    elif actor.kind == "user":
        roles = {(actor.organization, actor.id): "member"} | roles
    return State(active, keys, roles, state.addresses, state.with_password)


@dataclass
class FromFacts:
    """Eyes on a drawn world, in which nothing ever changes, and nobody has a TSS."""

    world: Drawn | None = None
    number: int = 0
    """How many answers were read."""
    leaks: int = 0
    _seen: dict[tuple[Actor | None, bool, bool], set[Id]] = field(default_factory=dict)
    _known: dict[Id, Id] = field(default_factory=dict)
    """Everything there is; for texts, what they belong to."""

    def settle(self, world: Drawn) -> None:
        state = world.state
        self.world, self._seen = world, {}
        people = {person for _, person in state.roles}
        ids = {*state.organizations, *state.keys, *state.addresses, *people}
        self._known = {each: each for each in ids}
        self._known |= {mail_of(person): person for person in people}
        self._known |= {text: key for key, (text, _) in world.texts.items()}

    async def look(self, asker: Actor | None) -> object:
        """Nothing changes: there is nothing to remember."""

    async def hidden(self, exchange: Exchange, tokens: Tokens, _: object) -> list[str]:
        self.number += 1
        if self.world is None:
            return []
        every = chain(*tokens.lists)
        known = {each: self._known[each] for each in every if each in self._known}
        seen = self._sight(exchange) if known else set()
        found = [str(each) for each, owner in known.items() if owner not in seen]
        self.leaks += bool(found)
        return found

    def _sight(self, exchange: Exchange) -> set[Id]:
        asked = exchange.actor, exchange.is_change, exchange.is_report
        if asked not in self._seen and self.world is not None:
            found = sight_of(exchange, self.world.state, self.world.now)
            known = found.organizations | found.keys | found.people | found.addresses
            self._seen[asked] = known | found.bare_ids
        return self._seen[asked]


def _around(body: str, found: list[str]) -> str:
    """Return where in an answer something stands."""
    place = max(0, body.find(found[0]) - 250)
    return body[place : place + 400]
