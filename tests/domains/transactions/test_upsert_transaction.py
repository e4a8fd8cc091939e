"""A transaction from its start to its end, each revision signed once."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from journals import journal_of
from tills import RECEIPT, Till
from world import Json, World, said

UPSERT = (400, "E_TX_UPSERT")
ORDER = {
    "standard_v1": {
        "order": {"line_items": [{"quantity": 1, "text": "Tea", "price_per_unit": 2.55}]}
    }
}


async def put(till: Till, reference: object, revision: int | None, **body: Any) -> httpx.Response:  # noqa: ANN401
    wanted = {"state": "ACTIVE", "client_id": str(till.client_id)} | body
    query = {} if revision is None else {"tx_revision": revision}
    return await till.http.put(f"{till.path}/tx/{reference}", json=wanted, params=query)


async def test_a_sale_is_signed_twice(world: World) -> None:
    till = await Till(world.shop_test).open()
    sold = await till.sell()
    assert (sold["number"], sold["revision"], sold["state"]) == (1, 2, "FINISHED")
    assert sold["schema"]["standard_v1"] == RECEIPT["standard_v1"]
    assert sold["schema"]["raw"]["process_type"] == "Kassenbeleg-V1"
    assert sold == await till.send("GET", f"/tx/{sold['_id']}")
    start, end = (await journal_of(world.owner, till.tss_id))[-2:]
    assert (start.operation, end.operation) == ("StartTransaction", "FinishTransaction")
    assert (start.fields[0x82], start.fields[0x83]) == (b"", b" ")
    assert end.fields[0x81] == b"ERS 1"
    assert end.fields[0x82] == b"Beleg^21.42_0.00_0.00_0.00_0.00^21.42:Unbar"
    assert end.fields[0x85] == b"\x01"
    assert sold["signature"]["counter"] == end.counter


async def test_a_start_says_what_is_known_of_a_start(world: World) -> None:
    till = await Till(world.shop_test).open()
    started = await till.sign(uuid4(), tx_revision=1)
    assert started["schema"] == {}
    assert started["log"]["operation"] == "Start"
    assert isinstance(started["signature"]["counter"], int)
    assert not started.keys() & {"time_end", "qr_code_data", "metadata"}


async def test_a_transaction_goes_on_by_its_number(world: World) -> None:
    till = await Till(world.shop_test).open()
    started = await till.sign(uuid4(), tx_revision=1)
    await till.sign(started["number"], schema=ORDER, tx_revision=2)
    ended = await till.sign(started["number"], "CANCELLED", ORDER, tx_revision=3)
    assert (ended["_id"], ended["state"]) == (started["_id"], "CANCELLED")
    assert ended["log"]["operation"] == "Finish"
    assert "qr_code_data" not in ended
    assert said(await put(till, 77, 1)) == (404, "E_TX_NOT_FOUND")


async def test_a_repeated_call_answers_what_was_answered_first(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    calls: list[Json] = [
        {"metadata": {"table": "1"}},
        {"schema": ORDER},
        {"schema": ORDER, "state": "FINISHED"},
    ]
    first = [(await put(till, reference, n, **body)).json() for n, body in enumerate(calls, 1)]
    signed = await journal_of(world.owner, till.tss_id)
    again = [(await put(till, reference, n, **body)).json() for n, body in enumerate(calls, 1)]
    assert again == first
    assert await journal_of(world.owner, till.tss_id) == signed
    by_number = (await put(till, first[0]["number"], 2, **calls[1])).json()
    assert by_number == first[1]


async def test_a_repeated_call_with_other_content_is_refused(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await put(till, reference, 1)
    await put(till, reference, 2, schema=ORDER)
    other: Json = {"standard_v1": {"order": {"line_items": []}}}
    for revision, body in ((1, {"schema": ORDER}), (2, {}), (2, {"schema": other})):
        assert said(await put(till, reference, revision, **body)) == UPSERT
    for client in (str(uuid4()), None):
        answer = await put(till, reference, 2, schema=ORDER, client_id=client)
        assert answer.status_code == 400


@pytest.mark.parametrize("revision", [0, -1, 3, 4, 99])
async def test_revisions_have_no_gaps(world: World, revision: int) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await put(till, reference, 1)
    answer = await put(till, reference, revision)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("E_TX_UPSERT", "E_FAILED_SCHEMA_VALIDATION")
    assert said(await put(till, uuid4(), 2)) == UPSERT


async def test_without_a_revision_it_is_the_next_one(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    for revision in (1, 2, 3):
        assert (await put(till, reference, None)).json()["revision"] == revision


@pytest.mark.parametrize("state", ["FINISHED", "CANCELLED"])
async def test_nothing_follows_the_end(world: World, state: str) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await put(till, reference, 1)
    await put(till, reference, 2, state=state, schema=ORDER)
    for revision in (3, None):
        answer = await put(till, reference, revision, schema=ORDER)
        assert said(answer) == UPSERT
        assert state in answer.json()["message"]
    assert said(await put(till, uuid4(), 1, state=state, schema=ORDER)) == UPSERT


async def test_a_transaction_ends_with_a_type_that_it_keeps(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await put(till, reference, 1, schema={"raw": {"process_type": "", "process_data": ""}})
    no_type = (409, "E_TX_NO_TYPE_DEFINED")
    assert said(await put(till, reference, 2, state="FINISHED")) == no_type
    await put(till, reference, 2, schema=ORDER)
    change = (409, "E_TX_ILLEGAL_TYPE_CHANGE")
    assert said(await put(till, reference, 3, schema=RECEIPT)) == change
    assert said(await put(till, reference, 3, state="CANCELLED")) == no_type
    assert (await put(till, reference, 3, state="FINISHED", schema=ORDER)).status_code == 200


async def test_only_a_registered_client_of_this_tss_signs(world: World) -> None:
    till = await Till(world.shop_test).open()
    other = await Till(world.shop_test).open()
    unknown = (400, "E_CLIENT_NOT_FOUND")
    for client_id in (str(uuid4()), str(other.client_id)):
        assert said(await put(till, uuid4(), 1, client_id=client_id)) == unknown
    await till.send("PATCH", f"/client/{till.client_id}", {"state": "DEREGISTERED"})
    assert said(await put(till, uuid4(), 1)) == (400, "E_CLIENT_DEREGISTERED")


async def test_another_client_of_the_tss_may_go_on(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference, second = uuid4(), uuid4()
    await till.send("PUT", f"/client/{second}", {"serial_number": "ERS 2"})
    await put(till, reference, 1)
    went_on = (await put(till, reference, 2, client_id=str(second))).json()
    assert went_on["client_serial_number"] == "ERS 2"
    for client, number in ((till.client_id, 0), (second, 1)):
        listed = await till.send("GET", f"/client/{client}/tx")
        assert listed["count"] == number


async def test_a_tss_that_is_not_at_work_signs_nothing(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await put(till, reference, 1)
    first = await put(till, reference, 2, state="FINISHED", schema=ORDER)
    await till.lead("DISABLED")
    assert said(await put(till, uuid4(), 1)) == (400, "E_TSS_DISABLED")
    again = await put(till, reference, 2, state="FINISHED", schema=ORDER)
    assert again.json() == first.json(), "what is signed already may still be asked for"
    new = Till(world.shop_test)
    await new.create()
    assert said(await put(new, uuid4(), 1)) == (400, "E_TSS_NOT_INITIALIZED")


async def test_two_thousand_go_on_at_once_and_no_more(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await put(till, reference, 1)
    full = "UPDATE tss SET active_transactions = 2000 WHERE id = $1"
    await world.owner.execute(full, till.tss_id)
    assert said(await put(till, uuid4(), 1)) == (400, "E_TX_LIMIT_REACHED")
    assert (await put(till, reference, 2, state="FINISHED", schema=ORDER)).status_code == 200
    assert (await put(till, uuid4(), 1)).status_code == 200


async def test_taxis_start_and_finish_and_do_nothing_between(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    power: Json = {"dsfinvtw_v1": {"power_up": {}}}
    assert (await put(till, reference, 1, schema=power)).status_code == 200
    for state in ("ACTIVE", "CANCELLED"):
        answer = await put(till, reference, 2, state=state, schema=power)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
        assert answer.json()["details"][0]["field"] == "body.schema.dsfinvtw_v1"


async def test_metadata_grow_with_the_transaction(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    await put(till, reference, 1, metadata={"table": 5, "waiter": "Ann"})
    ended = await put(till, reference, 2, state="FINISHED", schema=ORDER, metadata={"waiter": ""})
    assert ended.json()["metadata"] == {"table": "5"}
    path = f"/tx/{reference}/metadata"
    assert await till.send("PATCH", path, {"tip": True}) == {"table": "5", "tip": "true"}
    assert await till.send("GET", path) == {"table": "5", "tip": "true"}
    await journal_of(world.owner, till.tss_id)


@pytest.mark.parametrize(
    "body",
    [
        {"state": "DONE"},
        {"client_id": "x"},
        {"schema": {"raw": {"process_type": "x"}}},
        {"schema": {"raw": {"process_type": "x", "process_data": "%"}}},
        {"schema": RECEIPT | ORDER | {"raw": {"process_type": "", "process_data": ""}}},
        {"metadata": {"k" * 41: "v"}},
        {"metadata": {"k": "v" * 501}},
        {"metadata": {f"k{n}": "v" for n in range(41)}},
        {"metadata": ["v"]},
    ],
)
async def test_a_wrong_shape_is_refused_and_signs_nothing(world: World, body: Json) -> None:
    till = await Till(world.shop_test).open()
    answer = await put(till, uuid4(), 1, **body)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert (await till.send("GET", ""))["transaction_counter"] == "0"
