from uuid import uuid4

from world import World, said

DENIED = (403, "E_ACCESS_DENIED")
NOT_FOUND = (404, "E_USER_NOT_FOUND")


def user(world: World, organization: str, character: str) -> str:
    return f"/organizations/{world.ids[organization]}/users/{world.people[character]}"


async def make_owner(world: World, character: str) -> None:
    await world.owner.execute(
        "UPDATE memberships SET role = 'owner' WHERE user_id = $1", world.people[character]
    )


async def test_the_membership_ends_and_the_account_stays(world: World) -> None:
    path = user(world, "vendor", "vendor_member")
    answer = await world.vendor_live.delete(path)
    assert (answer.status_code, answer.json()) == (200, {"_success": True})
    assert said(await world.vendor_live.delete(path)) == NOT_FOUND
    listed = await world.vendor_live.get(f"/organizations/{world.vendor}/users")
    assert listed.json()["count"] == 3
    person = world.people["vendor_member"]
    assert await world.owner.fetchval("SELECT count(*) FROM users WHERE id = $1", person) == 1
    assert await world.events(world.vendor) == ["user.removed"]


async def test_a_removed_persons_token_is_dead_at_once(world: World) -> None:
    own = f"/organizations/{world.vendor}"
    assert (await world.vendor_member.get(own)).status_code == 200
    await world.vendor_admin.delete(user(world, "vendor", "vendor_member"))
    assert said(await world.vendor_member.get(own)) == (401, None)


async def test_people_remove_according_to_their_role(world: World) -> None:
    path = user(world, "vendor", "vendor_member")
    assert said(await world.vendor_member.delete(path)) == DENIED
    assert said(await world.vendor_billing.delete(path)) == DENIED
    assert said(await world.vendor_admin.delete(path)) == (200, None)


async def test_an_admin_and_a_key_do_not_remove_an_owner(world: World) -> None:
    await make_owner(world, "vendor_member")
    path = user(world, "vendor", "vendor_owner")
    assert said(await world.vendor_admin.delete(path)) == DENIED
    assert said(await world.vendor_live.delete(path)) == DENIED
    assert await world.events(world.vendor) == []


async def test_an_owner_removes_another_and_the_last_one_stays(world: World) -> None:
    await make_owner(world, "vendor_member")
    first, second = (user(world, "vendor", name) for name in ("vendor_owner", "vendor_member"))
    assert said(await world.vendor_owner.delete(second)) == (200, None)
    assert said(await world.vendor_owner.delete(first)) == (409, "E_LAST_OWNER")
    assert (await world.vendor_owner.get(f"/organizations/{world.vendor}")).status_code == 200


async def test_the_last_owner_stays_whoever_asks(world: World) -> None:
    path = user(world, "shop", "shop_owner")
    for character in (world.shop_owner, world.vendor_owner, world.vendor_live):
        assert said(await character.delete(path)) == (409, "E_LAST_OWNER")


async def test_who_does_not_belong_is_not_found(world: World) -> None:
    for organization, character in (("vendor", "shop_owner"), ("shop", "vendor_admin")):
        answer = await world.vendor_live.delete(user(world, organization, character))
        assert said(answer) == NOT_FOUND
    absent = await world.vendor_live.delete(f"/organizations/{world.vendor}/users/{uuid4()}")
    assert said(absent) == NOT_FOUND


async def test_a_test_key_and_a_shops_key_remove_nobody_from_what_is_live(world: World) -> None:
    path = user(world, "shop", "shop_owner")
    for client in (world.vendor_test, world.shop_live, world.shop_test):
        assert said(await client.delete(path)) == DENIED


async def test_nobody_is_removed_from_what_cannot_be_seen(world: World) -> None:
    for character in (world.shop_owner, world.stranger_live, world.enterprise_live):
        answer = await character.delete(user(world, "vendor", "vendor_member"))
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")


async def test_leaving_one_organization_keeps_the_others(world: World) -> None:
    email = await world.owner.fetchval(
        "SELECT email FROM users WHERE id = $1", world.people["vendor_member"]
    )
    await world.stranger_live.post(f"/organizations/{world.stranger}/users", json={"email": email})
    path = user(world, "stranger", "vendor_member")
    assert (await world.stranger_live.delete(path)).status_code == 200
    assert (await world.vendor_member.get("/me")).status_code == 200
