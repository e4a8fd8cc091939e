from typing import Any
from uuid import uuid4

import httpx

from world import ADDRESS, World, said


async def create(client: httpx.AsyncClient) -> dict[str, Any]:
    wanted = {"recipient": "Somebody GmbH"} | ADDRESS
    answer = await client.post("/billing-addresses", json=wanted)
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_it_is_what_was_created(world: World) -> None:
    created = await create(world.vendor_live)
    for client in (world.vendor_test, world.vendor_live, world.vendor_billing, world.vendor_member):
        answer = await client.get(f"/billing-addresses/{created['_id']}")
        assert (answer.status_code, answer.json()) == (200, created)


async def test_those_above_see_it_and_those_below_beside_and_absent_answer_alike(
    world: World,
) -> None:
    of_enterprise = (await create(world.enterprise_live))["_id"]
    of_vendor = (await create(world.vendor_live))["_id"]
    seen = await world.vendor_test.get(f"/billing-addresses/{of_enterprise}")
    assert seen.status_code == 200
    for client, hidden in (
        (world.enterprise_test, of_vendor),
        (world.branch_test, of_enterprise),
        (world.shop_test, of_vendor),
        (world.stranger_test, of_vendor),
        (world.vendor_test, str(uuid4())),
    ):
        answer = await client.get(f"/billing-addresses/{hidden}")
        assert said(answer) == (404, "E_BILLING_ADDRESS_NOT_FOUND")
        assert answer.json()["message"] == f"There is no billing address {hidden}"


async def test_an_id_that_is_none_is_a_wrong_shape(world: World) -> None:
    answer = await world.vendor_test.get("/billing-addresses/none")
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith("params.address_id")


async def test_a_shop_does_not_learn_that_its_address_is_its_managers(world: World) -> None:
    address = (await create(world.vendor_live))["_id"]
    created = await world.create_shop(billing_address_id=address)
    assert created["billing_address_id"] == address
    shop = await world.enter_as(created["_id"], world.vendor_test)
    assert address not in (await shop.get(f"/organizations/{created['_id']}")).text
    assert said(await shop.get(f"/billing-addresses/{address}"))[0] == 404


async def test_a_withheld_shop_never_learns_who_pays(world: World) -> None:
    for payer in (world.vendor, world.enterprise):
        options = {"bill_to_organization": str(payer), "withhold_billing": True}
        created = await world.create_shop(billing_options=options)
        assert created["billing_options"] == options
        shop = await world.enter_as(created["_id"], world.vendor_test)
        own = f"/organizations/{created['_id']}"
        for path in (own, "/organizations", f"{own}/tree", "/me", f"{own}/users"):
            answer = await shop.get(path)
            known = f'"managed_by_organization_id":"{world.vendor}"'
            assert str(payer) not in answer.text.replace(known, "")
        seen = (await shop.get(own)).json()
        assert seen["billing_options"] == {"withhold_billing": True}
