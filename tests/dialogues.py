"""Calls that are sent into both worlds of a pair, and what is the same in their answers."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asgi import Answered, call
from facts import Actor
from operations import Call, Route, routes_of
from oracle import sees
from probes import unlimited
from random_worlds import Drawn
from tillkeeper.app import make_apps
from tillkeeper.core.secrets import KEY_IN_TEXT
from tillkeeper.surfaces.http.edge import Edge
from world_pairs import TAKEN, Pair, ids_of, twin

_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\+00:00")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_RANDOM = {"key", "secret", "next_cursor", "request_id", "public_key", "admin_puk"}
"""Fields that are random in every answer: of these the length is compared."""
_CERTIFICATE = "certificate"
"""A field of which not even the length is the same: there are signatures in it, with or without
leading zeros.
"""
_HEADERS = {"request-id", "x-request-id", "response-time", "x-response-time", "etag"}
_LISTS = {
    "listOrganizations": (
        "limit=1", "limit=2&offset=1", "cursor=", "cursor=&include=total", "order_by=name",
        "order_by=name&order=desc&limit=3", "env=LIVE", "type=ORGANIZATION", "external_id=shop-1",
        "tax_number=shop-2", "managed_by_organization_id={id}", "cursor={cursor}&limit=1",
    ),
    "listApiKeys": ("limit=1", "order_by=name", "order=desc", "status=disabled", "offset=1"),
    "listUsers": ("limit=1", "offset=1", "order=desc"),
    "listBillingAddresses": ("limit=1", "offset=1", "limit=2"),
    "listAuditLog": (
        "limit=1", "cursor={cursor}&limit=1", "actor_id={id}", "target_id={id}", "outcome=refused",
        "order=asc", "format=ndjson", "format=csv",
    ),
    "listMyReach": ("limit=1", "cursor={cursor}&limit=1"),
    "listAccess": ("limit=1", "offset=1"),
}  # fmt: skip


class Moment(int):
    """Seconds since 1970: two that were said one after the other are the same."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and abs(int(self) - int(other)) < 120

    __hash__ = int.__hash__


ROUTES = sorted(routes_of(make_apps()))


@dataclass
class Side:
    """One world as its actor meets it: which ids it has given, and the latest cursor."""

    app: Edge
    actor: Actor
    token: str
    known: dict[str, str]
    """What an id is called in both worlds."""
    given: list[str] = field(default_factory=list)
    """Ids that came up in answers and were in neither world."""
    cursor: str = ""

    async def ask(self, method: str, path: str, query: str, body: str | None) -> Answered:
        answer = await call(
            self.app,
            method,
            self.filled(path),
            token=self.token,
            query=self.filled(query),
            body=None if body is None else json.loads(self.filled(body)),
            ip=self.actor.ip,
        )
        if _is_json(answer) and answer.status == 200:
            self.cursor = answer.body.get("next_cursor") or self.cursor
        return answer

    def filled(self, text: str) -> str:
        for number, each in enumerate(self.given):
            text = text.replace(f"<{number}>", each)
        return text.replace("{cursor}", self.cursor)

    def heard(self, answer: Answered) -> tuple[int, dict[str, str], Any]:
        """Return an answer as it must be in both worlds."""
        headers = {
            name: str(len(value)) if name in _HEADERS else value
            for name, value in answer.headers.items()
        }
        text = answer.content.decode()
        if f'"{_CERTIFICATE}"' in text:
            headers.pop("content-length", None)
        if "csv" in answer.headers.get("content-type", ""):
            text = KEY_IN_TEXT.sub("<key>", _TIME.sub("<time>", text))
            return answer.status, headers, self._named(text)
        lines = [self._masked(json.loads(line), "") for line in text.splitlines()]
        return answer.status, headers, lines

    def _masked(self, value: Any, name: str) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return [(self._named(k), self._masked(v, k)) for k, v in value.items()]
        if isinstance(value, list):
            return [self._masked(each, name) for each in value]
        if name == _CERTIFICATE:
            return f"<{_CERTIFICATE}>"
        if isinstance(value, str):
            return f"<{len(value)}>" if name in _RANDOM else self._named(value)
        return Moment(value) if isinstance(value, int) and value > 1_500_000_000 else value

    def _named(self, text: str) -> str:
        return _UUID.sub(self._name, text)

    def _name(self, found: "re.Match[str]") -> str:
        id_ = str(UUID(found[0]))
        if id_ in self.known:
            return self.known[id_]
        if "-" not in found[0]:
            return "<random>"
        if id_ not in self.given:
            self.given.append(id_)
        return f"<{self.given.index(id_)}>"


class Dialogue:
    """Draws the calls of one pair, in the words of the left world, and sends them into both."""

    def __init__(self, pair: Pair, apps: tuple[Edge, Edge], tokens: tuple[str, str]) -> None:
        self.pair, self.rng = pair, pair.left.rng
        self.left, self.right = (
            Side(app, actor, token, _names(world, pair))
            for app, actor, token, world in zip(
                apps, pair.actors, tokens, (pair.left, pair.right), strict=True
            )
        )
        self.ids = sorted(ids_of(pair.left))

    async def exchange(self, route: Route) -> tuple[str, Any, Any]:
        """Send one call into both worlds, and return what came back."""
        if route.name == "listAccess" and self.left.given:
            # Whoever came in the same second is in the order of random ids.
            route = next(each for each in ROUTES if each.name == "retrieveMe")
        method, path, query, body = self._draw(route)
        one = self.left.heard(await self.left.ask(method, path, query, body))
        moved = [None if text is None else self._moved(text) for text in (path, query, body)]
        there, asked, sent = moved
        other = self.right.heard(await self.right.ask(method, there or "", asked or "", sent))
        return f"{method} {path}?{query} {body}", one, other

    def _draw(self, route: Route) -> tuple[str, str, str, str | None]:
        rng = self.rng
        drawn = Call(
            route,
            self.pair.actor,
            self._organization(),
            self._about(route),
            (self._organization(),),
            rng.choice(("TEST", "LIVE")),
            rng.choice(self.ids).hex if rng.random() < 0.5 else f"{rng.getrandbits(40):x}",
        )
        path, body = drawn.path, drawn.body
        if route.name in ("updateOrganization", "createOrganization") and isinstance(body, dict):
            body |= {"external_id": rng.choice(TAKEN)} if rng.random() < 0.5 else {}
        if self.left.given and rng.random() < 0.3:
            path = path.replace(str(drawn.about), f"<{rng.randrange(len(self.left.given))}>")
        query = rng.choice((*_LISTS.get(route.name, ()), ""))
        query = query.replace("{id}", str(rng.choice(self.ids)))
        if route.method != "GET" and rng.random() < 0.1:
            query = "dry_run=true"
        return route.method, path, query, None if body is None else json.dumps(body)

    def _organization(self) -> UUID:
        rng = self.rng
        if rng.random() < 0.5:
            return self.pair.actor.organization  # type: ignore[return-value]
        return rng.choice(self.pair.left.all)

    def _about(self, route: Route) -> UUID:
        state, rng = self.pair.left.state, self.rng
        things: dict[str | None, list[Any]] = {
            "key": list(state.keys),
            "person": [person for _, person in state.roles],
            "address": list(state.addresses),
        }
        found: list[UUID] = things.get(route.asks.about) or self.ids
        return rng.choice(found)

    def _moved(self, text: str) -> str:
        """Say the same to the other world."""
        mine = {str(each): str(twin(each)) for each in self.ids}
        mine |= {each.hex: twin(each).hex for each in self.ids}
        return _UUID.sub(lambda found: mine.get(found[0], found[0]), text)


def _names(world: Drawn, pair: Pair) -> dict[str, str]:
    """Call each id by the smaller one of it and its twin.

    A person whom one does not see has no name yet: who invites them learns an id, new or not.
    """
    mine = ids_of(pair.left)
    met = sees(pair.actor, unlimited(pair.actor, pair.left.state), pair.left.now).people
    people = {person for _, person in pair.left.state.roles} - met
    known = (mine - people) | {*map(twin, mine - people)}
    if world is not pair.left:
        known |= ids_of(world) - {person for _, person in world.state.roles}
    return {str(each): f"id {min(each, twin(each))}" for each in known}


def _is_json(answer: Answered) -> bool:
    return answer.headers.get("content-type", "").startswith("application/json")
