"""Registers go on under another TSS or client: which one stands in for which, said once."""

import asyncio
from uuid import UUID, uuid4

import pytest

from races import held, together, wait_until
from tills import SIGN, Till
from world import Connection, Json, World, said

NO_TSS = (400, "E_TSS_NOT_FOUND")
NO_CLIENT = (400, "E_CLIENT_NOT_FOUND")
VIOLATION = (400, "E_FAILED_SCHEMA_VALIDATION")
REPLACES = ("replaces", "replaced_by")


async def successor(till: Till, **fields: object) -> tuple[Till, Json]:
    """Create a TSS that stands in for a till's."""
    other = Till(till.http)
    made: Json = await other.send("PUT", "", {"replaces": str(till.tss_id)} | fields)
    other.puk = made["admin_puk"]
    return other, made


def registering(replaces: object, serial_number: str = "ERS 2") -> Json:
    return {"serial_number": serial_number, "replaces": str(replaces)}


async def test_clients_that_do_not_ask_for_it_see_nothing_of_it(world: World) -> None:
    till = await Till(world.shop_test).open()
    client = f"/client/{till.client_id}"
    shown = [await till.send("GET", path) for path in ("", client)]
    listed = (await world.shop_test.get(f"{SIGN}/tss")).json()["data"]
    shown += listed + (await till.send("GET", "/client"))["data"]
    shown.append(await till.send("PATCH", client, {"state": "DEREGISTERED"}))
    for each in shown:
        assert not each.keys() & set(REPLACES)


async def test_a_tss_and_its_successor_name_each_other(world: World) -> None:
    till = await Till(world.shop_test).open()
    other, made = await successor(till)
    assert made["replaces"] == str(till.tss_id)
    assert "replaced_by" not in made
    for http in (world.shop_test, world.vendor_test):
        old, new = (await http.get(till.path)).json(), (await http.get(other.path)).json()
        assert [old.get(name) for name in REPLACES] == [None, str(other.tss_id)]
        assert [new.get(name) for name in REPLACES] == [str(till.tss_id), None]
    by_id = {
        each["_id"]: each for each in (await world.shop_test.get(f"{SIGN}/tss")).json()["data"]
    }
    assert by_id[str(till.tss_id)]["replaced_by"] == str(other.tss_id)
    for labels in ({}, {"a": "b"}):
        led = await till.lead("INITIALIZED", metadata=labels)
        assert led["replaced_by"] == str(other.tss_id), "whether or not it changes anything"


async def test_a_client_goes_on_under_another_tss(world: World) -> None:
    till = await Till(world.shop_test).open()
    other = await Till(world.shop_test).initialize()
    body = registering(till.client_id)
    made = await other.send("PUT", f"/client/{other.client_id}", body)
    assert [made.get(name) for name in REPLACES] == [str(till.client_id), None]
    old = await till.send("GET", f"/client/{till.client_id}")
    assert [old.get(name) for name in REPLACES] == [None, str(other.client_id)]
    patched = await till.send("PATCH", f"/client/{till.client_id}", {"state": "DEREGISTERED"})
    assert patched["replaced_by"] == str(other.client_id)
    again = await other.send("PUT", f"/client/{other.client_id}", {"serial_number": "ERS 2"})
    assert again == made, "who does not repeat it asks for the same client"
    assert await other.send("PUT", f"/client/{other.client_id}", body) == made


async def test_what_a_thing_replaces_never_changes(world: World) -> None:
    till = await Till(world.shop_test).open()
    other, _ = await successor(till)
    third = await Till(world.shop_test).initialize()
    body = {"replaces": str(third.tss_id)}
    assert said(await world.shop_test.put(other.path, json=body)) == (409, "E_TSS_CONFLICT")
    path = f"{third.path}/client/{third.client_id}"
    await third.send("PUT", f"/client/{third.client_id}", {"serial_number": "1"})
    answer = await world.shop_test.put(path, json=registering(till.client_id, "1"))
    assert said(answer) == (409, "E_CLIENT_CONFLICT")
    replaced = "SELECT replaces FROM tss WHERE id = $1"
    assert await world.owner.fetchval(replaced, other.tss_id) == till.tss_id


@pytest.mark.parametrize("absent", ["unknown", "own", "other_env", "below", "beside", "above"])
async def test_what_is_not_ones_own_answers_as_what_is_not_there(world: World, absent: str) -> None:
    till = Till(world.vendor_test)
    there = {
        "other_env": world.vendor_live,
        "below": world.shop_test,
        "beside": world.stranger_test,
        "above": world.vendor_test,
    }
    found = await Till(there[absent]).open() if absent in there else Till(world.nobody)
    mine = Till(world.shop_test) if absent == "above" else till
    tss_id, client_id = found.tss_id, found.client_id
    if absent == "own":
        tss_id, client_id = mine.tss_id, mine.client_id
    bodies = [{"replaces": str(each)} for each in (tss_id, uuid4())]
    answers = [await mine.http.put(mine.path, json=body) for body in bodies]
    await mine.initialize()
    path = f"{mine.path}/client/{mine.client_id}"
    bodies = [registering(each) for each in (client_id, uuid4())]
    answers += [await mine.http.put(path, json=body) for body in bodies]
    assert [said(answer) for answer in answers] == [NO_TSS, NO_TSS, NO_CLIENT, NO_CLIENT]
    for one, other in (answers[:2], answers[2:]):
        ids = [each.headers["x-request-id"] for each in (one, other)]
        assert one.text.replace(ids[0], "") == other.text.replace(ids[1], "")
    assert (await mine.send("GET", ""))["number_registered_clients"] == 0


@pytest.mark.parametrize("wrong", ["", "x", 1, [], {}])
async def test_an_id_of_another_shape_is_refused(world: World, wrong: object) -> None:
    till = await Till(world.shop_test).initialize()
    answer = await world.shop_test.put(Till(world.shop_test).path, json={"replaces": wrong})
    assert said(answer) == VIOLATION
    body = {"serial_number": "1", "replaces": wrong}
    answer = await world.shop_test.put(f"{till.path}/client/{uuid4()}", json=body)
    assert said(answer) == VIOLATION


async def test_one_has_one_successor(world: World) -> None:
    till = await Till(world.shop_test).open()
    other, _ = await successor(till)
    body = {"replaces": str(till.tss_id)}
    answer = await world.shop_test.put(Till(world.shop_test).path, json=body)
    assert said(answer) == (409, "E_TSS_REPLACED")
    await successor(other)
    await till.send("PUT", f"/client/{uuid4()}", registering(till.client_id))
    again = registering(till.client_id, "ERS 3")
    answer = await world.shop_test.put(f"{till.path}/client/{uuid4()}", json=again)
    assert said(answer) == (409, "E_CLIENT_REPLACED")
    assert (await till.send("GET", ""))["number_registered_clients"] == 2


async def test_of_two_tss_that_would_replace_one_the_second_is_refused(
    world: World, holder: Connection
) -> None:
    """Without `_LOCK_ORGANIZATION` in `count_tss` the second fails at the index, with a 500."""
    till = Till(world.shop_test)
    await till.create()
    body, lock = (
        {"replaces": str(till.tss_id)},
        "SELECT FROM organizations WHERE id = $1 FOR UPDATE",
    )
    async with held(holder, lock, world.shop):
        both = [world.shop_test.put(Till(world.shop_test).path, json=body) for _ in range(2)]
        racing = asyncio.create_task(together(both))
        await wait_until(world.owner, holder, waiting=2)
    assert await racing == {(200, None): 1, (409, "E_TSS_REPLACED"): 1}


async def test_of_two_clients_that_would_replace_one_the_second_is_refused(
    world: World, holder: Connection
) -> None:
    """Without `_LOCK` in `find_to_replace` the second is told of an id that it has not used."""
    old = await Till(world.shop_test).open()
    tills = [await Till(world.shop_test).initialize() for _ in range(2)]
    lock = "SELECT FROM tss_clients WHERE id = $1 FOR UPDATE"
    async with held(holder, lock, old.client_id):
        both = [
            till.http.put(f"{till.path}/client/{till.client_id}", json=registering(old.client_id))
            for till in tills
        ]
        racing = asyncio.create_task(together(both))
        await wait_until(world.owner, holder, waiting=2)
    assert await racing == {(200, None): 1, (409, "E_CLIENT_REPLACED"): 1}
    counters = [(await till.send("GET", ""))["signature_counter"] for till in tills]
    assert sorted(map(int, counters)) == [9, 10], "the one that was refused has signed nothing"


async def test_the_audit_says_what_is_replaced(world: World) -> None:
    till = await Till(world.shop_test).open()
    other, _ = await successor(till)
    after = await world.owner.fetchval(
        "SELECT after FROM audit_rows WHERE target_id = $1 AND event = 'tss.created'", other.tss_id
    )
    assert UUID(after["replaces"]) == till.tss_id


async def test_an_organization_goes_with_its_whole_line_of_tills(world: World) -> None:
    shop = UUID((await world.create_shop())["_id"])
    key = await world.enter_as(shop, world.vendor_test)
    till = await Till(key).open()
    await till.sell()
    other, _ = await successor(till)
    await other.lead("UNINITIALIZED")
    await other.set_pin()
    await other.log_in()
    await other.lead("INITIALIZED")
    await other.send("PUT", f"/client/{other.client_id}", registering(till.client_id))
    assert (await world.vendor_test.delete(f"/organizations/{shop}")).status_code == 200
    left = "SELECT count(*) FROM tss WHERE organization_id = $1"
    assert await world.owner.fetchval(left, shop) == 0
