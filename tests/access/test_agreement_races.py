"""Two who decide at once: each race is run, by a third connection that holds what both want."""

import asyncio
from collections.abc import Awaitable
from uuid import UUID

import httpx
import pytest

from access.test_handover_races import KEY_ROW, LAST_KEY, leave_one_key
from domains.agreements.test_moves import above, offer
from domains.agreements.test_payers import ask, path_of, payer_of
from races import held, managed_by, together, wait_until
from world import ADDRESS, Connection, World, said

COPIES = "SELECT id FROM agreements WHERE id = $1 FOR UPDATE"
EXECUTED = "SELECT count(*) FROM audit_rows WHERE event = 'agreement.executed' AND target_id = $1"


async def test_of_many_acceptances_at_once_one_counts(world: World) -> None:
    """Fails without what `lock_agreement` locks: what is concerned, and the copies."""
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    path = path_of(world.stranger, asked, "/accept")
    found = await together([world.stranger_live.post(path) for _ in range(6)])
    assert found == {(200, None): 1, (409, "E_AGREEMENT_NOT_OPEN"): 5}
    assert await world.owner.fetchval(EXECUTED, UUID(asked["_id"])) == len(("vendor", "stranger"))


async def test_acceptance_and_withdrawal_at_once_do_not_both_happen(
    world: World, holder: Connection
) -> None:
    """Fails without what `lock_agreement` locks: what is concerned, and the copies."""
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    async with held(holder, COPIES, UUID(asked["_id"])):
        first = asyncio.create_task(
            world.vendor_live.post(path_of(world.vendor, asked, "/withdraw"))
        )
        await wait_until(world.owner, holder, waiting=1)
        second = asyncio.create_task(
            world.stranger_live.post(path_of(world.stranger, asked, "/accept"))
        )
        await wait_until(world.owner, holder, waiting=2)
    assert (await first).json()["state"] == "withdrawn"
    assert said(await second) == (409, "E_AGREEMENT_NOT_OPEN")
    assert await payer_of(world, world.shop) is None


async def test_who_names_another_payer_and_who_accepts_do_not_wait_for_each_other(
    world: World, holder: Connection
) -> None:
    """Fails by a deadlock without `_LOCK_CONCERNED` in `lock_agreement`: the one has the
    organization and wants the copies, the other has the copies and wants the organization."""
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    path = path_of(world.stranger, asked, "/accept")
    nobody = {"billing_options": None}
    lock = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, lock, world.shop):
        naming = asyncio.create_task(
            world.vendor_live.patch(f"/organizations/{world.shop}", json=nobody)
        )
        await wait_until(world.owner, holder, waiting=1)
        accepting = asyncio.create_task(world.stranger_live.post(path))
        await wait_until(world.owner, holder, waiting=2)
    assert said(await naming) == (200, None)
    assert said(await accepting) == (409, "E_AGREEMENT_NOT_OPEN")
    assert await payer_of(world, world.shop) is None


async def test_who_has_handed_over_decides_nothing_any_more(
    world: World, holder: Connection
) -> None:
    """Fails without `check_still_reached` in `lock_agreement`: the former administrator lets what
    is out of its reach pay for others."""
    asked = await ask(world.stranger_live, world.foreign, world.enterprise)
    lock = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, lock, world.enterprise):
        giving = asyncio.create_task(
            world.vendor_live.post(f"/organizations/{world.enterprise}/handover")
        )
        await wait_until(world.owner, holder, waiting=1)
        accepting = asyncio.create_task(
            world.vendor_live.post(path_of(world.enterprise, asked, "/accept"))
        )
        await wait_until(world.owner, holder, waiting=2)
    assert said(await giving) == (200, None)
    assert said(await accepting) == (404, "E_ORGANIZATION_NOT_FOUND")
    assert await payer_of(world, world.foreign) is None


@pytest.mark.parametrize("what", ["disabled", "deleted"])
async def test_giving_up_by_agreement_does_not_count_on_a_key_that_is_going(
    world: World, holder: Connection, what: str
) -> None:
    """Fails without `FOR SHARE OF k` in the door is_manned: nobody could go on."""
    offered = await offer(world.vendor_live, world.enterprise, None, "handover")
    await leave_one_key(world)
    async with held(holder, KEY_ROW, world.keys["enterprise_live"]["id"]):
        going = asyncio.ensure_future(LAST_KEY[what](world))
        await wait_until(world.owner, holder, waiting=1)
        accepting = asyncio.create_task(
            world.enterprise_live.post(path_of(world.enterprise, offered, "/accept"))
        )
        await wait_until(world.owner, holder, waiting=2)
    assert said(await going) == (200, None)
    assert said(await accepting) == (409, "E_AGREEMENT_BLOCKED")
    assert (await above(world, world.enterprise))[1] == world.vendor


async def test_two_halves_of_a_circle_are_not_accepted_at_once(
    world: World, holder: Connection
) -> None:
    """Fails without the lock of every party in `lock_concerned`; and by a deadlock where that locks
    first what the agreement is about."""
    one = await ask(world.vendor_live, world.vendor, world.stranger)
    other = await ask(world.stranger_live, world.stranger, world.vendor)
    accepted = await both_behind(
        world,
        holder,
        world.vendor_live.post(path_of(world.vendor, other, "/accept")),
        world.stranger_live.post(path_of(world.stranger, one, "/accept")),
    )
    assert sorted(map(said, accepted), key=str) == [(200, None), (409, "E_AGREEMENT_BLOCKED")]
    payers = [await payer_of(world, each) for each in (world.vendor, world.stranger)]
    assert payers.count(None) == 1


async def both_behind(
    world: World,
    holder: Connection,
    first: Awaitable[httpx.Response],
    second: Awaitable[httpx.Response],
) -> list[httpx.Response]:
    """Run two requests that want the stranger's row, held until both are waiting."""
    lock = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    tasks = []
    async with held(holder, lock, world.stranger):
        for number, request in enumerate((first, second), 1):
            tasks.append(asyncio.ensure_future(request))
            await wait_until(world.owner, holder, waiting=number)
    return [await task for task in tasks]


async def test_two_who_name_each_other_at_once_do_not_pay_in_a_circle(
    world: World, holder: Connection
) -> None:
    """Fails without the advisory lock in `refuse_payer_circle`: no row is locked by both."""
    advisory = "SELECT pg_advisory_xact_lock(hashtext('tillkeeper.payers'))"
    async with held(holder, advisory):
        tasks = [
            asyncio.create_task(
                world.vendor_live.patch(
                    f"/organizations/{one}",
                    json={"billing_options": {"bill_to_organization": str(other)}},
                )
            )
            for one, other in (
                (world.vendor, world.enterprise),
                (world.enterprise, world.vendor),
            )
        ]
        await wait_until(world.owner, holder, waiting=2)
    found = sorted([said(await task) for task in tasks], key=str)
    assert found == [(200, None), (409, "E_PAYER_CIRCLE")]


async def test_a_move_does_not_go_to_who_is_being_archived(
    world: World, holder: Connection
) -> None:
    """Fails without the lock of every party in `lock_concerned`."""
    offered = await offer(world.stranger_live, world.foreign, world.enterprise)
    lock = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, lock, world.enterprise):
        closing = asyncio.create_task(
            world.vendor_live.post(
                f"/organizations/{world.enterprise}/status", json={"status": "archived"}
            )
        )
        await wait_until(world.owner, holder, waiting=1)
        accepting = asyncio.create_task(
            world.enterprise_live.post(path_of(world.enterprise, offered, "/accept"))
        )
        await wait_until(world.owner, holder, waiting=2)
    assert (await closing).status_code == 200
    assert said(await accepting) == (409, "E_AGREEMENT_BLOCKED")
    assert (await above(world, world.foreign))[0] == world.stranger


async def test_two_moves_that_cross_are_both_made(world: World, holder: Connection) -> None:
    """Fails by a deadlock where `lock_concerned` locks the giver first."""
    one = await offer(world.vendor_live, world.shop, world.stranger)
    other = await offer(world.stranger_live, world.foreign, world.vendor)
    accepted = await both_behind(
        world,
        holder,
        world.vendor_live.post(path_of(world.vendor, other, "/accept")),
        world.stranger_live.post(path_of(world.stranger, one, "/accept")),
    )
    assert [said(each) for each in accepted] == [(200, None)] * 2
    assert (await above(world, world.shop))[0] == world.stranger
    assert (await above(world, world.foreign))[0] == world.vendor


async def test_what_is_made_during_a_handover_goes_along_or_comes_too_late(
    world: World, holder: Connection
) -> None:
    """Fails where `lock_concerned` locks what moves with NO KEY UPDATE: the new shop would stay
    within the reach of the old administrator."""
    offered = await offer(world.vendor_live, world.enterprise, None, "handover")
    lock = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, lock, world.branch):
        accepting = asyncio.create_task(
            world.enterprise_live.post(path_of(world.enterprise, offered, "/accept"))
        )
        await wait_until(world.owner, holder, waiting=1)
        making = asyncio.create_task(
            world.vendor_live.post("/organizations", json=managed_by(world.enterprise))
        )
        await wait_until(world.owner, holder, waiting=2)
    assert (await accepting).status_code == 200
    assert said(await making) == (404, None)
    left = "SELECT count(*) FROM organizations WHERE $1 = ANY (reached_by) AND id <> $1"
    assert await world.owner.fetchval(left, world.vendor) == len(("shop", "kiosk"))


async def test_who_is_taken_back_at_once_makes_no_third_level(
    world: World, holder: Connection
) -> None:
    """Fails without what `_INSERT_ADMINISTERED` asks of the row above: policy has said yes before
    the undo made the organization an administered one again."""
    offered = await offer(world.vendor_live, world.enterprise, None, "handover")
    accepted = path_of(world.enterprise, offered, "/accept")
    assert (await world.enterprise_live.post(accepted)).status_code == 200
    lock = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, lock, world.branch):
        undoing = asyncio.create_task(
            world.vendor_live.post(path_of(world.vendor, offered, "/undo"))
        )
        await wait_until(world.owner, holder, waiting=1)
        wanted = {"name": "Partner"} | ADDRESS
        making = asyncio.create_task(world.enterprise_live.post("/organizations", json=wanted))
        await wait_until(world.owner, holder, waiting=2)
    assert (await undoing).json()["state"] == "undone"
    assert (await making).status_code == 404
    third = "SELECT count(*) FROM organizations WHERE administered_by_organization_id = $1"
    assert await world.owner.fetchval(third, world.enterprise) == 0
