from uuid import uuid4

from world import KEY, World, said

NOT_FOUND = (404, "E_API_KEY_NOT_FOUND")


def path_of(organization_id: object, key_id: object) -> str:
    return f"/organizations/{organization_id}/api-keys/{key_id}"


async def test_it_is_the_key_without_its_secret(world: World) -> None:
    created = (
        await world.vendor_test.post(f"/organizations/{world.shop}/api-keys", json=KEY)
    ).json()
    answer = await world.vendor_test.get(path_of(world.shop, created["_id"]))
    assert answer.status_code == 200
    assert list(answer.json()) == [name for name in created if name != "secret"]
    assert answer.json().items() <= created.items()


async def test_a_shop_reads_a_key_that_is_managed_from_above(world: World) -> None:
    wanted = KEY | {"managed_by_organization_id": str(world.vendor)}
    path = f"/organizations/{world.shop}/api-keys"
    created = (await world.vendor_test.post(path, json=wanted)).json()
    seen = (await world.shop_test.get(path_of(world.shop, created["_id"]))).json()
    assert seen["managed_by_organization_id"] == str(world.vendor)
    assert seen["created_by_user"] != created["created_by_user"]


async def test_another_env_another_organization_and_none_answer_alike(world: World) -> None:
    in_test, of_kiosk = world.keys["shop_test"]["id"], world.keys["kiosk_test"]["id"]
    for client, organization_id, key_id in (
        (world.vendor_live, world.shop, in_test),
        (world.vendor_test, world.shop, of_kiosk),
        (world.shop_test, world.shop, of_kiosk),
        (world.vendor_test, world.shop, uuid4()),
    ):
        answer = await client.get(path_of(organization_id, key_id))
        assert said(answer) == NOT_FOUND
        assert answer.json()["message"] == f"There is no API key {key_id}"


async def test_an_organization_out_of_sight_comes_first(world: World) -> None:
    answer = await world.shop_test.get(path_of(world.kiosk, world.keys["kiosk_test"]["id"]))
    assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")


async def test_an_id_that_is_none_is_a_wrong_shape(world: World) -> None:
    answer = await world.shop_test.get(path_of(world.shop, "first-key"))
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith("params.key_id")
