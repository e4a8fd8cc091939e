"""Two who decide at once: each race is run, by a third connection that holds what both want."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

import asyncpg
import pytest

from access.test_races import held, together, wait_until
from domains.agreements.test_payers import ask, path_of, payer_of
from world import Connection, World, said

COPIES = "SELECT id FROM agreements WHERE id = $1 FOR UPDATE"
EXECUTED = "SELECT count(*) FROM audit_rows WHERE event = 'agreement.executed' AND target_id = $1"


@pytest.fixture
async def holder(owner_url: str) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


async def test_of_many_acceptances_at_once_one_counts(world: World) -> None:
    """Fails without FOR UPDATE in `lock_agreement`."""
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    path = path_of(world.stranger, asked, "/accept")
    found = await together([world.stranger_live.post(path) for _ in range(6)])
    assert found == {(200, None): 1, (409, "E_AGREEMENT_NOT_OPEN"): 5}
    assert await world.owner.fetchval(EXECUTED, UUID(asked["_id"])) == len(("vendor", "stranger"))


async def test_acceptance_and_withdrawal_at_once_do_not_both_happen(
    world: World, holder: Connection
) -> None:
    """Fails without FOR UPDATE in `lock_agreement`."""
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


async def test_two_halves_of_a_circle_are_not_accepted_at_once(
    world: World, holder: Connection
) -> None:
    """Fails without the advisory lock in `refuse_payer_circle`, and without a fixed order in
    `lock_concerned` by a deadlock."""
    one = await ask(world.vendor_live, world.vendor, world.stranger)
    other = await ask(world.stranger_live, world.stranger, world.vendor)
    lock = "SELECT id FROM organizations WHERE id = ANY ($1) FOR UPDATE"
    async with held(holder, lock, [world.vendor, world.stranger]):
        tasks = [
            asyncio.create_task(client.post(path_of(party, agreement, "/accept")))
            for client, party, agreement in (
                (world.stranger_live, world.stranger, one),
                (world.vendor_live, world.vendor, other),
            )
        ]
        await wait_until(world.owner, holder, waiting=2)
    found = sorted([said(await task) for task in tasks], key=str)
    assert found == [(200, None), (409, "E_AGREEMENT_BLOCKED")]
    payers = [await payer_of(world, each) for each in (world.vendor, world.stranger)]
    assert payers.count(None) == 1


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
