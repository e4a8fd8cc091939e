"""Clients of a TSS: registered once, deregistered, registered again, and listed."""

from uuid import uuid4

import pytest

from journals import journal_of
from tills import SIGN, Till
from world import World, said

CONFLICT = (409, "E_CLIENT_CONFLICT")
ILLEGAL = (400, "E_ILLEGAL_CLIENT_SERIAL")


async def test_a_client_is_registered_and_the_same_again_is_no_second_one(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    client = await till.register("ERS 1")
    assert (client["_type"], client["state"], client["metadata"]) == ("CLIENT", "REGISTERED", {})
    assert client["tss_id"] == str(till.tss_id)
    assert await till.register("ERS 1") == client
    assert await till.send("GET", f"/client/{till.client_id}") == client
    last = (await journal_of(world.owner, till.tss_id))[-1]
    assert (last.operation, last.counter) == ("registerClient", 10)
    assert b"ERS 1" in last.fields[0x81]
    assert (await till.send("GET", ""))["number_registered_clients"] == 1


async def test_an_id_belongs_to_one_tss_and_one_serial_number(world: World) -> None:
    till = await Till(world.shop_test).open()
    other = await Till(world.shop_test, client_id=till.client_id).initialize()
    for path, serial in ((till.path, "ERS 2"), (other.path, "ERS 1")):
        answer = await world.shop_test.put(
            f"{path}/client/{till.client_id}", json={"serial_number": serial}
        )
        assert said(answer) == CONFLICT


async def test_an_id_in_another_organization_or_env_is_nobodys_business(world: World) -> None:
    till = await Till(world.shop_test).open()
    for http in (world.shop_live, world.kiosk_test, world.stranger_test):
        await Till(http, tss_id=till.tss_id, client_id=till.client_id).open()


@pytest.mark.parametrize("serial", ["", "x" * 71, " 1", "1 ", "ä", "a;b", "a\nb", "a_b", None])
async def test_a_serial_number_that_no_receipt_can_carry(world: World, serial: str) -> None:
    till = await Till(world.shop_test).initialize()
    path, body = f"{till.path}/client/{till.client_id}", {"serial_number": serial}
    assert said(await world.shop_test.put(path, json=body)) == ILLEGAL


async def test_a_serial_number_is_one_clients_on_a_tss(world: World) -> None:
    till = await Till(world.shop_test).open()
    path = f"{till.path}/client/{uuid4()}"
    answer = await world.shop_test.put(path, json={"serial_number": "ERS 1"})
    assert said(answer) == ILLEGAL
    assert (await world.shop_test.put(path, json={"serial_number": 4711})).status_code == 200


async def test_a_client_goes_and_comes_back(world: World) -> None:
    till = await Till(world.shop_test).open()
    path = f"/client/{till.client_id}"
    for state, number in (("DEREGISTERED", 0), ("REGISTERED", 1)):
        changed = await till.send("PATCH", path, {"state": state, "metadata": {"in": state}})
        assert (changed["state"], changed["metadata"]) == (state, {"in": state})
        assert (await till.send("GET", ""))["number_registered_clients"] == number
    before = len(await journal_of(world.owner, till.tss_id))
    labelled = await till.send("PATCH", path, {"state": "REGISTERED", "metadata": {"in": ""}})
    assert labelled["metadata"] == {}
    assert labelled["time_update"] >= labelled["time_creation"]
    signed = [each.operation for each in await journal_of(world.owner, till.tss_id)]
    assert signed[-2:] == ["deregisterClient", "registerClient"]
    assert len(signed) == before, "labels are not signed"


async def test_clients_need_an_initialized_tss_and_a_session(world: World) -> None:
    till = Till(world.shop_test)
    await till.create()
    path, body = f"{till.path}/client/{till.client_id}", {"serial_number": "1"}
    assert said(await world.shop_test.put(path, json=body)) == (400, "E_TSS_NOT_INITIALIZED")
    await till.lead("UNINITIALIZED")
    assert said(await world.shop_test.put(path, json=body)) == (400, "E_TSS_NOT_INITIALIZED")
    await till.set_pin()
    await till.log_in()
    await till.lead("INITIALIZED")
    await till.register()
    await till.lead("DISABLED")
    for method in ("PUT", "PATCH"):
        answer = await world.shop_test.request(method, path, json=body | {"state": "REGISTERED"})
        assert said(answer) == (400, "E_TSS_DISABLED")


async def test_a_tss_has_so_many_registered_clients_and_no_more(world: World) -> None:
    till = await Till(world.shop_test).open()
    full = "UPDATE tss SET registered_clients = 199 WHERE id = $1"
    path, body = f"{till.path}/client/{till.client_id}", {"state": "DEREGISTERED"}
    assert (await world.shop_test.patch(path, json=body)).status_code == 200
    await world.owner.execute(full, till.tss_id)
    limit = (403, "E_CLIENT_LIMIT_REACHED")
    assert said(await world.shop_test.patch(path, json={"state": "REGISTERED"})) == limit
    new = await world.shop_test.put(f"{till.path}/client/{uuid4()}", json={"serial_number": "9"})
    assert said(new) == limit


async def test_a_client_that_is_not_there_is_not_found(world: World) -> None:
    till = await Till(world.shop_test).open()
    other = await Till(world.shop_test).open()
    for client_id in (uuid4(), other.client_id):
        for method in ("GET", "PATCH"):
            path = f"{till.path}/client/{client_id}"
            answer = await world.shop_test.request(method, path, json={"state": "REGISTERED"})
            assert said(answer) == (404, "E_CLIENT_NOT_FOUND")
    path = f"{SIGN}/tss/{uuid4()}/client/{till.client_id}"
    assert said(await world.shop_test.get(path)) == (404, "E_TSS_NOT_FOUND")


async def test_lists_of_clients(world: World) -> None:
    till = await Till(world.shop_test).open()
    other = await Till(world.shop_test).initialize()
    await other.register("ERS 0")
    await other.send("PATCH", f"/client/{other.client_id}", {"state": "DEREGISTERED"})

    async def listed(path: str, **query: str) -> list[str]:
        answer = (await world.shop_test.get(SIGN + path, params=query)).json()
        assert (answer["_type"], answer["count"]) == ("CLIENT_LIST", len(answer["data"]))
        return [each["serial_number"] for each in answer["data"]]

    assert await listed("/client", order_by="serial_number") == ["ERS 0", "ERS 1"]
    assert await listed("/client", order_by="serial_number", order="desc") == ["ERS 1", "ERS 0"]
    assert await listed("/client", state="REGISTERED") == ["ERS 1"]
    assert await listed("/client", serial_number="ERS 0") == ["ERS 0"]
    assert await listed(f"/tss/{till.tss_id}/client") == ["ERS 1"]
    gone = "UPDATE tss SET state = 'DELETED' WHERE id = $1"
    await world.owner.execute(gone, other.tss_id)
    assert await listed("/client", show_deleted="false") == ["ERS 1"]
    assert len(await listed("/client")) == 2
