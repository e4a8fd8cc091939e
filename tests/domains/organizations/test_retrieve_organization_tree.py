from typing import Any
from uuid import uuid4

import httpx

from world import World, said


async def tree_of(client: httpx.AsyncClient, organization_id: object) -> dict[str, Any]:
    answer = await client.get(f"/organizations/{organization_id}/tree")
    assert answer.status_code == 200, answer.text
    tree: dict[str, Any] = answer.json()
    assert (tree["_type"], tree["is_cut"]) == ("ORGANIZATION_TREE", False)
    return tree


def names_in(node: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: names_in(each) for each in node["children"]}


async def test_everything_below_hangs_in_its_place(world: World) -> None:
    tree = await tree_of(world.vendor_test, world.vendor)
    assert tree["data"]["_id"] == str(world.vendor)
    assert names_in(tree["data"]) == {"Shop": {}, "Kiosk": {}, "Enterprise": {"Branch": {}}}
    assert tree["count"] == 5


async def test_a_tree_begins_where_it_is_asked_for(world: World) -> None:
    from_above = await tree_of(world.vendor_live, world.enterprise)
    assert from_above == await tree_of(world.enterprise_live, world.enterprise)
    assert names_in(from_above["data"]) == {"Branch": {}}
    alone = await tree_of(world.shop_owner, world.shop)
    assert (names_in(alone["data"]), alone["count"]) == ({}, 1)


async def test_a_node_says_what_it_is(world: World) -> None:
    created = await world.create_shop(external_id="till-7")
    tree = await tree_of(world.vendor_test, world.vendor)
    assert tree["data"]["children"][-1] == {
        "_id": created["_id"],
        "_type": "MANAGED_ORGANIZATION",
        "_envs": ["TEST"],
        "name": created["name"],
        "external_id": "till-7",
        "children": [],
    }


async def test_the_live_tree_lacks_what_is_in_test_only(world: World) -> None:
    await world.create_shop()
    assert (await tree_of(world.vendor_test, world.vendor))["count"] == 6
    assert (await tree_of(world.vendor_live, world.vendor))["count"] == 5


async def test_what_cannot_be_seen_has_no_tree(world: World) -> None:
    for client, hidden in (
        (world.shop_test, world.vendor),
        (world.enterprise_test, world.vendor),
        (world.vendor_test, world.stranger),
        (world.vendor_test, uuid4()),
    ):
        answer = await client.get(f"/organizations/{hidden}/tree")
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")
