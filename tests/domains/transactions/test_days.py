"""Transactions are counted by their local day, in the statement that signs."""

import asyncio
import importlib
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tillkeeper.core.days import local_day
from tills import Till
from world import World


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-28T22:59:59", "2026-03-28"),
        ("2026-03-28T23:00:00", "2026-03-29"),
        ("2026-03-29T21:59:59", "2026-03-29"),
        ("2026-03-29T22:00:00", "2026-03-30"),
        ("2026-10-24T22:00:00", "2026-10-25"),
        ("2026-10-25T22:59:59", "2026-10-25"),
    ],
)
def test_a_day_has_23_to_25_hours(moment: str, day: str) -> None:
    seconds = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    assert local_day(int(seconds)).isoformat() == day


async def test_each_transaction_is_counted_once_whoever_signs_at_once(world: World) -> None:
    """Counted by the statement that signs: what is refused or repeated is not counted."""
    tills = [await Till(world.shop_test).open() for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(tills[number % 2].sell())
    reference = uuid4()
    for _ in range(2):
        await tills[0].sign(reference, tx_revision=1)
    unknown = {"state": "ACTIVE", "client_id": str(uuid4())}
    refused = await world.shop_test.put(f"{tills[0].path}/tx/{uuid4()}", json=unknown)
    assert refused.status_code == 400
    counted = "SELECT sum(n) FROM transaction_months, unnest(started) n WHERE organization_id = $1"
    assert await world.owner.fetchval(counted, world.shop) == 21


async def test_each_day_of_a_month_has_its_place(world: World) -> None:
    till = await Till(world.shop_test).open()
    today = local_day(int(time.time()))
    whole = "SELECT month, started FROM transaction_months WHERE tss_id = $1"
    for sold in (1, 2):
        await till.sell()
        row = await world.owner.fetchrow(whole, till.tss_id)
        assert row is not None
        assert row["month"] == today.replace(day=1)
        assert row["started"] == [sold if day == today.day else 0 for day in range(1, 32)]


async def test_what_was_signed_before_they_were_counted_is_counted(world: World) -> None:
    till = await Till(world.shop_test).open()
    for _ in range(3):
        await till.sell()
    aged = "UPDATE transactions SET time_start = $2 WHERE tss_id = $1 AND number = $3"
    for number, moment in ((1, "2026-03-28T23:00:00"), (2, "2026-03-31T21:59:59")):
        seconds = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
        await world.owner.execute(aged, till.tss_id, seconds, number)
    migration = importlib.import_module("tillkeeper.schema.migrations.versions.0028_fleet")
    rolled_back = world.owner.transaction()
    await rolled_back.start()
    try:
        await world.owner.execute("DELETE FROM transaction_months")
        await world.owner.execute(migration._MONTHS_SO_FAR)  # noqa: SLF001 - runs once, elsewhere
        months = "SELECT month, started FROM transaction_months WHERE tss_id = $1 ORDER BY month"
        march, now = await world.owner.fetch(months, till.tss_id)
    finally:
        await rolled_back.rollback()
    assert march["month"].isoformat() == "2026-03-01"
    assert march["started"] == [0] * 28 + [1, 0, 1]
    assert (sum(now["started"]), len(now["started"])) == (1, 31)
