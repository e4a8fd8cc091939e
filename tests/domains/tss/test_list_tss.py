"""Lists of TSS: filters, orders, pages."""

import pytest

from tills import SIGN, Till
from world import World, said


async def listed(world: World, query: str = "") -> list[str]:
    answer = (await world.shop_test.get(f"{SIGN}/tss?{query}")).json()
    assert (answer["_type"], answer["_env"]) == ("TSS_LIST", "TEST")
    return [each["_id"] for each in answer["data"]]


async def three(world: World) -> list[str]:
    """Make three TSS, a second apart and each further than the next."""
    tills = [Till(world.shop_test) for _ in range(3)]
    await tills[0].initialize()
    await tills[1].create()
    await tills[1].lead("UNINITIALIZED")
    await tills[2].create()
    for age, till in zip((20, 10, 0), tills, strict=True):
        aged = "UPDATE tss SET time_creation = time_creation - $2 WHERE id = $1"
        await world.owner.execute(aged, till.tss_id, age)
    return [str(till.tss_id) for till in tills]


async def test_tss_are_listed_in_every_order(world: World) -> None:
    first, second, third = ids = await three(world)
    assert await listed(world) == ids
    assert await listed(world, "order=desc") == ids[::-1]
    assert await listed(world, "order_by=time_creation&limit=1&offset=1") == [second]
    assert await listed(world, "order_by=state") == [third, second, first]
    for by in ("description", "time_init", "time_disable"):
        assert sorted(await listed(world, f"order_by={by}")) == sorted(ids)
    assert (await listed(world, "order_by=time_init"))[0] == first


@pytest.mark.parametrize(
    "query",
    [
        "states=CREATED&states=UNINITIALIZED",
        "states[]=CREATED&states[]=UNINITIALIZED",
        "states[0]=CREATED&states[1]=UNINITIALIZED",
        "states%5B0%5D=CREATED&states%5B1%5D=UNINITIALIZED",
        "?states=CREATED&states=UNINITIALIZED",
    ],
)
async def test_states_are_named_in_every_deployed_spelling(world: World, query: str) -> None:
    ids = await three(world)
    assert await listed(world, query) == ids[1:]


async def test_what_is_deleted_is_listed_until_it_is_not_wanted(world: World) -> None:
    ids = await three(world)
    gone = "UPDATE tss SET state = 'DELETED' WHERE id = $1::text::uuid"
    await world.owner.execute(gone, ids[0])
    assert await listed(world) == ids
    assert await listed(world, "show_deleted=true") == ids
    assert await listed(world, "show_deleted=false") == ids[1:]
    assert await listed(world, "states=DELETED") == ids[:1]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "offset=-1", "order=up", "order_by=_id", "states=LOST"]
)
async def test_a_wrong_question_is_refused(world: World, query: str) -> None:
    answer = await world.shop_test.get(f"{SIGN}/tss?{query}")
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
