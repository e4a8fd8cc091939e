"""Suspended, archived, marked for deletion, restored: from above, with effect at once."""

import time
from uuid import UUID

import pytest

from tillkeeper.domains.organizations.jobs import purge
from world import Json, World, said

SUSPENDED = (403, "E_ORGANIZATION_SUSPENDED")
DENIED = (403, "E_ACCESS_DENIED")
UNPAID = {"status": "suspended", "reason": "Unpaid"}


async def put(world: World, name: str, body: Json) -> Json:
    answer = await world.vendor_live.post(f"/organizations/{world.ids[name]}/status", json=body)
    assert answer.status_code == 200, answer.text
    organization: Json = answer.json()
    return organization


async def test_a_suspension_works_at_the_next_request_and_goes_the_same_way(world: World) -> None:
    shown = await put(world, "enterprise", UNPAID | {"grace_seconds": 0})
    assert (shown["status"], shown["status_reason"]) == ("suspended", "Unpaid")
    for character in (world.enterprise_live, world.branch_live):
        assert said(await character.get("/me")) == SUSPENDED
    restored = await put(world, "enterprise", {"status": "active"})
    assert not {"status", "status_reason", "grace_ends_at"} & restored.keys()
    for character in (world.enterprise_live, world.branch_live):
        assert (await character.get("/me")).status_code == 200
    assert await world.events(world.enterprise) == ["organization.status_changed"] * 2


async def test_a_grace_leaves_the_own_eyes_open(world: World) -> None:
    shown = await put(world, "shop", UNPAID | {"grace_seconds": 600})
    assert shown["grace_ends_at"] == pytest.approx(time.time() + 600, abs=60)
    own = (await world.shop_live.get(f"/organizations/{world.shop}")).json()
    assert (own["status"], own["status_reason"]) == ("suspended", "Unpaid")


async def test_nobody_sets_the_status_of_their_own_organization(world: World) -> None:
    for name in ("vendor", "shop", "enterprise"):
        client = world.clients[f"{name}_live"]
        answer = await client.post(f"/organizations/{world.ids[name]}/status", json=UNPAID)
        assert said(answer) == DENIED
    test_key = await world.vendor_test.post(f"/organizations/{world.shop}/status", json=UNPAID)
    assert said(test_key) == DENIED


async def test_a_suspension_wants_a_reason(world: World) -> None:
    answer = await world.vendor_live.post(
        f"/organizations/{world.shop}/status", json={"status": "suspended"}
    )
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_what_is_archived_can_be_restored(world: World) -> None:
    await put(world, "shop", {"status": "archived"})
    path = f"/organizations/{world.shop}"
    changed = await world.vendor_live.patch(path, json={"town": "Bonn"})
    assert said(changed) == (409, "E_ORGANIZATION_ARCHIVED")
    await put(world, "shop", {"status": "active"})
    assert (await world.vendor_live.patch(path, json={"town": "Bonn"})).status_code == 200


async def lone_shop(world: World) -> str:
    """A shop in TEST only, marked for deletion, whose day has come."""
    shop_id: str = (await world.create_shop())["_id"]
    answer = await world.vendor_test.post(
        f"/organizations/{shop_id}/status", json={"status": "pending_deletion"}
    )
    assert answer.json()["purge_at"] == pytest.approx(time.time() + 30 * 86_400, abs=60)
    await set_row(world, shop_id, "purge_at = now()")
    return shop_id


async def set_row(world: World, organization_id: str, assignment: str) -> None:
    await world.owner.execute(
        f"UPDATE organizations SET {assignment} WHERE id = $1",  # noqa: S608
        UUID(organization_id),
    )


async def exists(world: World, organization_id: str) -> bool:
    asked = "SELECT EXISTS (SELECT FROM organizations WHERE id = $1)"
    return bool(await world.owner.fetchval(asked, UUID(organization_id)))


async def test_what_is_due_is_deleted_and_recorded_once(world: World) -> None:
    shop_id = await lone_shop(world)
    await purge(world.house)
    await purge(world.house)
    assert not await exists(world, shop_id)
    assert (await world.events(shop_id))[-2:] == [
        "organization.status_changed",
        "organization.deleted",
    ]


@pytest.mark.parametrize(
    "assignment",
    [
        "purge_at = now() + interval '1 minute'",
        "status = 'active', purge_at = NULL",
        "envs = '{TEST,LIVE}'",
        "is_delete_protected = true",
    ],
)
async def test_what_is_not_due_or_live_or_protected_stays(world: World, assignment: str) -> None:
    shop_id = await lone_shop(world)
    await set_row(world, shop_id, assignment)
    await purge(world.house)
    assert await exists(world, shop_id)


@pytest.mark.parametrize(
    ("name", "code"),
    [("shop", "E_ORGANIZATION_IS_LIVE"), ("enterprise", "E_ORGANIZATION_HAS_CHILDREN")],
)
async def test_what_could_not_be_deleted_is_not_marked(world: World, name: str, code: str) -> None:
    if name == "enterprise":
        await set_row(world, str(world.enterprise), "envs = '{TEST}'")
    client = world.vendor_live if name == "shop" else world.vendor_test
    answer = await client.post(
        f"/organizations/{world.ids[name]}/status", json={"status": "pending_deletion"}
    )
    assert said(answer) == (409, code)


async def test_what_is_protected_is_neither_deleted_nor_marked(world: World) -> None:
    shop_id = (await world.create_shop())["_id"]
    path = f"/organizations/{shop_id}"
    shown = await world.vendor_test.patch(path, json={"delete_protection": True})
    assert shown.json()["delete_protection"] is True
    marked = await world.vendor_test.post(f"{path}/status", json={"status": "pending_deletion"})
    for answer in (marked, await world.vendor_test.delete(path)):
        assert said(answer) == (409, "E_ORGANIZATION_PROTECTED")
    assert await exists(world, shop_id)
    freed = await world.vendor_test.patch(path, json={"delete_protection": False})
    assert "delete_protection" not in freed.json()
    assert (await world.vendor_test.delete(path)).status_code == 200
