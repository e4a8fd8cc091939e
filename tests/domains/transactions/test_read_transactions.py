"""Reading what was signed: revisions, log messages, lists."""

from uuid import uuid4

import pytest

from journals import journal_of, read
from tills import RECEIPT, SIGN, Till
from world import World, said

NO_REVISION = (400, "E_TX_REVISION_NOT_FOUND")
NO_TX = (404, "E_TX_NOT_FOUND")
NO_TSS = (404, "E_TSS_NOT_FOUND")


async def test_every_revision_is_read_as_it_was_answered(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    answers = [
        await till.sign(reference, tx_revision=1),
        await till.sign(reference, schema=RECEIPT, tx_revision=2),
        await till.sign(reference, "FINISHED", RECEIPT, tx_revision=3),
    ]
    for name in (reference, 1, str(reference).upper()):
        for number, answer in enumerate(answers, 1):
            found = await till.send("GET", f"/tx/{name}", tx_revision=number)
            assert found == answer | {"latest_revision": 3}
        assert await till.send("GET", f"/tx/{name}") == answers[2]


async def test_the_log_message_is_what_was_signed(world: World) -> None:
    till = await Till(world.shop_test).open()
    sold = await till.sell()
    path = f"{till.path}/tx/{sold['number']}/log"
    point = await world.owner.fetchval("SELECT point FROM tss WHERE id = $1", till.tss_id)
    for revision, operation in ((1, "StartTransaction"), (2, "FinishTransaction")):
        answer = await world.shop_test.get(path, params={"tx_revision": revision})
        assert answer.headers["content-type"] == "application/octet-stream"
        assert read(answer.content, point).operation == operation
    latest = await world.shop_test.get(path)
    assert latest.content == answer.content
    assert (await journal_of(world.owner, till.tss_id))[-1] == read(latest.content, point)


@pytest.mark.parametrize("below", ["", "/log"])
async def test_what_is_missing_is_named(world: World, below: str) -> None:
    till = await Till(world.shop_test).open()
    sold = await till.sell()
    for path, expected in (
        (f"{till.path}/tx/{sold['_id']}{below}?tx_revision=3", NO_REVISION),
        (f"{till.path}/tx/{uuid4()}{below}", NO_TX),
        (f"{till.path}/tx/2{below}", NO_TX),
        (f"{till.path}/tx/2{below}?tx_revision=1", NO_TX),
        (f"{SIGN}/tss/{uuid4()}/tx/1{below}", NO_TSS),
    ):
        assert said(await world.shop_test.get(path)) == expected, path


async def test_lists_show_latest_revisions(world: World) -> None:
    till = await Till(world.shop_test).open()
    sold = [await till.sell() for _ in range(3)]
    active = await till.sign(uuid4(), tx_revision=1)
    cancelled = await till.sign(uuid4(), tx_revision=1)
    cancelled = await till.sign(cancelled["_id"], "CANCELLED", RECEIPT, tx_revision=2)

    async def listed(query: str, path: str = f"{SIGN}/tx") -> list[int]:
        answer = (await world.shop_test.get(f"{path}?{query}")).json()
        assert answer["_type"] == "TRANSACTION_LIST"
        return [each["number"] for each in answer["data"]]

    assert await listed("order_by=number") == [1, 2, 3, 4, 5]
    assert await listed("order_by=number&order=desc&limit=2&offset=1") == [4, 3]
    assert await listed("states=ACTIVE") == [active["number"]]
    both = [active["number"], cancelled["number"]]
    for name in ("states", "states[]", "states%5B%5D"):
        assert await listed(f"{name}=ACTIVE&{name}=CANCELLED&order_by=number") == both
    assert await listed("states[0]=ACTIVE&states[1]=CANCELLED&order_by=number") == both
    assert await listed("?states=ACTIVE") == [active["number"]]
    assert len(await listed("", f"{till.path}/tx")) == 5
    assert (await till.send("GET", "/tx"))["data"][0] == sold[0]
    gone = "UPDATE tss SET state = 'DELETED' WHERE id = $1"
    await world.owner.execute(gone, till.tss_id)
    assert await listed("show_deleted=false") == []


async def test_a_list_says_how_many_there_are(world: World) -> None:
    till = await Till(world.shop_test).open()
    for _ in range(3):
        await till.sell()
    page = await till.send("GET", "/tx", limit=1)
    assert (len(page["data"]), page["count"]) == (1, 3)
    for limit in (0, 101):
        answer = await world.shop_test.get(f"{till.path}/tx?limit={limit}")
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
