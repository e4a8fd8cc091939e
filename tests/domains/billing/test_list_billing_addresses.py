from typing import Any
from uuid import uuid4

import httpx
import pytest

from world import ADDRESS, World, said

_INSERT = """
INSERT INTO billing_addresses
  (organization_id, id, recipient, address_line1, zip, town, country_code, created_at)
VALUES ($1, $2, $3, 'Weg 1', '10115', 'Berlin', 'DEU', clock_timestamp())
"""


async def give_address(world: World, *names: str) -> None:
    for name in names:
        await world.owner.execute(_INSERT, world.ids[name], uuid4(), name)


async def recipients(client: httpx.AsyncClient, **params: Any) -> list[str]:  # noqa: ANN401
    answer = await client.get("/billing-addresses", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json()["_type"] == "BILLING_ADDRESS_LIST"
    return [each["recipient"] for each in answer.json()["data"]]


async def test_a_main_organization_sees_its_own_and_those_below(world: World) -> None:
    await give_address(world, "vendor", "shop", "enterprise", "branch", "stranger")
    for client in (world.vendor_test, world.vendor_live, world.vendor_member):
        assert await recipients(client) == ["vendor", "shop", "enterprise", "branch"]
    assert await recipients(world.enterprise_test) == ["enterprise", "branch"]


async def test_a_shop_never_sees_its_managers(world: World) -> None:
    await give_address(world, "vendor", "kiosk", "shop")
    for client in (world.shop_test, world.shop_live, world.shop_owner):
        answer = await client.get("/billing-addresses")
        assert (await recipients(client), answer.json()["count"]) == (["shop"], 1)
    assert await recipients(world.branch_test) == []


async def test_a_window_of_the_list_counts_the_whole(world: World) -> None:
    await give_address(world, "vendor", "shop", "kiosk")
    assert await recipients(world.vendor_test, limit=1, offset=1) == ["shop"]
    assert await recipients(world.vendor_test, order="desc") == ["kiosk", "shop", "vendor"]
    page = (await world.vendor_test.get("/billing-addresses", params={"limit": 1})).json()
    assert page["count"] == 3


async def test_the_live_list_lacks_what_is_in_test_only(world: World) -> None:
    shop = await world.create_shop()
    await world.owner.execute(_INSERT, shop["_id"], uuid4(), "in test")
    assert await recipients(world.vendor_test) == ["in test"]
    assert await recipients(world.vendor_live) == []


async def test_items_are_those_of_a_single_read(world: World) -> None:
    wanted = {"recipient": "Vendor"} | ADDRESS
    created = (await world.vendor_live.post("/billing-addresses", json=wanted)).json()
    page = (await world.vendor_live.get("/billing-addresses")).json()
    assert page == {"data": [created], "count": 1, "_type": "BILLING_ADDRESS_LIST"}


@pytest.mark.parametrize(
    ("name", "value"), [("limit", "0"), ("limit", "101"), ("offset", "-1"), ("order", "up")]
)
async def test_a_wrong_parameter_is_refused_by_name(world: World, name: str, value: str) -> None:
    answer = await world.vendor_test.get("/billing-addresses", params={name: value})
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(f"params.{name}")
