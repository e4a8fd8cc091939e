from typing import Any
from uuid import uuid4

import pytest

from world import KEY, World, said

DISABLED, ENABLED = {"status": "disabled"}, {"status": "enabled"}


async def create(world: World, **fields: object) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a new key of the shop's."""
    path = f"/organizations/{world.shop}/api-keys"
    answer = await world.vendor_test.post(path, json=KEY | fields)
    assert answer.status_code == 200, answer.text
    return f"{path}/{answer.json()['_id']}", answer.json()


async def test_a_key_is_disabled_and_enabled_again(world: World) -> None:
    path, created = await create(world)
    del created["secret"]
    for wanted in (DISABLED, ENABLED):
        answer = await world.vendor_test.patch(path, json=wanted)
        assert (answer.status_code, answer.json()) == (200, created | wanted)
        assert (await world.vendor_test.get(path)).json() == created | wanted
    assert await world.events(world.shop) == [
        "api_key.created",
        "api_key.updated",
        "api_key.updated",
    ]


async def test_a_disabled_key_is_refused_from_the_next_request_on(world: World) -> None:
    path, created = await create(world)
    credentials = {"api_key": created["key"], "api_secret": created["secret"]}
    shop = await world.log_in(**credentials)
    own = f"/organizations/{world.shop}"
    assert (await shop.get(own)).status_code == 200
    await world.vendor_test.patch(path, json=DISABLED)
    assert said(await shop.get(own)) == (401, None)
    refused = await world.nobody.post("/auth", json=credentials)
    assert (*said(refused), refused.json()["message"]) == (401, None, "Invalid credentials")
    await world.vendor_test.patch(path, json=ENABLED)
    assert (await shop.get(own)).status_code == 200


async def test_metadata_is_replaced_whole(world: World) -> None:
    path, _ = await create(world, metadata={"a": "1", "b": "2"})
    answer = await world.vendor_test.patch(path, json={"metadata": {"c": "3"}})
    assert (answer.json()["metadata"], answer.json()["status"]) == ({"c": "3"}, "enabled")


async def test_a_change_of_nothing_is_no_event(world: World) -> None:
    path, created = await create(world, metadata={"a": "1"})
    del created["secret"]
    for same in ({}, ENABLED, {"metadata": {"a": "1"}}):
        answer = await world.vendor_test.patch(path, json=same)
        assert (answer.status_code, answer.json()) == (200, created)
    assert await world.events(world.shop) == ["api_key.created"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "other"},
        {"key": "test_x_other"},
        {"secret": "x" * 43},
        {"managed_by_organization_id": None},
        {"status": "gone"},
        {"status": None},
        {"metadata": None},
        {"metadata": {"k": 1}},
    ],
    ids=str,
)
async def test_only_status_and_metadata_change(world: World, wrong: dict[str, object]) -> None:
    path, _ = await create(world)
    answer = await world.vendor_test.patch(path, json=wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert await world.events(world.shop) == ["api_key.created"]


async def test_a_shop_sees_a_managed_key_and_cannot_change_it(world: World) -> None:
    path, _ = await create(world, managed_by_organization_id=str(world.vendor))
    assert (await world.shop_test.get(path)).status_code == 200
    assert said(await world.shop_test.patch(path, json=DISABLED)) == (403, "E_ACCESS_DENIED")
    assert (await world.vendor_test.patch(path, json=DISABLED)).status_code == 200


async def test_a_shop_changes_its_plain_keys_whoever_made_them(world: World) -> None:
    path, _ = await create(world)
    assert (await world.shop_test.patch(path, json=DISABLED)).status_code == 200


async def test_a_key_may_disable_itself(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_test']['id']}"
    assert (await world.shop_test.patch(path, json=DISABLED)).json()["status"] == "disabled"
    assert said(await world.shop_test.patch(path, json=ENABLED)) == (401, None)


async def test_a_key_of_the_other_env_is_not_there(world: World) -> None:
    path, created = await create(world)
    answer = await world.vendor_live.patch(path, json=DISABLED)
    assert said(answer) == (404, "E_API_KEY_NOT_FOUND")
    absent = path.replace(created["_id"], str(uuid4()))
    assert said(await world.vendor_test.patch(absent, json=DISABLED)) == said(answer)


async def test_strangers_and_members_change_no_key(world: World) -> None:
    path = f"/organizations/{world.vendor}/api-keys/{world.keys['vendor_live']['id']}"
    for character, expected in (
        (world.vendor_member, (403, "E_ACCESS_DENIED")),
        (world.vendor_billing, (403, "E_ACCESS_DENIED")),
        (world.stranger_live, (404, "E_ORGANIZATION_NOT_FOUND")),
        (world.shop_live, (404, "E_ORGANIZATION_NOT_FOUND")),
        (world.vendor_admin, (200, None)),
    ):
        assert said(await character.patch(path, json=DISABLED)) == expected
