from typing import Any
from uuid import uuid4

from world import KEY, World, said

NOT_FOUND = (404, "E_API_KEY_NOT_FOUND")


async def create(world: World, **fields: object) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a new key of the shop's."""
    path = f"/organizations/{world.shop}/api-keys"
    answer = await world.vendor_test.post(path, json=KEY | fields)
    assert answer.status_code == 200, answer.text
    return f"{path}/{answer.json()['_id']}", answer.json()


async def test_a_deleted_key_is_gone_for_good(world: World) -> None:
    path, _ = await create(world)
    answer = await world.vendor_test.delete(path)
    assert (answer.status_code, answer.json()) == (200, {"_success": True})
    assert said(await world.vendor_test.get(path)) == NOT_FOUND
    assert said(await world.vendor_test.delete(path)) == NOT_FOUND
    assert await world.events(world.shop) == ["api_key.created", "api_key.deleted"]


async def test_its_tokens_die_with_it(world: World) -> None:
    path, created = await create(world)
    credentials = {"api_key": created["key"], "api_secret": created["secret"]}
    shop = await world.log_in(**credentials)
    await world.vendor_test.delete(path)
    assert said(await shop.get(f"/organizations/{world.shop}")) == (401, None)
    refused = await world.nobody.post("/auth", json=credentials)
    assert (*said(refused), refused.json()["message"]) == (401, None, "Invalid credentials")


async def test_a_disabled_key_can_be_deleted(world: World) -> None:
    path, _ = await create(world, status="disabled")
    assert (await world.vendor_test.delete(path)).status_code == 200


async def test_its_name_is_free_again_for_another_key(world: World) -> None:
    path, created = await create(world)
    await world.vendor_test.delete(path)
    _, again = await create(world)
    assert again["name"] == created["name"]
    assert {again["_id"], again["key"]}.isdisjoint({created["_id"], created["key"]})


async def test_a_shop_sees_a_managed_key_and_cannot_delete_it(world: World) -> None:
    path, _ = await create(world, managed_by_organization_id=str(world.vendor))
    assert said(await world.shop_test.delete(path)) == (403, "E_ACCESS_DENIED")
    assert (await world.shop_test.get(path)).status_code == 200
    assert (await world.vendor_test.delete(path)).status_code == 200


async def test_a_key_of_the_other_env_is_not_there(world: World) -> None:
    path, created = await create(world)
    assert said(await world.vendor_live.delete(path)) == NOT_FOUND
    absent = path.replace(created["_id"], str(uuid4()))
    assert said(await world.vendor_test.delete(absent)) == NOT_FOUND
    assert (await world.vendor_test.get(path)).status_code == 200


async def test_strangers_and_members_delete_no_key(world: World) -> None:
    path = f"/organizations/{world.vendor}/api-keys/{world.keys['vendor_live']['id']}"
    for character, expected in (
        (world.vendor_member, (403, "E_ACCESS_DENIED")),
        (world.stranger_live, (404, "E_ORGANIZATION_NOT_FOUND")),
        (world.shop_live, (404, "E_ORGANIZATION_NOT_FOUND")),
        (world.vendor_admin, (200, None)),
    ):
        assert said(await character.delete(path)) == expected
