"""Whoever may do something about a key that ends is written to: in time, once, and nobody else."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from post_office import MailServer, collect, hidden_in, readers
from tillkeeper.core.status import Role
from tillkeeper.domains.api_keys.jobs import announce_ends
from world import Json, World, hire

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
VENDORS = ["vendor_admin", "vendor_owner"]


async def create_key(world: World, of: str, days: int = 20, **fields: object) -> Json:
    """Create a LIVE key that was made long ago and ends in so many days."""
    path = f"/organizations/{world.ids[of]}/api-keys"
    wanted = {"name": "ends", "status": "enabled"} | fields
    answer = await world.vendor_live.post(path, json=wanted)
    assert answer.status_code == 200, answer.text
    created: Json = answer.json()
    times = "UPDATE api_keys SET created_at = $2, expires_at = $3 WHERE id = $1::text::uuid"
    await world.owner.execute(times, created["_id"], NOW - 1000 * DAY, NOW + days * DAY)
    return created


async def told(world: World, mail_server: MailServer) -> list[str]:
    await announce_ends(world.house, now=NOW)
    return await readers(world, await collect(world, mail_server))


async def test_those_are_told_who_may_change_the_key(world: World, mail_server: MailServer) -> None:
    for role in Role:
        await hire(world, f"new_{role}", "shop", role)
    key = await create_key(world, "shop")
    path = f"/organizations/{world.shop}/api-keys/{key['_id']}?dry_run=true"
    may = []
    for each in ("shop_owner", *(f"new_{role}" for role in Role)):
        answer = await world.clients[each].patch(path, json={"metadata": {"a": "b"}})
        if answer.status_code == 200:
            may.append(each)
    assert sorted(may) == ["new_admin", "new_owner", "shop_owner"]
    assert await told(world, mail_server) == sorted(may)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("vendor", VENDORS),
        ("shop", ["shop_owner"]),
        ("kiosk", VENDORS),
        ("enterprise", VENDORS),
        ("branch", VENDORS),
    ],
)
async def test_where_an_organization_has_nobody_the_nearest_above_is_told(
    world: World, mail_server: MailServer, of: str, expected: list[str]
) -> None:
    await hire(world, "stranger_owner", "stranger", Role.OWNER)
    await create_key(world, of)
    assert await told(world, mail_server) == expected


async def test_the_nearest_above_is_told_and_not_the_one_above_that(
    world: World, mail_server: MailServer
) -> None:
    await hire(world, "enterprise_admin", "enterprise", Role.ADMIN)
    await hire(world, "branch_member", "branch", Role.MEMBER)
    await create_key(world, "branch")
    assert await told(world, mail_server) == ["enterprise_admin"]


async def test_somebody_who_is_invited_and_has_no_account_is_not_written_to(
    world: World, mail_server: MailServer
) -> None:
    invited = {"email": f"{uuid4().hex}@example.org", "role": "admin"}
    answer = await world.vendor_live.post(f"/organizations/{world.kiosk}/users", json=invited)
    assert answer.status_code == 200, answer.text
    await create_key(world, "kiosk")
    assert await told(world, mail_server) == VENDORS


async def test_of_a_key_that_is_managed_from_above_those_are_told_who_may_change_it(
    world: World, mail_server: MailServer
) -> None:
    key = await create_key(world, "shop", managed_by_organization_id=str(world.vendor))
    path = f"/organizations/{world.shop}/api-keys/{key['_id']}?dry_run=true"
    for character, status in (("shop_owner", 403), ("vendor_admin", 200)):
        changed = await world.clients[character].patch(path, json={"metadata": {"a": "b"}})
        assert changed.status_code == status
    assert await told(world, mail_server) == VENDORS


async def test_of_a_managed_key_that_nobody_can_change_those_are_told_who_see_it(
    world: World, mail_server: MailServer
) -> None:
    await world.owner.execute("DELETE FROM memberships WHERE organization_id = $1", world.vendor)
    await create_key(world, "shop", managed_by_organization_id=str(world.vendor))
    assert await told(world, mail_server) == ["shop_owner"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("status = 'suspended', grace_ends_at = now() WHERE id = $1", VENDORS),
        ("status = 'suspended', grace_ends_at = now() WHERE id = $2", []),
        ("status = 'archived' WHERE id = $1", []),
        ("status = 'pending_deletion', purge_at = now() + interval '9 days' WHERE id = $1", []),
        ("envs = '{TEST}' WHERE id = $2", ["shop_owner"]),
    ],
)
async def test_who_cannot_act_at_the_moment_is_not_told(
    world: World, mail_server: MailServer, statement: str, expected: list[str]
) -> None:
    await create_key(world, "shop")
    query = f"UPDATE organizations SET {statement} AND $1 <> $2"  # noqa: S608 - ours
    await world.owner.execute(query, world.shop, world.vendor)
    assert await told(world, mail_server) == expected
    assert "api_key.expiring" in await world.events(world.shop)


async def test_who_stands_above_and_not_in_the_env_is_not_told(
    world: World, mail_server: MailServer
) -> None:
    await create_key(world, "kiosk")
    only_test = "UPDATE organizations SET envs = '{TEST}' WHERE id = $1"
    await world.owner.execute(only_test, world.vendor)
    assert await told(world, mail_server) == []


async def test_each_threshold_is_written_of_once_however_often_workers_look(
    world: World, mail_server: MailServer
) -> None:
    """Fails without the `if` in `_announce`: every worker would write, and one has recorded."""
    await create_key(world, "shop", 100)
    subjects = []
    for after in (60, 70, 93, 99, 100, 200):
        at = NOW + after * DAY
        for _ in range(2):
            await asyncio.gather(*(announce_ends(world.house, now=at) for _ in range(4)))
        subjects += [letter.subject for letter in await collect(world, mail_server)]
    end = f"{NOW + 100 * DAY:%Y-%m-%d %H:%M} UTC"
    ending = f"Der API-Schlüssel ends von Shop endet am {end}"
    assert subjects == [ending] * 3 + ["Der API-Schlüssel ends von Shop ist abgelaufen"]


async def test_what_fails_records_nothing_and_is_written_once_at_the_next_turn(
    world: World, mail_server: MailServer
) -> None:
    await create_key(world, "vendor")
    await world.owner.execute("ALTER TABLE mails ADD CONSTRAINT broken CHECK (false) NOT VALID")
    with pytest.raises(asyncpg.CheckViolationError):
        await announce_ends(world.house, now=NOW)
    await world.owner.execute("ALTER TABLE mails DROP CONSTRAINT broken")
    assert "api_key.expiring" not in await world.events(world.vendor)
    assert await told(world, mail_server) == VENDORS
    assert await told(world, mail_server) == []


async def test_a_letter_names_the_key_its_organization_and_nothing_above(
    world: World, mail_server: MailServer
) -> None:
    key = await create_key(world, "shop")
    await announce_ends(world.house, now=NOW)
    waiting = await world.owner.fetchrow(
        "SELECT * FROM mails WHERE organization_id = $1", world.shop
    )
    assert waiting is not None
    assert (waiting["organization_id"], waiting["language"]) == (world.shop, "de")
    for text in (key["key"], "Shop", "shop_owner", "@example.org"):
        assert text.encode() not in waiting["sealed"]
    [letter] = await collect(world, mail_server)
    for text in (key["key"], "ends", "LIVE", "Shop", f"{NOW + 20 * DAY:%Y-%m-%d %H:%M}"):
        assert text in letter.text
    assert key["secret"] not in letter.text
    for text in ("Vendor", str(world.vendor), "vendor_owner"):
        assert text not in letter.text
    gossip = letter._replace(text=f"{letter.text} It is managed by Vendor.")
    assert await hidden_in(world, gossip) == ["Vendor"], "the scanner reads letters"


async def test_a_rotation_writes_nothing_again_and_another_end_does(
    world: World, mail_server: MailServer
) -> None:
    key = await create_key(world, "shop")
    assert await told(world, mail_server) == ["shop_owner"]
    path = f"/organizations/{world.shop}/api-keys/{key['_id']}"
    assert (await world.shop_live.post(f"{path}/rotate", json={})).status_code == 200
    assert await told(world, mail_server) == []
    later = {"expires_at": int((NOW + 25 * DAY).timestamp())}
    assert (await world.vendor_live.patch(path, json=later)).status_code == 200
    assert await told(world, mail_server) == ["shop_owner"]


async def test_of_a_disabled_or_deleted_key_nothing_is_written(
    world: World, mail_server: MailServer
) -> None:
    for name, method, body in (("off", "PATCH", {"status": "disabled"}), ("gone", "DELETE", None)):
        key = await create_key(world, "shop", name=name)
        path = f"/organizations/{world.shop}/api-keys/{key['_id']}"
        answer = await world.vendor_live.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
    assert await told(world, mail_server) == []


async def test_an_announcement_that_waited_past_the_end_is_not_sent(
    world: World, mail_server: MailServer
) -> None:
    await create_key(world, "shop", 0)
    await announce_ends(world.house, now=NOW - DAY / 2)
    assert await collect(world, mail_server) == []
    assert await told(world, mail_server) == ["shop_owner"]


@pytest.mark.parametrize(
    "revoke",
    [
        "DELETE FROM memberships WHERE organization_id = $1",
        "UPDATE memberships SET role = 'member' WHERE organization_id = $1",
    ],
)
async def test_whoever_lost_the_right_while_a_letter_waited_does_not_get_it(
    world: World, mail_server: MailServer, revoke: str
) -> None:
    await create_key(world, "shop")
    await announce_ends(world.house, now=NOW)
    await world.owner.execute(revoke, world.shop)
    assert await collect(world, mail_server) == []
    left = await world.owner.fetchrow("SELECT * FROM mails WHERE organization_id = $1", world.shop)
    assert left is not None
    assert (left["sealed"], left["sent_at"], left["next_try_at"]) == (None, None, None)


async def test_after_a_handover_a_letter_that_waited_goes_to_nobody_above(
    world: World, mail_server: MailServer
) -> None:
    await create_key(world, "enterprise")
    await announce_ends(world.house, now=NOW)
    answer = await world.vendor_live.post(f"/organizations/{world.enterprise}/handover", json={})
    assert answer.status_code == 200, answer.text
    assert await collect(world, mail_server) == []


@pytest.mark.parametrize(
    ("country", "language", "said"),
    [("DEU", "de", "endet am"), ("ITA", "it", "scade il"), ("POL", "pl", "wygasa"),
     ("GBR", "en", "ends on"), ("FRA", "de", "endet am")],
)  # fmt: skip
async def test_a_reader_is_written_to_in_the_language_of_their_own_country(
    world: World, mail_server: MailServer, country: str, language: str, said: str
) -> None:
    move = "UPDATE organizations SET country_code = $2 WHERE id = $1"
    await world.owner.execute(move, world.vendor, country)
    await create_key(world, "kiosk")
    await announce_ends(world.house, now=NOW)
    letters = await collect(world, mail_server)
    assert [letter.language for letter in letters] == [language] * 2
    assert all(said in letter.subject for letter in letters)


async def test_where_mail_is_switched_off_it_is_announced_and_nobody_is_written_to(
    world: World, mail_server: MailServer
) -> None:
    await create_key(world, "shop")
    await announce_ends(replace(world.house, is_mail_on=False), now=NOW)
    assert "api_key.expiring" in await world.events(world.shop)
    assert await collect(world, mail_server) == []


async def test_the_door_tells_of_keys_behind_the_walls_alone(world: World) -> None:
    async def keepers(key_id: UUID, organization_id: UUID, env: str) -> int:
        async with world.house.db.begin() as tx:
            for name, value in (("organization_id", str(organization_id)), ("env", env)):
                await tx.fetchval(f"SELECT set_config('tillkeeper.{name}', $1, true)", value)
            return len(await tx.fetch("SELECT * FROM list_key_keepers($1)", key_id))

    key_id = world.keys["shop_live"]["id"]
    assert await keepers(key_id, world.shop, "LIVE") == 1
    for organization_id, env in (
        (world.shop, "TEST"),
        (world.vendor, "LIVE"),
        (world.kiosk, "LIVE"),
    ):
        assert await keepers(key_id, organization_id, env) == 0
