"""TSS that nobody needs any more, and those that stay."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from tillkeeper.core.env import Env
from tillkeeper.core.status import TssState
from tillkeeper.domains.tss.jobs import sweep
from tillkeeper.domains.tss.rules import end_of, horizons
from tills import Till
from world import World, said

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = 86_400


def ago(days: float) -> int:
    return int(MONDAY.timestamp() - days * DAY)


@pytest.mark.parametrize(
    ("env", "state", "signed", "disabled", "expected"),
    [
        ("TEST", "INITIALIZED", 13.9, None, None),
        ("TEST", "INITIALIZED", 14.1, None, "DELETED"),
        ("TEST", "CREATED", 14.1, None, "DELETED"),
        ("TEST", "DEFECTIVE", 14.1, None, "DELETED"),
        ("TEST", "DISABLED", 2, 2, "DELETED"),
        ("TEST", "DISABLED", 0.5, 0.5, None),
        ("TEST", "DELETED", 99, 99, None),
        ("LIVE", "INITIALIZED", 400, None, None),
        ("LIVE", "DISABLED", 400, 400, None),
        ("LIVE", "CREATED", 93, None, "EVICTED"),
        ("LIVE", "CREATED", 80, None, None),
        ("LIVE", "EVICTED", 400, None, None),
    ],
)
def test_what_ends_by_itself(
    env: str, state: str, signed: float, disabled: float | None, expected: str | None
) -> None:
    aged = SimpleNamespace(
        env=Env(env),
        state=TssState(state),
        time_creation=ago(signed),
        last_signed_at=0 if state == "CREATED" else ago(signed),
        time_disable=None if disabled is None else ago(disabled),
    )
    assert end_of(aged, horizons(MONDAY)) == expected


async def sweep_all(world: World) -> None:
    """Sweep until nothing is left, of other tests neither: each time so many at the most."""
    while await sweep(world.house):
        pass


async def age(world: World, till: Till, days: int) -> None:
    """Let a TSS be as it would be after some days: the clock is everybody's."""
    earlier = """UPDATE tss SET time_creation = time_creation - $2,
        last_signed_at = greatest(last_signed_at - $2, 0) WHERE id = $1"""
    await world.owner.execute(earlier, till.tss_id, days * DAY)


async def test_an_idle_tss_of_test_is_deleted_with_its_key_and_keeps_its_id(world: World) -> None:
    test, live = await Till(world.shop_test).open(), await Till(world.shop_live).open()
    sold = await test.sell()
    for till in (test, live):
        await age(world, till, 15)
    await sweep_all(world)
    assert (await test.send("GET", ""))["state"] == "DELETED"
    assert (await live.send("GET", ""))["state"] == "INITIALIZED"
    assert (await test.send("GET", f"/tx/{sold['_id']}"))["number"] == 1
    again = await world.shop_test.put(test.path, json={})
    assert said(again) == (409, "E_TSS_CONFLICT")
    assert (await world.events(world.shop))[-1] == "tss.updated"
    kind = "SELECT actor_kind FROM audit_rows WHERE target_id = $1 ORDER BY id DESC LIMIT 1"
    assert await world.owner.fetchval(kind, test.tss_id) == "system"


async def test_a_tss_in_use_stays(world: World) -> None:
    till = await Till(world.shop_test).open()
    await sweep_all(world)
    assert (await till.send("GET", ""))["state"] == "INITIALIZED"


async def test_an_unused_tss_of_live_is_evicted_and_its_puk_is_gone(world: World) -> None:
    till = Till(world.shop_live)
    await till.create()
    await age(world, till, 93)
    await sweep_all(world)
    assert (await till.send("GET", ""))["state"] == "EVICTED"
    puk = "SELECT sealed_puk FROM tss WHERE id = $1"
    assert await world.owner.fetchval(puk, till.tss_id) is None
