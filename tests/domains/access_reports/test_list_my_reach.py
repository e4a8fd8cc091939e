"""What a credential reaches: the same as its lists say, and nothing above it."""

import pytest

from world import World

CHARACTERS = ("vendor_live", "vendor_test", "vendor_member", "enterprise_live", "shop_live")

EXPORTING = {"export:create", "export:update", "export:cancel"}
"""What was signed has to be shown for years, whatever becomes of the shop."""


@pytest.mark.parametrize("character", CHARACTERS)
async def test_reach_list_and_count_agree(world: World, character: str) -> None:
    client = world.clients[character]
    reached = (await client.get("/me/reach")).json()
    listed = (await client.get("/organizations")).json()["data"]
    assert [each["_id"] for each in reached["data"]] == [each["_id"] for each in listed]
    me = (await client.get("/me")).json()
    assert len(reached["data"]) == me["reach"]["organizations"]


async def test_each_is_reached_by_a_step(world: World) -> None:
    reached = (await world.vendor_live.get("/me/reach")).json()["data"]
    assert {each["name"]: each["step"] for each in reached} == {
        "Vendor": "own",
        "Shop": "manages",
        "Kiosk": "manages",
        "Enterprise": "administers",
        "Branch": "administers_the_manager",
    }


async def test_pages_by_cursor_hold_everything_once(world: World) -> None:
    found, cursor = [], ""
    while True:
        url = f"/me/reach?limit=2&cursor={cursor}"
        page = (await world.vendor_live.get(url)).json()
        found += [each["name"] for each in page["data"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert sorted(found) == ["Branch", "Enterprise", "Kiosk", "Shop", "Vendor"]


async def test_archived_organizations_are_reached_read_and_exported(world: World) -> None:
    url = f"/organizations/{world.enterprise}/status"
    await world.vendor_live.post(url, json={"status": "archived"})
    reached = (await world.vendor_live.get("/me/reach")).json()["data"]
    rights = {each["name"]: set(each["rights"]) for each in reached}
    for name in ("Enterprise", "Branch"):
        writing = {right for right in rights[name] if not right.endswith(":read")}
        assert writing == {"organization:suspend", *EXPORTING}
    assert "organization:update" in rights["Shop"]


async def test_nothing_above_is_named(world: World) -> None:
    for character in ("shop_live", "shop_owner", "enterprise_live", "branch_live"):
        text = (await world.clients[character].get("/me/reach")).text
        assert str(world.vendor) not in text
        assert "Vendor" not in text
