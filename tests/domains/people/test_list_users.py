from uuid import uuid4

import pytest

from world import World, said


async def test_people_are_listed_with_their_roles_by_address(world: World) -> None:
    answer = await world.vendor_test.get(f"/organizations/{world.vendor}/users")
    page = answer.json()
    assert (list(page), page["_type"]) == (["data", "count", "_type"], "USER_LIST")
    assert [each["role"] for each in page["data"]] == ["admin", "billing", "member", "owner"]
    first = page["data"][0]
    assert list(first) == ["_id", "_type", "_envs", "email", "role"]
    assert (first["_id"], first["_type"]) == (str(world.people["vendor_admin"]), "USER")
    assert (first["_envs"], page["count"]) == (["TEST", "LIVE"], 4)


@pytest.mark.parametrize("order_by", ["email", "first_name", "last_name"])
async def test_a_list_is_ordered_by_each_promised_field(world: World, order_by: str) -> None:
    path = f"/organizations/{world.shop}/users"
    for letter in "bca":
        wanted = {
            "email": f"{letter}{letter}.{uuid4().hex}@example.org",
            "first_name": f"{letter}nn",
            "last_name": f"{letter}mm",
        }
        assert (await world.vendor_live.post(path, json=wanted)).status_code == 200
    for order, expected in (("asc", "abc"), ("desc", "cba")):
        params = {"order_by": order_by, "order": order}
        page = (await world.vendor_live.get(path, params=params)).json()
        found = [each[order_by][0] for each in page["data"] if "first_name" in each]
        assert "".join(found) == expected


async def test_a_window_of_the_list_counts_the_whole(world: World) -> None:
    path = f"/organizations/{world.vendor}/users"
    page = (await world.vendor_test.get(path, params={"limit": 1, "offset": 1})).json()
    assert ([each["role"] for each in page["data"]], page["count"]) == (["billing"], 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "101"), ("offset", "-1"), ("order_by", "role"), ("order", "up")],
)
async def test_a_wrong_parameter_is_refused_by_name(world: World, name: str, value: str) -> None:
    path = f"/organizations/{world.vendor}/users"
    answer = await world.vendor_test.get(path, params={name: value})
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(f"params.{name}")


async def test_those_above_see_the_people_below_and_not_the_other_way(world: World) -> None:
    path = f"/organizations/{world.shop}/users"
    for character in (world.vendor_test, world.vendor_member, world.shop_test, world.shop_owner):
        (person,) = (await character.get(path)).json()["data"]
        assert person["_id"] == str(world.people["shop_owner"])
    for character in (world.shop_test, world.shop_owner, world.enterprise_test):
        hidden = await character.get(f"/organizations/{world.vendor}/users")
        assert said(hidden) == (404, "E_ORGANIZATION_NOT_FOUND")


async def test_billing_people_see_money_and_no_people(world: World) -> None:
    answer = await world.vendor_billing.get(f"/organizations/{world.vendor}/users")
    assert said(answer) == (403, "E_ACCESS_DENIED")
