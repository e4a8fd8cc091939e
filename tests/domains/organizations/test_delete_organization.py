from typing import Any
from uuid import UUID, uuid4

from world import ADDRESS, World, said


async def create_main(world: World, **fields: object) -> dict[str, Any]:
    answer = await world.vendor_test.post(
        "/organizations", json={"name": "Main"} | ADDRESS | fields
    )
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_one_in_test_goes_with_its_enabled_keys_and_people(world: World) -> None:
    created = await world.create_shop()
    path = f"/organizations/{created['_id']}"
    shop = await world.enter_as(created["_id"], world.vendor_test)
    await world.vendor_test.post(f"{path}/users", json={"email": "cashier@example.org"})
    answer = await world.vendor_test.delete(path)
    assert (answer.status_code, answer.json()) == (200, {"_success": True})
    assert (await shop.get(path)).status_code == 401
    left = await world.owner.fetchval(
        "SELECT (SELECT count(*) FROM organizations WHERE id = $1)"
        " + (SELECT count(*) FROM api_keys WHERE organization_id = $1)"
        " + (SELECT count(*) FROM memberships WHERE organization_id = $1)",
        UUID(created["_id"]),
    )
    assert left == 0


async def test_what_is_gone_is_not_found_again(world: World) -> None:
    path = f"/organizations/{(await world.create_shop())['_id']}"
    await world.vendor_test.delete(path)
    for answer in (
        await world.vendor_test.delete(path),
        await world.vendor_test.get(path),
        await world.vendor_test.patch(path, json={"name": "New name"}),
        await world.vendor_test.get(f"{path}/api-keys"),
    ):
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")


async def test_its_audit_stays(world: World) -> None:
    created = await world.create_shop()
    await world.vendor_test.delete(f"/organizations/{created['_id']}")
    assert await world.events(created["_id"]) == ["organization.created", "organization.deleted"]


async def test_a_live_one_stays(world: World) -> None:
    path = f"/organizations/{world.shop}"
    for character, expected in (
        (world.vendor_live, (409, "E_ORGANIZATION_IS_LIVE")),
        (world.vendor_owner, (409, "E_ORGANIZATION_IS_LIVE")),
        (world.vendor_test, (403, "E_ACCESS_DENIED")),
    ):
        assert said(await character.delete(path)) == expected
    assert (await world.shop_live.get(path)).status_code == 200
    assert await world.events(world.shop) == []


async def test_one_that_manages_others_stays(world: World) -> None:
    main = await create_main(world)
    wanted = {"name": "Branch", "managed_by_organization_id": main["_id"]} | ADDRESS
    branch = (await world.vendor_test.post("/organizations", json=wanted)).json()
    path = f"/organizations/{main['_id']}"
    assert said(await world.vendor_test.delete(path)) == (409, "E_ORGANIZATION_HAS_CHILDREN")
    await world.vendor_test.delete(f"/organizations/{branch['_id']}")
    assert (await world.vendor_test.delete(path)).status_code == 200


async def test_one_that_pays_for_others_stays(world: World) -> None:
    payer = await create_main(world)
    options = {"bill_to_organization": payer["_id"]}
    await create_main(world, billing_options=options)
    answer = await world.vendor_test.delete(f"/organizations/{payer['_id']}")
    assert said(answer) == (409, "E_ORGANIZATION_IS_PAYER")
    assert await world.events(payer["_id"]) == ["organization.created"]


async def test_one_with_an_address_of_its_own_goes_with_it(world: World) -> None:
    main = await create_main(world)
    client = await world.enter_as(main["_id"], world.vendor_test)
    wanted = {"recipient": "Main"} | ADDRESS
    address = (await client.post("/billing-addresses", json=wanted)).json()
    path, pointer = f"/organizations/{main['_id']}", {"billing_address_id": address["_id"]}
    assert (await client.patch(path, json=pointer)).status_code == 200
    assert (await world.vendor_test.delete(path)).status_code == 200
    gone = await world.vendor_test.get(f"/billing-addresses/{address['_id']}")
    assert said(gone) == (404, "E_BILLING_ADDRESS_NOT_FOUND")


async def test_a_managed_organization_does_not_delete_itself(world: World) -> None:
    created = await world.create_shop()
    shop = await world.enter_as(created["_id"], world.vendor_test)
    answer = await shop.delete(f"/organizations/{created['_id']}")
    assert said(answer) == (403, "E_ACCESS_DENIED")


async def test_a_main_organization_deletes_itself(world: World) -> None:
    main = await create_main(world)
    client = await world.enter_as(main["_id"], world.vendor_test)
    assert (await client.delete(f"/organizations/{main['_id']}")).status_code == 200
    assert said(await client.get("/me")) == (401, None)


async def test_a_member_deletes_nothing(world: World) -> None:
    for character in (world.vendor_member, world.vendor_billing):
        answer = await character.delete(f"/organizations/{world.shop}")
        assert said(answer) == (403, "E_ACCESS_DENIED")


async def test_what_cannot_be_seen_cannot_be_deleted(world: World) -> None:
    created = (await world.create_shop())["_id"]
    for client, hidden in (
        (world.vendor_live, created),
        (world.stranger_test, created),
        (world.shop_test, world.vendor),
        (world.vendor_test, uuid4()),
    ):
        answer = await client.delete(f"/organizations/{hidden}")
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")
    assert (await world.vendor_test.get(f"/organizations/{created}")).status_code == 200
