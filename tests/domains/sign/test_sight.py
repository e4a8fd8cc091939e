"""Who sees a TSS and what belongs to it, and who does something with it."""

from uuid import UUID, uuid4

import httpx
import pytest

from tills import SIGN, Till
from world import World, said

DENIED = (403, "E_ACCESS_DENIED")
NO_TSS = (404, "E_TSS_NOT_FOUND")
NO_ORGANIZATION = (404, "E_ORGANIZATION_NOT_FOUND")


def changes(till: Till) -> list[tuple[str, str, dict[str, object]]]:
    """Everything that changes a TSS that is there."""
    client, start = f"/client/{till.client_id}", {"state": "ACTIVE", "client_id": str(uuid4())}
    return [
        ("PATCH", "", {"state": "DISABLED"}),
        ("PATCH", "/metadata", {"a": "b"}),
        ("PATCH", "/admin", {"admin_puk": till.puk, "new_admin_pin": "123456"}),
        ("POST", "/admin/auth", {"admin_pin": "123456"}),
        ("POST", "/admin/logout", {}),
        ("PUT", client, {"serial_number": "1"}),
        ("PATCH", client, {"state": "DEREGISTERED"}),
        ("PATCH", f"{client}/metadata", {"a": "b"}),
        ("PUT", f"/tx/{uuid4()}", dict(start)),
        ("PATCH", "/tx/1/metadata", {"a": "b"}),
    ]


def readings(till: Till) -> list[str]:
    """Everything that reads it, its lists among them."""
    client = f"/client/{till.client_id}"
    return [
        *("", "/metadata", "/client", client, f"{client}/metadata", f"{client}/tx"),
        *("/tx", "/tx/1", "/tx/1/log", "/tx/1/metadata"),
    ]


async def ask(http: httpx.AsyncClient, till: Till, method: str, path: str, body: object) -> object:
    return said(await http.request(method, till.path + path, json=body))


async def opened(world: World) -> Till:
    till = await Till(world.shop_test).open()
    await till.sell()
    return till


async def state_of(world: World, till: Till) -> object:
    return await world.owner.fetchrow("SELECT * FROM tss WHERE id = $1", till.tss_id)


@pytest.mark.parametrize("who", ["vendor_test"])
async def test_those_above_look_on_and_are_told_so(world: World, who: str) -> None:
    till = await opened(world)
    before = await state_of(world, till)
    for path in readings(till):
        assert await ask(world.clients[who], till, "GET", path, None) == (200, None), path
    for method, path, body in changes(till):
        assert await ask(world.clients[who], till, method, path, body) == DENIED, (method, path)
    assert await state_of(world, till) == before


@pytest.mark.parametrize("who", ["kiosk_test", "stranger_test", "enterprise_test", "shop_live"])
async def test_for_those_beside_and_in_the_other_env_it_is_not_there(
    world: World, who: str
) -> None:
    till, absent = await opened(world), Till(world.shop_test)
    before = await state_of(world, till)
    for method, path, body in [*(("GET", path, None) for path in readings(till)), *changes(till)]:
        found = await ask(world.clients[who], till, method, path, body)
        assert found == NO_TSS == await ask(world.clients[who], absent, method, path, body)
    assert await state_of(world, till) == before


async def test_a_key_below_does_not_see_the_tss_above(world: World) -> None:
    till = await Till(world.vendor_test).open()
    for path in readings(till)[:7]:
        assert await ask(world.shop_test, till, "GET", path, None) == NO_TSS


async def test_a_person_looks_on(world: World) -> None:
    till = await Till(world.shop_live).open()
    await till.sell()
    for who in (world.shop_owner, world.vendor_owner, world.vendor_member):
        for path in readings(till):
            assert await ask(who, till, "GET", path, None) == (200, None)
    for method, path, body in changes(till):
        assert await ask(world.shop_owner, till, method, path, body) == DENIED
    assert said(await world.shop_owner.put(Till(world.shop_live).path)) == DENIED


async def test_ids_of_others_are_no_obstacle(world: World) -> None:
    """Nobody learns that an id is taken elsewhere, nor can take it away from somebody."""
    till = await opened(world)
    for http in (world.shop_live, world.kiosk_test, world.vendor_test, world.stranger_test):
        made = await Till(http, tss_id=till.tss_id).create()
        assert made["serial_number"] != (await till.send("GET", ""))["serial_number"]
    rows = await world.owner.fetchval("SELECT count(*) FROM tss WHERE id = $1", till.tss_id)
    assert rows == 5


async def test_of_two_below_with_one_id_the_reader_says_which(world: World) -> None:
    till = await opened(world)
    await Till(world.kiosk_test, tss_id=till.tss_id).create()
    answer = await world.vendor_test.get(till.path)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    for name in ("shop", "kiosk"):
        chosen = await world.vendor_test.get(f"{till.path}?organization_id={world.ids[name]}")
        assert chosen.json()["organization_id"] == str(world.ids[name])
    await Till(world.vendor_test, tss_id=till.tss_id).create()
    own = await world.vendor_test.get(till.path)
    assert "organization_id" not in own.json(), "the own one comes first"


LISTS = ("tss", "client", "tx")


@pytest.mark.parametrize("noun", LISTS)
async def test_lists_are_of_the_own_organization_until_asked_for_more(
    world: World, noun: str
) -> None:
    for http in (world.vendor_test, world.shop_test, world.branch_test, world.stranger_test):
        await (await Till(http).open()).sell()

    async def owners(http: httpx.AsyncClient, query: str = "") -> list[UUID]:
        answer = (await http.get(f"{SIGN}/{noun}?{query}")).json()
        assert answer["count"] == len(answer["data"])
        return [UUID(each.get("organization_id", str(UUID(int=0)))) for each in answer["data"]]

    own = UUID(int=0)
    assert await owners(world.vendor_test) == [own]
    assert await owners(world.vendor_test, f"organization_id={world.shop}") == [world.shop]
    across = await owners(world.vendor_test, "include_managed=true")
    assert sorted(across) == sorted([own, world.shop, world.branch])
    below = f"organization_id={world.enterprise}&include_managed=true"
    assert await owners(world.vendor_test, below) == [world.branch]
    shop = f"organization_id={world.shop}&include_managed=true"
    assert await owners(world.vendor_test, shop) == [world.shop]
    assert await owners(world.enterprise_test, "include_managed=true") == [world.branch]
    assert await owners(world.shop_test, "include_managed=true") == [own]
    assert await owners(world.vendor_live, "include_managed=true") == []


@pytest.mark.parametrize("noun", LISTS)
async def test_lists_of_what_is_out_of_reach_are_not_there(world: World, noun: str) -> None:
    for http, organization in (
        (world.shop_test, world.vendor),
        (world.shop_test, world.kiosk),
        (world.stranger_test, world.shop),
        (world.enterprise_test, world.shop),
        (world.vendor_test, uuid4()),
    ):
        answer = await http.get(f"{SIGN}/{noun}?organization_id={organization}")
        assert said(answer) == NO_ORGANIZATION


async def test_a_key_of_little_reach_sees_what_it_reaches(world: World) -> None:
    for http in (world.shop_test, world.branch_test):
        await Till(http).create()
    for reach, expected in (
        ("self", []),
        ("managed", [world.shop]),
        ([str(world.branch)], [world.branch]),
        ("all", [world.shop, world.branch]),
    ):
        key = await world.enter_as(
            world.vendor, world.vendor_test, reach=reach, name=f"key-{uuid4().hex[:8]}"
        )
        answer = await key.get(f"{SIGN}/tss?include_managed=true")
        owners = [UUID(each["organization_id"]) for each in answer.json()["data"]]
        assert sorted(owners) == sorted(expected), "of one second, in the order of their ids"


async def test_a_grace_lets_tills_go_on_and_nothing_else(world: World) -> None:
    till = await opened(world)
    await world.owner.execute(
        "UPDATE organizations SET status = 'suspended', grace_ends_at = now() + interval '1 day' "
        "WHERE id = $1",
        world.vendor,
    )
    await till.sell()
    suspended = (403, "E_ORGANIZATION_SUSPENDED")
    for method, path, body in changes(till):
        if not path.startswith("/tx"):
            assert await ask(world.shop_test, till, method, path, body) == suspended, path
    ended = "UPDATE organizations SET grace_ends_at = now() - interval '1 day' WHERE id = $1"
    await world.owner.execute(ended, world.vendor)
    start = {"state": "ACTIVE", "client_id": str(till.client_id)}
    assert await ask(world.shop_test, till, "PUT", f"/tx/{uuid4()}", start) == suspended
