"""A handover, and what its giver had begun before: whichever is first, the other sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from races import held, wait_until
from world import KEY, Connection, World, said

GONE = (404, "E_ORGANIZATION_NOT_FOUND")
NOT_MANNED = (409, "E_HANDOVER_NOT_POSSIBLE")
OK = (200, None)
Begin = Callable[[World], Awaitable[httpx.Response]]


def hand_over(world: World) -> Awaitable[httpx.Response]:
    return world.clients["vendor_live"].post(f"/organizations/{world.enterprise}/handover")


def key_path(world: World) -> str:
    return f"/organizations/{world.enterprise}/api-keys/{world.keys['enterprise_live']['id']}"


def own_path(world: World, more: str = "") -> str:
    return f"/organizations/{world.enterprise}{more}"


LAST_KEY: dict[str, Begin] = {
    "disabled": lambda w: w.vendor_live.patch(key_path(w), json={"status": "disabled"}),
    "deleted": lambda w: w.vendor_live.delete(key_path(w)),
    "rotated": lambda w: w.vendor_live.post(key_path(w) + "/rotate", json={"overlap_seconds": 0}),
}


async def leave_one_key(world: World) -> None:
    """Only the enterprise's LIVE key could go on with it."""
    other = world.keys["enterprise_test"]["id"]
    await world.owner.execute("UPDATE api_keys SET status = 'disabled' WHERE id = $1", other)


async def one_behind_the_other(
    world: World, holder: Connection, row: str, of: UUID, *begin: Begin
) -> list[tuple[int, str | None]]:
    """Begin one after the other while the row is held, and return what they were told."""
    tasks = []
    async with held(holder, row, of):
        for number, each in enumerate(begin, start=1):
            tasks.append(asyncio.ensure_future(each(world)))
            await wait_until(world.owner, holder, waiting=number)
    return [said(answer) for answer in await asyncio.gather(*tasks)]


KEY_ROW = "SELECT id FROM api_keys WHERE id = $1 FOR UPDATE"
ORGANIZATION_ROW = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
MEMBERSHIP_ROW = "SELECT user_id FROM memberships WHERE user_id = $1 FOR UPDATE"


@pytest.mark.parametrize("what", ["disabled", "deleted"])
async def test_a_handover_does_not_count_on_a_key_that_is_going(
    world: World, holder: Connection, what: str
) -> None:
    """Fails without `FOR SHARE OF k` in the door is_manned: it counts the key that was there."""
    await leave_one_key(world)
    key_id = world.keys["enterprise_live"]["id"]
    told = await one_behind_the_other(world, holder, KEY_ROW, key_id, LAST_KEY[what], hand_over)
    assert told == [OK, NOT_MANNED]
    assert (await world.vendor_live.get(own_path(world))).status_code == 200


@pytest.mark.parametrize("what", LAST_KEY)
async def test_a_key_that_a_handover_counted_on_stays_as_it_is(
    world: World, holder: Connection, what: str
) -> None:
    """Fails without `check_still_reached` in `_check_may_touch` (api_keys/actions.py): the giver
    changes a key that is out of its reach by then, or takes its secret."""
    await leave_one_key(world)
    key_id = world.keys["enterprise_live"]["id"]
    before = await world.owner.fetchrow("SELECT * FROM api_keys WHERE id = $1", key_id)
    told = await one_behind_the_other(world, holder, KEY_ROW, key_id, hand_over, LAST_KEY[what])
    assert told == [OK, GONE]
    assert await world.owner.fetchrow("SELECT * FROM api_keys WHERE id = $1", key_id) == before
    assert (await world.enterprise_live.get("/me")).status_code == 200


async def lone_admin(world: World) -> UUID:
    """Only a person could go on with the enterprise."""
    admin = world.people["vendor_admin"]
    await world.owner.execute(
        "UPDATE memberships SET organization_id = $1 WHERE user_id = $2", world.enterprise, admin
    )
    await world.owner.execute(
        "UPDATE api_keys SET status = 'disabled' WHERE organization_id = $1", world.enterprise
    )
    return admin


def remove(world: World) -> Awaitable[httpx.Response]:
    person = world.people["vendor_admin"]
    return world.clients["vendor_live"].delete(f"{own_path(world)}/users/{person}")


async def test_a_handover_does_not_count_on_a_person_who_is_leaving(
    world: World, holder: Connection
) -> None:
    """Fails without `FOR SHARE OF m` in the door is_manned."""
    admin = await lone_admin(world)
    told = await one_behind_the_other(world, holder, MEMBERSHIP_ROW, admin, remove, hand_over)
    assert told == [OK, NOT_MANNED]


async def test_a_person_whom_a_handover_counted_on_stays(world: World, holder: Connection) -> None:
    """Fails without `check_still_reached` in `remove_user` (people/actions.py)."""
    admin = await lone_admin(world)
    told = await one_behind_the_other(world, holder, MEMBERSHIP_ROW, admin, hand_over, remove)
    assert told == [OK, GONE]
    left = "SELECT count(*) FROM memberships WHERE user_id = $1"
    assert await world.owner.fetchval(left, admin) == 1


async def test_no_key_is_left_to_a_manager_who_is_gone(world: World, holder: Connection) -> None:
    """Fails without `check_still_reached` in `create_api_key`: nobody could change the key."""

    def create(world: World) -> Awaitable[httpx.Response]:
        managed = KEY | {"managed_by_organization_id": str(world.vendor)}
        return world.clients["vendor_live"].post(own_path(world, "/api-keys"), json=managed)

    row, of = ORGANIZATION_ROW, world.enterprise
    told = await one_behind_the_other(world, holder, row, of, hand_over, create)
    assert told == [OK, GONE]
    kept = "SELECT count(*) FROM api_keys WHERE managed_by_organization_id = $1"
    assert await world.owner.fetchval(kept, world.vendor) == 0


CHANGES: dict[str, Callable[[World], Any]] = {
    "renamed": lambda w: w.vendor_live.patch(own_path(w), json={"name": "Mine"}),
    "archived": lambda w: w.vendor_live.post(own_path(w, "/status"), json={"status": "archived"}),
    "suspended": lambda w: w.vendor_live.post(
        own_path(w, "/status"), json={"status": "suspended", "reason": "unpaid"}
    ),
    "deleted": lambda w: w.vendor_test.delete(own_path(w)),
    "enabled": lambda w: w.vendor_live.post(own_path(w, "/enable-env"), json={"env": "LIVE"}),
    "handed over": hand_over,
}


async def leave_in_test(world: World) -> None:
    """The enterprise is in TEST alone, manages nobody and is paid for by the vendor."""
    of = world.enterprise
    await world.owner.execute("DELETE FROM organizations WHERE managed_by_organization_id = $1", of)
    change = "UPDATE organizations SET envs = '{TEST}', bill_to_organization = $2 WHERE id = $1"
    await world.owner.execute(change, of, world.vendor)


@pytest.mark.parametrize("what", CHANGES)
async def test_what_waited_for_a_handover_finds_nothing_any_more(
    world: World, holder: Connection, what: str
) -> None:
    """Fails without `REACHED` in `_LOCK` and `_GET` (organizations/queries.py) and in `_update`
    (changes.py): its former administrator archives or deletes what is out of its reach."""
    of = world.enterprise
    if what in ("deleted", "enabled"):
        await leave_in_test(world)

    def from_test(world: World) -> Awaitable[httpx.Response]:
        return world.clients["vendor_test"].post(own_path(world, "/handover"))

    begin = from_test if what in ("deleted", "enabled") else hand_over
    told = await one_behind_the_other(world, holder, ORGANIZATION_ROW, of, begin, CHANGES[what])
    assert told == [OK, GONE]
    assert await world.events(of) == ["organization.handed_over"]
    row = await world.owner.fetchrow("SELECT * FROM organizations WHERE id = $1", of)
    assert row is not None
    assert (row["name"], row["status"]) == ("Enterprise", "active")
