from uuid import uuid4

from tillkeeper.domains.people.passwords import set_password
from world import World

NEW = "another horse, another battery"
OPERATOR = uuid4()


async def email_of(world: World, character: str) -> str:
    query = "SELECT email FROM users WHERE id = $1"
    return str(await world.owner.fetchval(query, world.people[character]))


async def test_it_logs_its_person_in_and_is_recorded_without_itself(world: World) -> None:
    email = await email_of(world, "shop_owner")
    assert await set_password(world.house, email.upper(), NEW, OPERATOR)
    await world.log_in(email=email, password=NEW)
    assert await world.events(world.shop) == ["user.password_set"]
    row = await world.owner.fetchrow(
        "SELECT actor_kind, actor_id, target_id, outcome, audit_rows::text AS all FROM audit_rows "
        "WHERE organization_id = $1",
        world.shop,
    )
    assert row is not None
    whole = ("operator", OPERATOR, world.people["shop_owner"], "done")
    assert tuple(row)[:4] == whole
    assert NEW not in row["all"]
    assert email not in row["all"]


async def test_nobody_with_this_address_is_told_and_recorded_nowhere(world: World) -> None:
    count = "SELECT count(*) FROM audit_rows"
    before = await world.owner.fetchval(count)
    assert not await set_password(world.house, "nobody@nowhere.example", NEW, OPERATOR)
    assert await world.owner.fetchval(count) == before


async def test_who_belongs_nowhere_gets_a_password_all_the_same(world: World) -> None:
    email = await email_of(world, "vendor_member")
    leave = "DELETE FROM memberships WHERE user_id = $1"
    await world.owner.execute(leave, world.people["vendor_member"])
    assert await set_password(world.house, email, NEW, OPERATOR)
    assert await world.events(world.vendor) == []
