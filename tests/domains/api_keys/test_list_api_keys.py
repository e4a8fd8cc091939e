from typing import Any
from uuid import uuid4

import httpx
import pytest

from world import KEY, World, said

RECORDED = [
    "_id",
    "_type",
    "_envs",
    "key",
    "created_at",
    "created_by_user",
    "name",
    "status",
    "metadata",
    "managed_by_organization_id",
]


async def names_of(
    client: httpx.AsyncClient, organization_id: object, query: str = ""
) -> list[str]:
    answer = await client.get(f"/organizations/{organization_id}/api-keys{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["_type"] == "API_KEY_LIST"
    return [each["name"] for each in answer.json()["data"]]


async def add(world: World, name: str, **fields: Any) -> None:  # noqa: ANN401
    path = f"/organizations/{world.shop}/api-keys"
    answer = await world.vendor_test.post(path, json=KEY | {"name": name} | fields)
    assert answer.status_code == 200, answer.text


async def test_items_have_the_recorded_fields_and_no_secret(world: World) -> None:
    await add(world, "till-1")
    answer = await world.shop_test.get(f"/organizations/{world.shop}/api-keys")
    assert {tuple(each) for each in answer.json()["data"]} == {tuple(RECORDED)}
    assert list(answer.json()) == ["data", "count", "_type"]


async def test_a_shops_plain_key_lists_its_organizations_keys_itself_included(
    world: World,
) -> None:
    await add(world, "managed", managed_by_organization_id=str(world.vendor))
    answer = (await world.shop_test.get(f"/organizations/{world.shop}/api-keys")).json()
    assert answer["count"] == 2
    own, managed = answer["data"]
    assert own["key"] == world.keys["shop_test"]["api_key"]
    assert (own["_type"], own["managed_by_organization_id"]) == ("API_KEY", "")
    assert managed["_type"] == "MANAGED_API_KEY"


async def test_who_stands_below_does_not_learn_who_made_a_key(world: World) -> None:
    await add(world, "till-1")
    maker = str(world.keys["vendor_test"]["id"])
    from_above = await world.vendor_test.get(f"/organizations/{world.shop}/api-keys")
    from_below = await world.shop_test.get(f"/organizations/{world.shop}/api-keys")
    assert maker in from_above.text
    assert maker not in from_below.text


async def test_the_two_envs_do_not_see_each_other(world: World) -> None:
    await add(world, "till-1")
    assert await names_of(world.vendor_test, world.shop) == ["first-key", "till-1"]
    assert await names_of(world.vendor_live, world.shop) == ["first-key"]
    assert await names_of(world.shop_owner, world.shop) == ["first-key"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status=enabled", ["first-key", "till-1"]),
        ("?status=disabled", ["till-2"]),
        ("?status=enabled&status=disabled", ["first-key", "till-1", "till-2"]),
        ("?status[]=disabled", ["till-2"]),
        ("?status%5B%5D=enabled&status%5B%5D=disabled", ["first-key", "till-1", "till-2"]),
        ("?status[0]=disabled&status[1]=enabled", ["first-key", "till-1", "till-2"]),
        ("?kind=test", ["first-key", "till-1", "till-2"]),
        ("?kind=live", []),
        ("?kind[]=test&kind[]=live&status=disabled", ["till-2"]),
    ],
)
async def test_filters_take_arrays_in_every_spelling(
    world: World, query: str, found: list[str]
) -> None:
    await add(world, "till-1")
    await add(world, "till-2", status="disabled")
    assert await names_of(world.vendor_test, world.shop, query) == found
    answer = await world.vendor_test.get(f"/organizations/{world.shop}/api-keys{query}")
    assert answer.json()["count"] == len(found)


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("name", ["a-till", "b-till", "first-key"]),
        ("created_at", ["first-key", "b-till", "a-till"]),
        ("status", ["first-key", "b-till", "a-till"]),
    ],
)
async def test_a_list_is_ordered_by_each_promised_field(
    world: World, order_by: str, expected: list[str]
) -> None:
    await add(world, "b-till")
    await add(world, "a-till", status="disabled")
    up = await names_of(world.vendor_test, world.shop, f"?order_by={order_by}")
    down = await names_of(world.vendor_test, world.shop, f"?order_by={order_by}&order=desc")
    assert down == up[::-1]
    assert up[-1] == expected[-1]
    assert order_by == "status" or up == expected


async def test_ordering_by_kind_keeps_everything(world: World) -> None:
    await add(world, "till-1")
    found = await names_of(world.vendor_test, world.shop, "?order_by=kind")
    assert sorted(found) == ["first-key", "till-1"]


async def test_a_window_of_the_list_counts_the_whole(world: World) -> None:
    await add(world, "till-1")
    await add(world, "till-2")
    path = f"/organizations/{world.shop}/api-keys"
    page = (await world.vendor_test.get(path, params={"limit": 1, "offset": 1})).json()
    assert ([each["name"] for each in page["data"]], page["count"]) == (["till-1"], 3)
    assert await names_of(world.vendor_test, world.shop, "?limit=100") != []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "x"),
        ("offset", "-1"),
        ("offset", "9" * 30),
        ("order", "up"),
        ("order_by", "key"),
        ("status", "gone"),
        ("kind", "TEST"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(world: World, name: str, value: str) -> None:
    path = f"/organizations/{world.shop}/api-keys"
    answer = await world.vendor_test.get(path, params={name: value})
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(f"params.{name}")


async def test_what_a_get_carries_as_body_is_not_looked_at(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys"
    answer = await world.shop_test.request("GET", path, json=[])
    assert answer.json() == (await world.shop_test.get(path)).json()


async def test_members_see_keys_and_billing_people_do_not(world: World) -> None:
    path = f"/organizations/{world.vendor}/api-keys"
    assert (await world.vendor_member.get(path)).status_code == 200
    assert said(await world.vendor_billing.get(path)) == (403, "E_ACCESS_DENIED")


async def test_an_organization_out_of_sight_has_no_keys(world: World) -> None:
    for client, hidden in (
        (world.shop_test, world.vendor),
        (world.enterprise_test, world.shop),
        (world.vendor_test, uuid4()),
    ):
        answer = await client.get(f"/organizations/{hidden}/api-keys")
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")
