from typing import Any

import httpx
import pytest

from world import ADDRESS, World, said

OF_VENDOR = ("vendor", "shop", "kiosk", "enterprise", "branch")
ORDERS = [
    "name",
    "id",
    "address_line1",
    "zip",
    "town",
    "display_name",
    "vat_id",
    "address_line2",
    "state",
    "tax_number",
    "economy_id",
]


async def ids_of(client: httpx.AsyncClient, **params: Any) -> list[str]:  # noqa: ANN401
    answer = await client.get("/organizations", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json()["_type"] == "ORGANIZATION_LIST"
    return [each["_id"] for each in answer.json()["data"]]


def named(world: World, *names: str) -> list[str]:
    return [str(world.ids[name]) for name in names]


async def walk(client: httpx.AsyncClient, **params: Any) -> list[str]:  # noqa: ANN401
    """Follow the cursors to the end."""
    found, cursor = [], ""
    while True:
        page = (
            await client.get("/organizations", params=params | {"cursor": cursor, "limit": 2})
        ).json()
        found += [each["_id"] for each in page["data"]]
        assert page["has_more"] == ("next_cursor" in page)
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


async def test_everyone_sees_itself_and_what_is_below_oldest_first(world: World) -> None:
    for name, below in (
        ("vendor", OF_VENDOR),
        ("enterprise", ("enterprise", "branch")),
        ("shop", ("shop",)),
        ("stranger", ("stranger", "foreign")),
    ):
        for env in ("test", "live"):
            assert await ids_of(world.clients[f"{name}_{env}"]) == named(world, *below)


async def test_people_see_what_their_organization_reaches(world: World) -> None:
    assert await ids_of(world.vendor_member) == named(world, *OF_VENDOR)
    assert await ids_of(world.shop_owner) == named(world, "shop")


async def test_items_are_those_of_a_single_read(world: World) -> None:
    for each in (await world.shop_test.get("/organizations")).json()["data"]:
        alone = await world.shop_test.get(f"/organizations/{each['_id']}")
        assert each == alone.json()


async def test_count_is_how_many_there_are_not_how_many_are_shown(world: World) -> None:
    for params, shown in (({"limit": 2}, 2), ({"offset": 4}, 1), ({"offset": 9}, 0), ({}, 5)):
        page = (await world.vendor_test.get("/organizations", params=params)).json()
        assert (len(page["data"]), page["count"]) == (shown, 5)


async def test_offset_and_limit_cut_a_window(world: World) -> None:
    assert await ids_of(world.vendor_test, offset=1, limit=2) == named(world, "shop", "kiosk")


async def test_live_does_not_list_what_is_in_test_only(world: World) -> None:
    created = (await world.create_shop())["_id"]
    assert await ids_of(world.vendor_test) == [*named(world, *OF_VENDOR), created]
    assert await ids_of(world.vendor_live) == named(world, *OF_VENDOR)
    assert created not in await ids_of(world.vendor_test, env="LIVE")
    assert created in await ids_of(world.vendor_test, env="TEST")


async def test_filters_narrow_and_combine(world: World) -> None:
    wanted = {"external_id": "till-7", "tax_number": "12/345"}
    created = (await world.create_shop(**wanted))["_id"]
    vendor = str(world.vendor)
    for params, found in (
        ({"type": "ORGANIZATION"}, named(world, "vendor", "enterprise")),
        ({"type": "MANAGED_ORGANIZATION"}, [*named(world, "shop", "kiosk", "branch"), created]),
        ({"managed_by_organization_id": vendor}, [*named(world, "shop", "kiosk"), created]),
        ({"managed_by_organization_id": str(world.enterprise)}, named(world, "branch")),
        ({"external_id": "till-7"}, [created]),
        ({"tax_number": "12/345"}, [created]),
        ({"type": "ORGANIZATION", "managed_by_organization_id": vendor}, []),
        ({"external_id": "till-8"}, []),
    ):
        assert await ids_of(world.vendor_test, **params) == found
        page = (await world.vendor_test.get("/organizations", params=params)).json()
        assert page["count"] == len(found)


async def test_a_filter_finds_nothing_above_or_beside(world: World) -> None:
    assert await ids_of(world.enterprise_test, managed_by_organization_id=world.vendor) == []
    assert await ids_of(world.stranger_test, managed_by_organization_id=world.vendor) == []
    assert await ids_of(world.shop_test, managed_by_organization_id=world.enterprise) == []


@pytest.mark.parametrize("order_by", ORDERS)
async def test_a_list_is_ordered_by_each_promised_field(world: World, order_by: str) -> None:
    fields = [name for name in ORDERS if name != "id"]
    created = [
        await world.create_shop(**dict.fromkeys(fields, f"{letter}{letter}{letter}"))
        for letter in "bca"
    ]
    made = [each["_id"] for each in created]
    expected = sorted(made) if order_by == "id" else [made[2], made[0], made[1]]
    up = await ids_of(world.vendor_test, order_by=order_by)
    assert [each for each in up if each in made] == expected
    down = await ids_of(world.vendor_test, order_by=order_by, order="desc")
    assert [each for each in down if each in made] == expected[::-1]
    assert sorted(up) == sorted(down)


async def test_without_order_by_desc_is_newest_first(world: World) -> None:
    assert await ids_of(world.vendor_test, order="desc") == named(world, *OF_VENDOR)[::-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "5001"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", "9" * 40),
        ("offset", "-1"),
        ("offset", "1000001"),
        ("offset", "9" * 40),
        ("order", "up"),
        ("order_by", "created_at"),
        ("env", "test"),
        ("type", "SHOP"),
        ("managed_by_organization_id", "vendor"),
        ("include", "everything"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(world: World, name: str, value: str) -> None:
    answer = await world.vendor_test.get("/organizations", params={name: value})
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(f"params.{name}")


async def test_the_largest_page_has_five_thousand(world: World) -> None:
    assert await ids_of(world.vendor_test, limit=5000) == named(world, *OF_VENDOR)


async def test_what_a_get_carries_as_body_is_not_looked_at(world: World) -> None:
    expected = (await world.vendor_test.get("/organizations")).json()
    for body in (b"{}", b"[]", b'{"limit": 1}', b"not json"):
        answer = await world.vendor_test.request(
            "GET", "/organizations", content=body, headers={"content-type": "application/json"}
        )
        assert answer.json() == expected


async def test_a_double_slash_in_the_path_is_one(world: World) -> None:
    answer = await world.vendor_test.get("http://test/api/v0//organizations")
    assert answer.json()["count"] == 5


async def test_cursors_lead_through_everything_exactly_once(world: World) -> None:
    expected = await ids_of(world.vendor_test)
    assert await walk(world.vendor_test) == expected
    managed = {"type": "MANAGED_ORGANIZATION"}
    assert await walk(world.vendor_test, **managed) == await ids_of(world.vendor_test, **managed)


async def test_what_is_created_meanwhile_comes_last(world: World) -> None:
    params = {"cursor": "", "limit": "4"}
    first = (await world.vendor_test.get("/organizations", params=params)).json()
    created = await world.create_shop()
    params["cursor"] = first["next_cursor"]
    second = (await world.vendor_test.get("/organizations", params=params)).json()
    found = [each["_id"] for each in first["data"] + second["data"]]
    assert found == [*named(world, *OF_VENDOR), created["_id"]]


async def test_a_page_by_cursor_counts_on_demand_only(world: World) -> None:
    params = {"cursor": "", "limit": "2"}
    assert "count" not in (await world.vendor_test.get("/organizations", params=params)).json()
    params["include"] = "total"
    page = (await world.vendor_test.get("/organizations", params=params)).json()
    assert (page["count"], page["has_more"]) == (5, True)


async def test_a_cursor_is_good_for_its_own_question_alone(world: World) -> None:
    params = {"cursor": "", "limit": "1"}
    page = (await world.vendor_test.get("/organizations", params=params)).json()
    cursor = page["next_cursor"]
    changed = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for client, changes in (
        (world.stranger_test, {"cursor": cursor}),
        (world.enterprise_test, {"cursor": cursor}),
        (world.vendor_live, {"cursor": cursor}),
        (world.vendor_test, {"cursor": cursor, "type": "ORGANIZATION"}),
        (world.vendor_test, {"cursor": changed}),
        (world.vendor_test, {"cursor": cursor[:-1]}),
        (world.vendor_test, {"cursor": cursor + "="}),
        (world.vendor_test, {"cursor": "é"}),
        (world.vendor_test, {"cursor": cursor, "order": "desc"}),
        (world.vendor_test, {"cursor": cursor, "order_by": "name"}),
        (world.vendor_test, {"cursor": cursor, "offset": "1"}),
    ):
        answer = await client.get("/organizations", params=changes)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
        assert answer.json()["message"].startswith("params.cursor")
    assert await ids_of(world.vendor_test, cursor=cursor, limit=2) == named(world, "shop", "kiosk")


async def test_a_filter_that_reads_like_two_is_a_question_of_its_own(world: World) -> None:
    """Fails where the filters are bound to the cursor as `name=value,name=value`."""
    one = {"external_id": "A,managed_by=None,tax_number=B", "tax_number": "C"}
    other = {"external_id": "A", "tax_number": "B,managed_by=None,tax_number=C"}
    for parent in (world.vendor, world.enterprise):
        await world.create_shop(managed_by_organization_id=str(parent), **one)
    page = await world.vendor_test.get("/organizations", params=one | {"cursor": "", "limit": "1"})
    cursor = {"cursor": page.json()["next_cursor"]}
    assert (await world.vendor_test.get("/organizations", params=one | cursor)).status_code == 200
    answer = await world.vendor_test.get("/organizations", params=other | cursor)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_the_payer_is_not_shown_to_whom_it_is_above(world: World) -> None:
    options = {"bill_to_organization": str(world.vendor), "withhold_billing": True}
    created = await world.create_shop(billing_options=options)
    shop = await world.enter_as(created["_id"], world.vendor_test)
    (seen,) = (await shop.get("/organizations")).json()["data"]
    assert seen["billing_options"] == {"withhold_billing": True}


async def test_an_administered_list_shows_nothing_of_the_administrator(world: World) -> None:
    wanted = {"name": "Branch 2", "managed_by_organization_id": str(world.enterprise)} | ADDRESS
    await world.vendor_test.post("/organizations", json=wanted)
    answer = await world.enterprise_test.get("/organizations")
    assert answer.json()["count"] == 3
    assert str(world.vendor) not in answer.text
    assert str(world.keys["vendor_test"]["id"]) not in answer.text
