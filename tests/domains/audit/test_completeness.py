"""T21: the audit holds exactly what was acknowledged and what was refused, or nothing happens."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple
from uuid import uuid4

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import Ledger
from tillkeeper.domains.audit.jobs import seal
from tillkeeper.surfaces.cli.audit_ledger import declare_restored, open_ledger
from world import ADDRESS, World

_OPERATIONS, _WORKERS = 3000, 8
_COUNT = "SELECT count(*) FROM audit_rows"
_COLUMNS = (
    "organization_id, env, id, at, operation_id, actor_kind, actor_id, actor_organization_id, "
    "event, outcome, details, address, agent, target_kind, target_id, before, after"
)


class Worker(NamedTuple):
    """Somebody who does one thing after another, at random but the same things every time."""

    world: World
    random: Random
    shops: list[str]
    keys: list[tuple[str, str]]

    def name(self) -> str:
        return f"n-{self.random.getrandbits(60):x}"

    async def create_shop(self) -> httpx.Response:
        wanted = ADDRESS | {"name": self.name(), "managed_by_organization_id": str(self.of)}
        answer = await self.world.clients["vendor_test"].post("/organizations", json=wanted)
        self.shops.append(answer.json()["_id"])
        return answer

    @property
    def of(self) -> object:
        return self.world.ids["vendor"]

    async def rename_shop(self) -> httpx.Response:
        path = f"/organizations/{self.random.choice(self.shops)}"
        return await self.world.clients["vendor_test"].patch(path, json={"name": self.name()})

    async def create_key(self) -> httpx.Response:
        shop = self.random.choice(self.shops)
        body = {"name": self.name(), "status": "enabled"}
        path = f"/organizations/{shop}/api-keys"
        answer = await self.world.clients["vendor_test"].post(path, json=body)
        self.keys.append((shop, answer.json()["_id"]))
        return answer

    async def create_two_of_a_name(self) -> httpx.Response:
        """The second is refused; the first is a deed of its own, counted here."""
        path = f"/organizations/{self.random.choice(self.shops)}/api-keys"
        body = {"name": self.name(), "status": "enabled"}
        first = await self.world.clients["vendor_test"].post(path, json=body)
        assert first.status_code == 200
        return await self.world.clients["vendor_test"].post(path, json=body)

    async def delete_key(self) -> httpx.Response:
        if not self.keys:
            return await self.create_key()
        shop, key = self.keys.pop()
        return await self.world.clients["vendor_test"].delete(
            f"/organizations/{shop}/api-keys/{key}"
        )

    async def invite(self) -> httpx.Response:
        path = f"/organizations/{self.random.choice(self.shops)}/users"
        return await self.world.clients["vendor_test"].post(
            path, json={"email": f"{uuid4().hex}@x.example"}
        )

    async def ask_beside(self) -> httpx.Response:
        return await self.world.clients["stranger_test"].get(
            f"/organizations/{self.random.choice(self.shops)}"
        )

    async def ask_too_much(self) -> httpx.Response:
        path = f"/organizations/{self.world.ids['kiosk']}"
        return await self.world.clients["kiosk_test"].patch(path, json={"name": self.name()})

    async def fail_to_log_in(self) -> httpx.Response:
        offered = {"api_key": self.world.keys["kiosk_test"]["api_key"], "api_secret": "wrong"}
        return await self.world.nobody.post("/auth", json=offered)

    async def read(self) -> httpx.Response:
        return await self.world.clients["vendor_test"].get("/organizations", params={"limit": 3})


_ROWS: dict[Callable[[Worker], Awaitable[httpx.Response]], tuple[int, int]] = {
    Worker.create_shop: (200, 1),
    Worker.rename_shop: (200, 1),
    Worker.create_key: (200, 1),
    Worker.delete_key: (200, 1),
    Worker.invite: (200, 1),
    Worker.create_two_of_a_name: (409, 2),
    Worker.ask_beside: (404, 1),
    Worker.ask_too_much: (403, 1),
    Worker.fail_to_log_in: (401, 1),
    Worker.read: (200, 0),
}
"""What each answers, and how many rows it leaves."""


async def work(ledger: Ledger, number: int) -> int:
    """Do many things and return how many rows they should have left."""
    random = Random(number)  # noqa: S311 - the same things every time
    worker, expected = Worker(ledger.world, random, [], []), 1
    await worker.create_shop()
    for _ in range(_OPERATIONS // _WORKERS):
        deed = random.choice(list(_ROWS))
        status, rows = _ROWS[deed]
        answer = await deed(worker)
        assert answer.status_code == status, (deed, answer.text)
        expected += rows
    return expected


async def test_the_audit_holds_what_was_acknowledged_and_refused_exactly(ledger: Ledger) -> None:
    before: int = await ledger.owner.fetchval(_COUNT)
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work(ledger, number)) for number in range(_WORKERS)]
    expected = sum(each.result() for each in workers)
    assert await ledger.owner.fetchval(_COUNT) == before + expected
    while await seal(ledger.house):
        pass
    assert (await ledger.verify()).rows == before + expected


async def test_what_cannot_be_recorded_does_not_happen(ledger: Ledger) -> None:
    world, name = ledger.world, f"k-{uuid4().hex[:12]}"
    path = f"/organizations/{world.shop}/api-keys"
    body = {"name": name, "status": "enabled"}
    before = await ledger.owner.fetchval(_COUNT)
    revoke = f"REVOKE INSERT ({_COLUMNS}) ON audit_rows FROM tillkeeper_api"
    await ledger.owner.execute(revoke)
    try:
        assert (await world.shop_test.post(path, json=body)).status_code == 500
        batch = {"organization": ADDRESS | {"name": name}}
        batch["organization"]["managed_by_organization_id"] = str(world.vendor)
        answer = await world.vendor_test.post("/organizations/batch", json={"items": [batch]})
        assert answer.status_code == 500
    finally:
        await ledger.owner.execute(f"GRANT INSERT ({_COLUMNS}) ON audit_rows TO tillkeeper_api")
    for table in ("api_keys", "organizations"):
        named = f"SELECT count(*) FROM {table} WHERE name = $1"  # noqa: S608
        assert await ledger.owner.fetchval(named, name) == 0
    assert await ledger.owner.fetchval(_COUNT) == before
    assert (await world.shop_test.post(path, json=body)).status_code == 200
    assert await ledger.owner.fetchval(_COUNT) == before + 1


async def test_a_refusal_that_cannot_be_recorded_still_stands(ledger: Ledger) -> None:
    world = ledger.world
    await ledger.owner.execute(f"REVOKE INSERT ({_COLUMNS}) ON audit_rows FROM tillkeeper_api")
    try:
        answer = await world.stranger_test.get(f"/organizations/{world.shop}")
    finally:
        await ledger.owner.execute(f"GRANT INSERT ({_COLUMNS}) ON audit_rows TO tillkeeper_api")
    assert answer.status_code == 404


_STEPS = st.lists(
    st.one_of(st.integers(1, 6), st.sampled_from(["seal", "seal", "restored"])), max_size=12
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_STEPS)
async def test_the_verifier_accepts_every_honest_history(
    ledger: Ledger, steps: list[int | str]
) -> None:
    for step in steps:
        if step == "seal":
            await seal(ledger.house)
        elif step == "restored":
            async with open_ledger(ledger.url, "read_committed") as connection:
                await declare_restored(connection, ledger.house.keyring)
        else:
            await ledger.write(int(step))
    await ledger.verify()
    while await seal(ledger.house):
        pass
    found = await ledger.verify()
    assert (found.rows, found.not_sealed) == (await ledger.owner.fetchval(_COUNT), 0)
