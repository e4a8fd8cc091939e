"""T12: what is revoked opens nothing from the acknowledgement on, at whatever process.

Sixteen clients hammer two services, each with connections of its own, while a third party revokes.
A request that starts after the revocation was acknowledged must be refused.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest

from amounts import AMOUNTS, record_figure
from asgi import Answered, call
from leaks import serve
from tillkeeper.core.env import Env
from tillkeeper.db.pool import Database
from tillkeeper.surfaces.http.edge import Edge
from world import ADDRESS, KEY, Json, World

CLIENTS, BEFORE, AFTER = 16, 16, 16
pytestmark = pytest.mark.timeout(1800)


@dataclass
class Siege:
    """Two services on one database."""

    world: World
    apps: tuple[Edge, Edge]
    _turn: int = 0

    async def ask(
        self, method: str, path: str, body: Json | None = None, who: str = "vendor_live"
    ) -> Answered:
        """Ask one service after the other, as a load balancer would."""
        self._turn += 1
        token = bearer(self.world.clients[who])
        app = self.apps[self._turn % 2]
        return await call(app, method, f"/api/v0{path}", token=token, body=body)

    async def token(self, key: Json) -> str:
        """Trade a key for a token."""
        body = {"api_key": key["key"], "api_secret": key["secret"]}
        answer = await call(self.apps[0], "POST", "/api/v0/auth", body=body)
        return str(answer.body["access_token"])


def bearer(client: httpx.AsyncClient) -> str:
    return client.headers["authorization"].removeprefix("Bearer ")


class Victim(NamedTuple):
    """A token, what it opens until it is revoked, and how that is done."""

    token: str
    path: str
    revoke: Callable[[], Awaitable[Answered]]


Kind = Callable[[Siege], Awaitable[Victim]]


async def _key(siege: Siege, of: UUID, **limits: object) -> tuple[str, Json]:
    """Make a key, and return its path with what it is."""
    path = f"/organizations/{of}/api-keys"
    made = await siege.ask("POST", path, KEY | {"name": f"k-{uuid4().hex[:20]}"} | limits)
    assert made.status == 200, made
    return f"{path}/{made.body['_id']}", made.body


async def _shop(siege: Siege, parent: UUID | None = None) -> UUID:
    below = {"managed_by_organization_id": str(parent or siege.world.vendor)}
    made = await siege.ask("POST", "/organizations", ADDRESS | below | {"name": "Till"})
    return UUID(made.body["_id"])


async def key_disabled(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.shop)
    own = f"/organizations/{siege.world.shop}"
    return Victim(
        await siege.token(key), own, lambda: siege.ask("PATCH", path, {"status": "disabled"})
    )


async def key_deleted(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.shop)
    return Victim(await siege.token(key), "/me", lambda: siege.ask("DELETE", path))


async def key_rotated_without_overlap(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.shop)
    body = {"overlap_seconds": 0}
    return Victim(await siege.token(key), "/me", lambda: siege.ask("POST", f"{path}/rotate", body))


async def previous_secret_expired(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.shop)
    token = await siege.token(key)
    assert (await siege.ask("POST", f"{path}/rotate", {})).status == 200
    return Victim(token, "/me", lambda: siege.ask("POST", f"{path}/rotate/expire-now"))


async def key_ended(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.shop)
    end = {"expires_at": int(time.time()) - 1}
    return Victim(await siege.token(key), "/me", lambda: siege.ask("PATCH", path, end))


async def addresses_narrowed(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.shop)
    other = {"allowed_ips": ["203.0.113.0/24"]}
    return Victim(await siege.token(key), "/me", lambda: siege.ask("PATCH", path, other))


async def permissions_narrowed(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.vendor)
    fewer = {"permissions": ["organization:read"]}
    keys = f"/organizations/{siege.world.shop}/api-keys"
    return Victim(await siege.token(key), keys, lambda: siege.ask("PATCH", path, fewer))


async def reach_cut(siege: Siege) -> Victim:
    path, key = await _key(siege, siege.world.vendor)
    branch = f"/organizations/{siege.world.branch}"
    return Victim(
        await siege.token(key), branch, lambda: siege.ask("PATCH", path, {"reach": "managed"})
    )


async def membership_removed(siege: Siege) -> Victim:
    world, person = siege.world, uuid4()
    email = f"{person}@example.org"
    known = "INSERT INTO users (id, email, compact_email, created_at) VALUES ($1, $2, $2, now())"
    await world.owner.execute(known, person, email)
    await world.owner.execute(
        "INSERT INTO memberships (organization_id, user_id, role, email, created_at) "
        "VALUES ($1, $2, 'member', $3, now())",
        world.ids["vendor"],
        person,
        email,
    )
    path = f"/organizations/{world.vendor}/users/{person}"
    client = await world.holding("user", person, world.ids["vendor"], Env.LIVE)
    shop = f"/organizations/{world.shop}"
    return Victim(bearer(client), shop, lambda: siege.ask("DELETE", path))


async def _of_status(siege: Siege, of: UUID, below: UUID, body: Json) -> Victim:
    """A key of one organization loses what it may there when that or one above gets a status."""
    _, key = await _key(siege, below)
    path = f"/organizations/{of}/status"
    own = f"/organizations/{below}"
    return Victim(await siege.token(key), own, lambda: siege.ask("POST", path, body))


SUSPENDED = {"status": "suspended", "reason": "unpaid", "grace_seconds": 0}


async def organization_suspended(siege: Siege) -> Victim:
    shop = await _shop(siege)
    return await _of_status(siege, shop, shop, SUSPENDED)


async def organization_archived(siege: Siege) -> Victim:
    shop = await _shop(siege)
    return await _of_status(siege, shop, shop, {"status": "archived", "reason": "closed"})


async def main_organization_suspended(siege: Siege) -> Victim:
    """What stands below is suspended with it; the next siege finds it active again."""
    enterprise = siege.world.ids["enterprise"]
    restored = await siege.ask("POST", f"/organizations/{enterprise}/status", {"status": "active"})
    assert restored.status == 200
    return await _of_status(siege, enterprise, siege.world.ids["branch"], SUSPENDED)


async def handed_over(siege: Siege) -> Victim:
    main = await siege.ask("POST", "/organizations", ADDRESS | {"name": "Main"}, who="vendor_test")
    path = f"/organizations/{main.body['_id']}"
    manned = await siege.ask("POST", f"{path}/api-keys", KEY, who="vendor_test")
    assert manned.status == 200
    token = bearer(siege.world.clients["vendor_test"])
    return Victim(token, path, lambda: siege.ask("POST", f"{path}/handover", who="vendor_test"))


KINDS: tuple[Kind, ...] = (
    key_disabled,
    key_deleted,
    key_rotated_without_overlap,
    previous_secret_expired,
    key_ended,
    addresses_narrowed,
    permissions_narrowed,
    reach_cut,
    membership_removed,
    organization_suspended,
    organization_archived,
    main_organization_suspended,
    handed_over,
)


class Outcome(NamedTuple):
    """What the clients saw: how long until the first refusal, and what was let through."""

    seconds: float
    let_through: int
    before: int


async def besiege(siege: Siege, victim: Victim) -> Outcome:
    """Hammer until so many requests have begun after the revocation was acknowledged."""
    seen: list[tuple[float, float, int]] = []
    has_begun, is_told = asyncio.Event(), asyncio.Event()
    after = 0

    async def hammer(app: Edge) -> None:
        nonlocal after
        while after < AFTER:
            after += is_told.is_set()
            started = time.perf_counter()
            answer = await call(app, "GET", f"/api/v0{victim.path}", token=victim.token)
            seen.append((started, time.perf_counter(), answer.status))
            if len(seen) >= BEFORE:
                has_begun.set()

    async with asyncio.TaskGroup() as group:
        for app in islice(cycle(siege.apps), CLIENTS):
            group.create_task(hammer(app))
        await has_begun.wait()
        answer = await victim.revoke()
        moment = time.perf_counter()
        is_told.set()
    assert answer.status == 200, answer
    refused = [ended for _, ended, status in seen if status >= 400]
    late = [status for started, _, status in seen if started > moment]
    assert {status for _, _, status in seen} <= {200, 401, 403, 404}
    before = sum(started < moment and status == 200 for started, _, status in seen)
    return Outcome(max(0.0, min(refused, default=math.inf) - moment), late.count(200), before)


@pytest.fixture
async def siege(world: World, serving_url: str) -> AsyncGenerator[Siege]:
    second = await Database.open(serving_url, size=8)
    house = replace(world.house, db=second)
    yield Siege(world, (world.app, serve(world.app, house)))
    assert second.is_idle()
    await second.close()


async def test_nothing_revoked_opens_anything_from_the_answer_on(siege: Siege) -> None:
    """Fails with any decision that is kept, at either service, and without what `enter` reads."""
    outcomes: dict[str, list[Outcome]] = {kind.__name__: [] for kind in KINDS}
    for kind in islice(cycle(KINDS), AMOUNTS.revocations):
        outcomes[kind.__name__].append(await besiege(siege, await kind(siege)))
    every = [outcome for each in outcomes.values() for outcome in each]
    let_through = {n: sum(o.let_through for o in each) for n, each in outcomes.items()}
    slowest = max(outcome.seconds for outcome in every)
    figure = (
        f"{len(every)} revocations of {len(KINDS)} kinds under {CLIENTS} clients at 2 services, "
        f"first refusal at most {slowest * 1000:.1f} ms after the acknowledgement"
    )
    record_figure("Revocation latency", figure, sum(let_through.values()))
    assert not any(let_through.values()), let_through
    assert all(outcome.before > 0 for outcome in every)
    assert slowest < 1
