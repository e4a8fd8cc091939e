"""T15: two changes that exclude each other, let loose at once, again and again.

Whichever is first, never both happen, and nothing is left between two states. Refusals of every
kind are fine; what counts is what the database holds afterwards.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest

from amounts import AMOUNTS, record_figure
from arena import CONNECTIONS, Arena, Attempt, Said, open_arena
from asgi import Answered
from races import managed_by
from tillkeeper.domains.organizations.jobs import purge
from world import ADDRESS, KEY, World

OK = (200, None)
ROUNDS, AT_ONCE = AMOUNTS.race_attempts // 2, CONNECTIONS // 2
pytestmark = pytest.mark.timeout(600)


class Duel(NamedTuple):
    """Two attempts, and what is wrong about the state that they left, if anything is."""

    one: Attempt
    other: Attempt
    find_fault: Callable[[Said, Said], Awaitable[str | None]]


async def protect_or_delete(arena: Arena) -> Duel:
    """`is_delete_protected` in `_DELETE` (organizations/changes.py)."""
    return await _kept_or_deleted(arena, "vendor_test", "PATCH", "", {"delete_protection": True})


async def enable_or_delete(arena: Arena) -> Duel:
    """`lock_whole_organization` in `delete_organization` (organizations/actions.py)."""
    return await _kept_or_deleted(arena, "vendor_live", "POST", "/enable-env", {"env": "LIVE"})


async def _kept_or_deleted(arena: Arena, who: str, method: str, more: str, body: object) -> Duel:
    shop = await arena.shop()
    path = f"/organizations/{shop}"

    async def find_fault(kept: Said, deleted: Said) -> str | None:
        is_there = await arena.there("organizations", "id = $1", shop) == 1
        is_right = (kept == OK) != (deleted == OK) and is_there == (kept == OK)
        return None if is_right else f"{kept}, {deleted}, there: {is_there}"

    keep = arena.ask(who, method, path + more, body)  # type: ignore[arg-type]
    return Duel(keep, arena.ask("vendor_test", "DELETE", path), find_fault)


async def _partner(arena: Arena) -> UUID:
    """A main organization in TEST that the vendor administers, with one key of its own."""
    made = await arena.ask("vendor_test", "POST", "/organizations", {"name": "Main"} | ADDRESS)()
    path = f"/organizations/{made.body['_id']}/api-keys"
    assert (await arena.ask("vendor_test", "POST", path, KEY)()).said == OK
    return UUID(made.body["_id"])


async def create_below_or_delete(arena: Arena) -> Duel:
    """The foreign keys of organizations, and `except ForeignKeyViolationError`."""
    main = await _partner(arena)

    async def find_fault(created: Said, deleted: Said) -> str | None:
        lost = await arena.there(
            "organizations o",
            "$1 = ANY (reached_by) AND NOT EXISTS (SELECT FROM organizations p WHERE p.id = $1)",
            main,
        )
        is_right = (created == OK) != (deleted == OK) and not lost
        return None if is_right else f"{created}, {deleted}, lost: {lost}"

    create = arena.ask("vendor_test", "POST", "/organizations", managed_by(main))
    return Duel(create, arena.ask("vendor_test", "DELETE", f"/organizations/{main}"), find_fault)


async def name_payer_or_delete(arena: Arena) -> Duel:
    """The foreign key of bill_to_organization, and `_gone` (organizations/changes.py)."""
    payer, shop = await _partner(arena), await arena.shop()

    async def find_fault(named: Said, deleted: Said) -> str | None:
        # Whoever is named once it is gone is asked, as anybody who does not exist, and never pays.
        points = await arena.there("organizations", "bill_to_organization = $1", payer)
        is_there = await arena.there("organizations", "id = $1", payer)
        is_right = points == is_there == (deleted != OK)
        return None if is_right else f"{named}, {deleted}, points: {points}"

    bill = {"billing_options": {"bill_to_organization": str(payer)}}
    name = arena.ask("vendor_test", "PATCH", f"/organizations/{shop}", bill)
    return Duel(name, arena.ask("vendor_test", "DELETE", f"/organizations/{payer}"), find_fault)


async def point_to_address_or_delete(arena: Arena) -> Duel:
    """The foreign key fk_organizations_billing_address."""
    body = ADDRESS | {"recipient": "Vendor"}
    made = await arena.ask("vendor_live", "POST", "/billing-addresses", body)()
    address, shop = UUID(made.body["_id"]), await arena.shop()

    async def find_fault(pointed: Said, deleted: Said) -> str | None:
        is_there = await arena.there("billing_addresses", "id = $1", address)
        is_right = (pointed == OK) != (deleted == OK) and is_there == (pointed == OK)
        return None if is_right else f"{pointed}, {deleted}, there: {is_there}"

    point = {"billing_address_id": str(address)}
    return Duel(
        arena.ask("vendor_test", "PATCH", f"/organizations/{shop}", point),
        arena.ask("vendor_live", "DELETE", f"/billing-addresses/{address}"),
        find_fault,
    )


async def hand_over_or_disable(arena: Arena) -> Duel:
    """`FOR SHARE` in the door is_manned, and `check_still_reached` in `_check_may_touch`."""
    main = await _partner(arena)
    key = await arena.world.owner.fetchval(
        "SELECT id FROM api_keys WHERE organization_id = $1", main
    )

    async def find_fault(handed_over: Said, disabled: Said) -> str | None:
        manned = await arena.there("api_keys", "id = $1 AND status = 'enabled'", key)
        is_right = (handed_over == OK) != (disabled == OK) and manned == (handed_over == OK)
        return None if is_right else f"{handed_over}, {disabled}, manned: {manned}"

    path = f"/organizations/{main}"
    disable = arena.ask("vendor_test", "PATCH", f"{path}/api-keys/{key}", {"status": "disabled"})
    return Duel(arena.ask("vendor_test", "POST", f"{path}/handover"), disable, find_fault)


async def hand_over_or_manage_key(arena: Arena) -> Duel:
    """`check_still_reached` in `create_api_key` (api_keys/actions.py)."""
    main = await _partner(arena)

    async def find_fault(handed_over: Said, created: Said) -> str | None:
        vendor = arena.world.ids["vendor"]
        left = await arena.there(
            "api_keys", "organization_id = $1 AND managed_by_organization_id = $2", main, vendor
        )
        return None if handed_over == OK and not left else f"{handed_over}, {created}, left: {left}"

    key = KEY | {"name": "till-2", "managed_by_organization_id": str(arena.world.vendor)}
    path = f"/organizations/{main}"
    create = arena.ask("vendor_test", "POST", f"{path}/api-keys", key)
    return Duel(arena.ask("vendor_test", "POST", f"{path}/handover"), create, find_fault)


async def hand_over_or_create_below(arena: Arena) -> Duel:
    """`with_for_update(read=True)` in `_insert_below` (organizations/changes.py)."""
    main = await _partner(arena)

    async def find_fault(handed_over: Said, created: Said) -> str | None:
        left = await arena.there(
            "organizations",
            "$1 = ANY (reached_by) AND $2 = ANY (reached_by)",
            main,
            arena.world.ids["vendor"],
        )
        return None if handed_over == OK and not left else f"{handed_over}, {created}, left: {left}"

    create = arena.ask("vendor_test", "POST", "/organizations", managed_by(main))
    path = f"/organizations/{main}/handover"
    return Duel(arena.ask("vendor_test", "POST", path), create, find_fault)


async def restore_or_purge(arena: Arena) -> Duel:
    """`purge_at <= now()` in `_PURGE` (organizations/changes.py)."""
    due = datetime.now(UTC) - timedelta(hours=1)
    shop = await arena.shop(status="pending_deletion", purge_at=due)

    async def find_fault(restored: Said, _: Said) -> str | None:
        active = await arena.there("organizations", "id = $1 AND status = 'active'", shop)
        pending = await arena.there("organizations", "id = $1", shop) - active
        is_right = active == (restored == OK) and not pending
        return None if is_right else f"{restored}, active: {active}, pending: {pending}"

    async def run() -> Answered:
        await purge(arena.house)
        return Answered(200, {}, b"{}")

    path = f"/organizations/{shop}/status"
    restore = arena.ask("vendor_test", "POST", path, {"status": "active"})
    return Duel(restore, run, find_fault)


async def rotate_or_disable(arena: Arena) -> Duel:
    """`status = 'enabled'` in the door rotate_key."""
    shop = await arena.shop()
    path = f"/organizations/{shop}/api-keys"
    key = (await arena.ask("vendor_test", "POST", path, KEY)()).body["_id"]

    async def find_fault(rotated: Said, disabled: Said) -> str | None:
        counted = await arena.there(
            "audit_rows", "organization_id = $1 AND event = 'api_key.rotated'", shop
        )
        generation = await arena.there("api_keys", "id = $1 AND generation = 1", UUID(key))
        is_right = disabled == OK and generation == counted == (rotated == OK)
        return None if is_right else f"{rotated}, {disabled}, {generation}, {counted}"

    rotate = arena.ask("vendor_test", "POST", f"{path}/{key}/rotate", {})
    disable = arena.ask("vendor_test", "PATCH", f"{path}/{key}", {"status": "disabled"})
    return Duel(rotate, disable, find_fault)


DUELS = (
    protect_or_delete,
    enable_or_delete,
    create_below_or_delete,
    name_payer_or_delete,
    point_to_address_or_delete,
    hand_over_or_disable,
    hand_over_or_manage_key,
    hand_over_or_create_below,
    restore_or_purge,
    rotate_or_disable,
)


@pytest.fixture
async def arena(world: World, serving_url: str) -> AsyncGenerator[Arena]:
    async with open_arena(world, serving_url) as opened:
        yield opened


@pytest.mark.parametrize("duel", DUELS, ids=lambda duel: duel.__name__)
async def test_never_do_both_of_two_happen_that_exclude_each_other(
    arena: Arena, duel: Callable[[Arena], Awaitable[Duel]]
) -> None:
    """The docstring of each duel names the line without which it fails."""
    faults: list[str] = []
    ends: Counter[tuple[Said, Said]] = Counter()
    for _ in range(0, ROUNDS, AT_ONCE):
        prepared = [await duel(arena) for _ in range(AT_ONCE)]
        fought = [arena.both(each.one, each.other) for each in prepared]
        for each, told in zip(prepared, await asyncio.gather(*fought), strict=True):
            ends[told] += 1
            if fault := await each.find_fault(*told):
                faults.append(fault)
    figure = f"{ends.total()} duels, {len(ends)} ends, on {CONNECTIONS} connections"
    record_figure(f"Races: {duel.__name__.replace('_', ' ')}", figure, len(faults))
    assert not faults, (faults, ends)
    assert all(status < 500 for said in ends for status, _ in said)
