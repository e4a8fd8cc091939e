from typing import Any
from uuid import uuid4

import httpx

from world import ADDRESS, World, said

NOT_FOUND = (404, "E_BILLING_ADDRESS_NOT_FOUND")


async def create(client: httpx.AsyncClient) -> dict[str, Any]:
    wanted = {"recipient": "Somebody GmbH"} | ADDRESS
    answer = await client.post("/billing-addresses", json=wanted)
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_an_address_that_nobody_points_to_goes(world: World) -> None:
    path = f"/billing-addresses/{(await create(world.vendor_live))['_id']}"
    answer = await world.vendor_live.delete(path)
    assert (answer.status_code, answer.json()) == (200, {"_success": True})
    assert said(await world.vendor_live.get(path)) == NOT_FOUND
    assert said(await world.vendor_live.delete(path)) == NOT_FOUND
    assert await world.events(world.vendor) == [
        "billing_address.created",
        "billing_address.deleted",
    ]


async def test_an_address_in_use_stays_until_nobody_points_to_it(world: World) -> None:
    address = (await create(world.vendor_live))["_id"]
    path = f"/billing-addresses/{address}"
    shop = await world.create_shop(billing_address_id=address)
    assert said(await world.vendor_live.delete(path)) == (409, "E_BILLING_ADDRESS_IN_USE")
    assert await world.events(world.vendor) == ["billing_address.created"]
    own = f"/organizations/{shop['_id']}"
    cleared = await world.vendor_test.patch(own, json={"billing_address_id": None})
    assert "billing_address_id" not in cleared.json()
    assert (await world.vendor_live.delete(path)).status_code == 200


async def test_members_and_test_keys_delete_nothing_that_is_live(world: World) -> None:
    path = f"/billing-addresses/{(await create(world.vendor_live))['_id']}"
    for character, expected in (
        (world.vendor_member, (403, "E_ACCESS_DENIED")),
        (world.vendor_test, (403, "E_ACCESS_DENIED")),
        (world.vendor_billing, (200, None)),
    ):
        assert said(await character.delete(path)) == expected


async def test_what_cannot_be_seen_cannot_be_deleted(world: World) -> None:
    path = f"/billing-addresses/{(await create(world.vendor_live))['_id']}"
    for client, hidden in (
        (world.shop_live, path),
        (world.enterprise_live, path),
        (world.stranger_live, path),
        (world.vendor_live, f"/billing-addresses/{uuid4()}"),
    ):
        assert said(await client.delete(hidden)) == NOT_FOUND
    assert (await world.vendor_live.get(path)).status_code == 200
