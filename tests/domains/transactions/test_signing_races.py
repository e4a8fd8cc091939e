"""Counters never fork: many tills at once, crashes in the middle, and clocks that run back."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest

from journals import journal_of
from leaks import serve
from tillkeeper.core.env import Env
from tillkeeper.db.pool import Database
from tillkeeper.domains.signing.software import SoftwareUnit
from tills import RECEIPT, Till
from world import World, client_of, said

TILLS, SALES = 16, 12


async def test_sixteen_tills_on_one_tss_leave_no_gap_and_no_double(world: World) -> None:
    till = await Till(world.shop_test).open()
    async with asyncio.TaskGroup() as group:
        for _ in range(TILLS):
            group.create_task(sell(till, SALES))
    numbers = await numbers_of(world, till)
    assert numbers == list(range(1, TILLS * SALES + 1))
    journal = await journal_of(world.owner, till.tss_id)
    assert len(journal) == 10 + 2 * TILLS * SALES
    shown = await till.send("GET", "")
    assert shown["transaction_counter"] == str(TILLS * SALES)
    assert shown["number_active_transactions"] == 0


async def sell(till: Till, times: int) -> None:
    for _ in range(times):
        await till.sell()


async def numbers_of(world: World, till: Till) -> list[int]:
    asked = "SELECT number FROM transactions WHERE tss_id = $1 ORDER BY number"
    return [row["number"] for row in await world.owner.fetch(asked, till.tss_id)]


@pytest.fixture
async def second_process(world: World, serving_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """The same service with a pool and queues of its own, as another process has them."""
    database = await Database.open(serving_url, size=8)
    app = serve(world.app, replace(world.house, db=database, turns=type(world.house.turns)()))
    async with client_of(app) as client:
        client.headers["authorization"] = world.shop_test.headers["authorization"]
        yield client
    await database.close()


async def test_two_processes_on_one_tss_leave_no_gap_and_no_double(
    world: World, second_process: httpx.AsyncClient
) -> None:
    """Without `with_for_update` in `lock_tss` both sign the same number, and one is refused."""
    here = await Till(world.shop_test).open()
    there = replace(here, http=second_process)
    async with asyncio.TaskGroup() as group:
        for each in (here, there):
            for _ in range(6):
                group.create_task(sell(each, 10))
    assert await numbers_of(world, here) == list(range(1, 121))
    assert len(await journal_of(world.owner, here.tss_id)) == 10 + 240


async def test_the_same_call_in_both_processes_is_signed_once(
    world: World, second_process: httpx.AsyncClient
) -> None:
    here = await Till(world.shop_test).open()
    there = replace(here, http=second_process)
    for _ in range(10):
        reference = uuid4()
        answers = await asyncio.gather(
            *(each.sign(reference, tx_revision=1) for each in (here, there, here, there))
        )
        assert all(answer == answers[0] for answer in answers)
    assert await numbers_of(world, here) == list(range(1, 11))


async def test_tills_on_many_tss_do_not_wait_for_one_another(world: World) -> None:
    tills = [await Till(world.shop_test).open() for _ in range(4)]
    held = world.house.turns.take((world.shop, Env.TEST, tills[0].tss_id))
    async with held, asyncio.TaskGroup() as group:
        for till in tills[1:]:
            group.create_task(sell(till, 3))
    for till in tills[1:]:
        assert await numbers_of(world, till) == [1, 2, 3]


class Broken(SoftwareUnit):
    """A unit that is away."""

    async def sign(self, *_: object, **__: object) -> bytes:
        raise ConnectionResetError


async def test_a_unit_that_breaks_off_leaves_nothing(world: World) -> None:
    till = await Till(world.shop_test).open()
    before = await journal_of(world.owner, till.tss_id)
    app = serve(world.app, replace(world.house, unit=Broken(world.house.keyring)))
    async with client_of(app) as client:
        client.headers["authorization"] = world.shop_test.headers["authorization"]
        body = {"state": "ACTIVE", "client_id": str(till.client_id)}
        answer = await client.put(f"{till.path}/tx/{uuid4()}", json=body)
        assert answer.status_code in (500, 503)
    assert await journal_of(world.owner, till.tss_id) == before
    assert await numbers_of(world, till) == []
    assert (await till.sell())["number"] == 1


async def test_a_till_that_hangs_up_in_the_middle_leaves_all_or_nothing(world: World) -> None:
    till = await Till(world.shop_test).open()
    for patience in range(1, 40):
        task = asyncio.create_task(till.sign(uuid4(), tx_revision=1))
        for _ in range(patience):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    numbers = await numbers_of(world, till)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(await journal_of(world.owner, till.tss_id)) == 10 + len(numbers)
    assert world.house.turns.is_idle()
    await till.sell()


async def shift(world: World, tss_id: UUID, seconds: int) -> None:
    """Let the last signature be so much later than now."""
    ahead = "UPDATE tss SET last_signed_at = last_signed_at + $2 WHERE id = $1"
    await world.owner.execute(ahead, tss_id, seconds)


async def test_a_time_is_never_before_the_last_one(world: World) -> None:
    till = await Till(world.shop_test).open()
    last = "SELECT last_signed_at FROM tss WHERE id = $1"
    await shift(world, till.tss_id, 50)
    latest = await world.owner.fetchval(last, till.tss_id)
    started = await till.sign(uuid4(), tx_revision=1)
    assert started["log"]["timestamp"] == started["time_start"] == latest


async def test_a_clock_that_fell_far_behind_stops_every_signature(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await till.sign(reference, tx_revision=1)
    await shift(world, till.tss_id, 120)
    body = {"state": "FINISHED", "client_id": str(till.client_id), "schema": RECEIPT}
    answer = await world.shop_test.put(f"{till.path}/tx/{reference}?tx_revision=2", json=body)
    assert said(answer) == (503, "E_CLOCK_WENT_BACK")
    assert answer.headers["retry-after"] == "60"
    logout = await world.shop_test.post(f"{till.path}/admin/logout")
    assert said(logout) == (503, "E_CLOCK_WENT_BACK")
    await shift(world, till.tss_id, -120)
    assert (await till.sign(reference, "FINISHED", RECEIPT, tx_revision=2))["revision"] == 2
    await journal_of(world.owner, till.tss_id)


async def test_a_tss_that_somebody_holds_says_so(world: World) -> None:
    """As another process does, for longer than anybody waits."""
    till = await Till(world.shop_test).open()
    body = {"state": "ACTIVE", "client_id": str(till.client_id)}
    async with world.owner.transaction():
        await world.owner.execute("SELECT FROM tss WHERE id = $1 FOR UPDATE", till.tss_id)
        answer = await world.shop_test.put(f"{till.path}/tx/{uuid4()}", json=body)
    assert said(answer) == (503, "E_TSS_LOCKED")
    assert answer.headers["retry-after"] == "1"
    assert (await till.sell())["number"] == 1
