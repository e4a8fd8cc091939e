from typing import Any
from uuid import uuid4

from world import ADDRESS, KEY, World, said

NOT_FOUND = (404, "E_ORGANIZATION_NOT_FOUND")
DENIED = (403, "E_ACCESS_DENIED")


def handover(organization_id: object) -> str:
    return f"/organizations/{organization_id}/handover"


async def create_main(world: World) -> dict[str, Any]:
    answer = await world.vendor_test.post("/organizations", json={"name": "Partner"} | ADDRESS)
    created: dict[str, Any] = answer.json()
    return created


async def test_it_and_its_branches_leave_the_givers_reach_at_once(world: World) -> None:
    answer = await world.vendor_live.post(handover(world.enterprise))
    assert (answer.status_code, answer.json()) == (200, {"_success": True})
    for client in (world.vendor_test, world.vendor_live, world.vendor_owner):
        for name in ("enterprise", "branch"):
            path = f"/organizations/{world.ids[name]}"
            assert said(await client.get(path)) == NOT_FOUND
            assert said(await client.get(f"{path}/api-keys")) == NOT_FOUND
        assert (await client.get("/organizations")).json()["count"] == 3
        assert (await client.get("/me")).json()["reach"]["organizations"] == 3
    assert await world.events(world.enterprise) == ["organization.handed_over"]


async def test_it_goes_on_with_what_it_manages(world: World) -> None:
    await world.vendor_live.post(handover(world.enterprise))
    answer = await world.enterprise_test.get("/organizations")
    assert [each["_id"] for each in answer.json()["data"]] == [
        str(world.enterprise),
        str(world.branch),
    ]
    path = f"/organizations/{world.branch}"
    assert (await world.enterprise_live.patch(path, json={"name": "New"})).status_code == 200
    assert (await world.branch_test.get(path)).status_code == 200


async def test_it_may_administer_others_from_then_on(world: World) -> None:
    wanted = {"name": "Partner"} | ADDRESS
    assert said(await world.enterprise_test.post("/organizations", json=wanted)) == DENIED
    await world.vendor_live.post(handover(world.enterprise))
    created = await world.enterprise_test.post("/organizations", json=wanted)
    assert created.json()["administered_by_organization_id"] == str(world.enterprise)


async def test_the_payer_stays(world: World) -> None:
    path = f"/organizations/{world.enterprise}"
    options = {"bill_to_organization": str(world.vendor), "withhold_billing": True}
    changed = await world.vendor_live.patch(path, json={"billing_options": options})
    assert changed.json()["billing_options"] == options
    await world.vendor_live.post(handover(world.enterprise))
    payer = await world.owner.fetchval(
        "SELECT bill_to_organization FROM organizations WHERE id = $1", world.enterprise
    )
    assert payer == world.vendor
    seen = (await world.enterprise_live.get(path)).json()
    assert seen["billing_options"] == {"withhold_billing": True}


async def test_what_the_giver_managed_is_its_own_to_change(world: World) -> None:
    wanted = KEY | {"managed_by_organization_id": str(world.vendor)}
    keys = []
    for organization_id in (world.enterprise, world.branch):
        path = f"/organizations/{organization_id}/api-keys"
        made = (await world.vendor_live.post(path, json=wanted)).json()
        keys.append(f"{path}/{made['_id']}")
    for path in keys:
        assert said(await world.enterprise_live.delete(path)) == DENIED
    await world.vendor_live.post(handover(world.enterprise))
    for path in keys:
        disabled = await world.enterprise_live.patch(path, json={"status": "disabled"})
        assert disabled.status_code == 200, disabled.text
        assert (await world.enterprise_live.delete(path)).status_code == 200


async def test_without_a_key_or_person_of_its_own_it_stays(world: World) -> None:
    created = await create_main(world)
    path = f"/organizations/{created['_id']}"
    refused = (409, "E_HANDOVER_NOT_POSSIBLE")
    assert said(await world.vendor_test.post(handover(created["_id"]))) == refused
    managed = {"name": "managed", "managed_by_organization_id": str(world.vendor)}
    await world.vendor_test.post(f"{path}/api-keys", json=KEY | managed)
    await world.vendor_test.post(f"{path}/api-keys", json=KEY | {"status": "disabled"})
    wanted = {"email": f"{uuid4().hex}@example.org", "role": "admin"}
    await world.vendor_test.post(f"{path}/users", json=wanted)
    assert said(await world.vendor_test.post(handover(created["_id"]))) == refused
    assert "organization.handed_over" not in await world.events(created["_id"])
    await world.enter_as(created["_id"], world.vendor_test, name="own-key")
    assert said(await world.vendor_test.post(handover(created["_id"]))) == (200, None)


async def test_an_administrator_with_a_password_is_enough(world: World) -> None:
    created = await create_main(world)
    email = await world.owner.fetchval(
        "SELECT email FROM users WHERE id = $1", world.people["shop_owner"]
    )
    wanted = {"email": email, "role": "admin"}
    await world.vendor_test.post(f"/organizations/{created['_id']}/users", json=wanted)
    assert said(await world.vendor_test.post(handover(created["_id"]))) == (200, None)


async def test_managed_and_own_organizations_are_not_handed_over(world: World) -> None:
    for client, organization_id in (
        (world.vendor_live, world.shop),
        (world.vendor_live, world.branch),
        (world.vendor_live, world.vendor),
        (world.enterprise_live, world.enterprise),
        (world.enterprise_live, world.branch),
        (world.shop_live, world.shop),
    ):
        assert said(await client.post(handover(organization_id))) == DENIED


async def test_a_test_key_does_not_hand_over_what_is_live(world: World) -> None:
    assert said(await world.vendor_test.post(handover(world.enterprise))) == DENIED
    assert said(await world.vendor_member.post(handover(world.enterprise))) == DENIED
    path = f"/organizations/{world.enterprise}"
    assert (await world.vendor_test.get(path)).status_code == 200


async def test_what_cannot_be_seen_is_not_handed_over(world: World) -> None:
    for client, organization_id in (
        (world.stranger_live, world.enterprise),
        (world.vendor_live, world.stranger),
        (world.enterprise_live, world.vendor),
        (world.vendor_live, uuid4()),
    ):
        assert said(await client.post(handover(organization_id))) == NOT_FOUND


async def test_the_second_time_it_is_not_there_any_more(world: World) -> None:
    await world.vendor_live.post(handover(world.enterprise))
    assert said(await world.vendor_live.post(handover(world.enterprise))) == NOT_FOUND
    assert await world.events(world.enterprise) == ["organization.handed_over"]


async def test_the_audit_tells_who_gave_the_organization_up(world: World) -> None:
    await world.vendor_live.post(handover(world.enterprise))
    query = "SELECT before, after FROM audit_rows WHERE organization_id = $1 AND event = $2"
    row = await world.owner.fetchrow(query, world.enterprise, "organization.handed_over")
    assert row is not None
    name = "administered_by_organization_id"
    assert tuple(row) == ({name: str(world.vendor)}, {name: None})
