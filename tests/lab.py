"""One shop under a glass: whatever is sent, the database tells whether anything changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from architecture.test_routes import About, Route
from asgi import Answered, call
from world import KEY, PASSWORD, World

_PROBLEM = {"status_code", "error", "message", "request_id"}
_OF_PEOPLE = ("email", "password", "organization_id", "env", "environment")
_DIGEST = (
    "(SELECT md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) "
    "FROM {table} t WHERE {where}) AS {table}"
)
_WITHIN = "organization_id = ANY (SELECT id FROM organizations WHERE reached_by && $1::uuid[])"
_TABLES = {
    "organizations": "reached_by && $1::uuid[]",
    "audit_rows": f"outcome = 'done' AND {_WITHIN}",
    **dict.fromkeys(
        ("api_keys", "memberships", "billing_addresses", "kept_answers", "outbox_rows"), _WITHIN
    ),
}
_EVERYTHING = "SELECT " + ", ".join(
    _DIGEST.format(table=table, where=where) for table, where in _TABLES.items()
)
_NEXT = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


class State(NamedTuple):
    """What the database holds, as its owner sees it."""

    next_transaction: int
    digests: Mapping[str, str]


@dataclass
class Lab:
    """The service, what the paths are about, and what went wrong so far."""

    world: World
    of: About
    wrong: list[str] = field(default_factory=list)
    number: int = 0
    state: State | None = None
    _unique: Iterator[int] = field(default_factory=count)

    def base(self, route: Route, name: str = "") -> Any:  # noqa: ANN401 - JSON
        """Return a body that the route takes, once and again; `name` is what will be changed."""
        number = next(self._unique)
        if route.is_public and name in _OF_PEOPLE:
            return {"email": "nobody@example.org", "password": PASSWORD}
        if route.name == "reportLeakedKey":
            return {"text": "nothing of ours"}
        if route.is_public:
            key = self.world.keys["shop_live"]
            return {name: key[name] for name in ("api_key", "api_secret")}
        body = self.of.body_of(route.name) or {}
        if route.name == "createApiKey":
            return KEY | {"name": f"key-{number}"}
        return body | {"email": f"a{number}@example.org"} if "email" in body else body

    async def send(
        self, route: Route, who: str, body: bytes | None = None, query: str = ""
    ) -> Answered:
        """Send as a character; what is public needs no token."""
        path = route.path.format(**vars(self.of))
        client = self.world.nobody if route.is_public else self.world.clients[who]
        token = client.headers.get("authorization", "").removeprefix("Bearer ") or None
        self.number += 1
        return await call(self.world.app, route.method, path, token=token, body=body, query=query)

    async def look(self) -> State:
        """Read everything of this world, and how often anything was recorded as done."""
        mine = list(self.world.ids.values())
        row = await self.world.owner.fetchrow(_EVERYTHING, mine)
        assert row is not None
        return State(await self.world.owner.fetchval(_NEXT), dict(row))

    async def check(self, what: str, answer: Answered) -> None:
        """Never a failure; refused means in the house's shape, and that nothing has changed.

        No write goes without a transaction's number: while none was given out, nobody has to look.
        """
        if answer.status >= 500 or (answer.status >= 400 and not _is_ours(answer)):
            self.wrong.append(f"{what}: {answer.status} {answer.content[:300]!r}")
        before = self.state
        if answer.status < 400 or before is None:
            self.state = await self.look()
        elif await self.world.owner.fetchval(_NEXT) != before.next_transaction:
            self.state = await self.look()
            if self.state.digests != before.digests:
                self.wrong.append(f"{what}: refused with {answer.status}, and yet changed")


def _is_ours(answer: Answered) -> bool:
    body = answer.body
    return set(body) - {"code", "details", "missing"} == _PROBLEM and bool(body["message"])
