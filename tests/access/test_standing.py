"""A suspension works at once, downwards, and leaves those below their own until a grace ends."""

from uuid import UUID

import pytest

from world import KEY, World, said

SUSPENDED = (403, "E_ORGANIZATION_SUSPENDED")
ARCHIVED = (409, "E_ORGANIZATION_ARCHIVED")
OK = (200, None)
GRACE = "status = 'suspended', grace_ends_at = now() + interval '1 hour', status_reason = 'Unpaid'"
OVER = "status = 'suspended', grace_ends_at = now(), status_reason = 'Unpaid'"


async def put(world: World, name: str, assignment: str) -> None:
    organization_id: UUID = world.ids[name]
    await world.owner.execute(
        f"UPDATE organizations SET {assignment} WHERE id = $1",  # noqa: S608
        organization_id,
    )


async def test_a_suspended_main_organization_inherits_nothing_any_more(world: World) -> None:
    await put(world, "vendor", GRACE)
    for name in ("shop", "enterprise", "branch"):
        answer = await world.vendor_live.get(f"/organizations/{world.ids[name]}")
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")
    listed = (await world.vendor_live.get("/organizations")).json()
    assert [each["_id"] for each in listed["data"]] == [str(world.vendor)]
    assert said(await world.vendor_live.get(f"/organizations/{world.vendor}")) == OK
    renamed = await world.vendor_live.patch(f"/organizations/{world.vendor}", json={"name": "New"})
    assert said(renamed) == SUSPENDED


async def test_those_below_keep_their_own_eyes_until_the_grace_ends(world: World) -> None:
    await put(world, "vendor", GRACE)
    path = f"/organizations/{world.shop}"
    assert said(await world.shop_live.get(path)) == OK
    assert said(await world.shop_live.post(f"{path}/api-keys", json=KEY)) == SUSPENDED
    await put(world, "vendor", OVER)
    assert said(await world.shop_live.get(path)) == SUSPENDED
    assert said(await world.shop_owner.get("/me")) == SUSPENDED
    await put(world, "vendor", "status = 'active'")
    assert said(await world.shop_live.post(f"{path}/api-keys", json=KEY)) == OK


async def test_the_reason_is_said_of_the_own_organization_alone(world: World) -> None:
    await put(world, "vendor", OVER)
    assert "Unpaid" in (await world.vendor_live.get("/me")).json()["message"]
    assert "Unpaid" not in (await world.shop_live.get("/me")).text


async def test_who_stands_above_still_manages_a_suspended_organization(world: World) -> None:
    await put(world, "enterprise", OVER)
    for name in ("enterprise", "branch"):
        path = f"/organizations/{world.ids[name]}"
        assert said(await world.vendor_live.patch(path, json={"town": "Bonn"})) == OK
    for character in (world.enterprise_live, world.branch_live):
        assert said(await character.get("/me")) == SUSPENDED
    assert said(await world.shop_live.get("/me")) == OK


@pytest.mark.parametrize("status", ["archived", "pending_deletion"])
async def test_what_is_archived_is_read_and_not_changed(world: World, status: str) -> None:
    await put(world, "enterprise", f"status = '{status}'")
    for name in ("enterprise", "branch"):
        path = f"/organizations/{world.ids[name]}"
        assert said(await world.vendor_live.get(path)) == OK
        assert said(await world.vendor_live.patch(path, json={"town": "Bonn"})) == ARCHIVED
        assert said(await world.vendor_live.post(f"{path}/api-keys", json=KEY)) == ARCHIVED
    shop = {"name": "New", "managed_by_organization_id": str(world.enterprise)}
    address = {"address_line1": "Weg 1", "zip": "1", "town": "Bonn", "country_code": "DEU"}
    assert said(await world.vendor_live.post("/organizations", json=shop | address)) == ARCHIVED
    assert said(await world.enterprise_live.get("/me")) == SUSPENDED


async def test_the_mildest_of_several_suspensions_does_not_excuse_the_strictest(
    world: World,
) -> None:
    await put(world, "enterprise", OVER)
    await put(world, "vendor", GRACE)
    assert said(await world.branch_live.get("/me")) == SUSPENDED
    assert said(await world.shop_live.get("/me")) == OK
