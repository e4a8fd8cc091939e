"""T03: faults planted in the walls, the doors and the catalogue. Each one must be found."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from amounts import record_figure
from architecture import test_foreign_keys, test_walls
from facts import Key
from faults import IN_CATALOGUE, IN_DOORS, IN_WALLS, LOGIN, STAYING_OPEN, Miswritten, Planted
from probes import HELPERS, Crowd, Probe
from proofs.test_row_decisions import as_login, stays_open
from random_worlds import HOUR, Drawn, draw
from room import Room
from tenant_rows import Rows, write_rows
from world import Connection

CONTEXTS = 2_000
"""How many contexts a fault may hide in: the hardest one shows in a few dozens."""
LIMITS: list[dict[str, Any]] = [
    {},
    {"is_enabled": False},
    {"not_before": HOUR},
    {"expires_at": -HOUR},
    {"retiring_ends_at": HOUR},
    {"retiring_ends_at": -HOUR},
    {"allowed_ips": ("127.0.0.0/8",)},
    {"reach": "self"},
    {"reach": "managed"},
]
Check: TypeAlias = Callable[..., Awaitable[None]]
_TEXT = "SELECT pg_get_functiondef($1::regprocedure)"


@asynccontextmanager
async def planted(connection: Connection, fault: Planted | Miswritten) -> AsyncGenerator[None]:
    """Let there be a fault for a while."""
    block = connection.transaction()
    await block.start()
    try:
        statements = await statements_of(connection, fault)
        await connection.execute(statements)
        yield
    finally:
        await block.rollback()


async def statements_of(connection: Connection, fault: Planted | Miswritten) -> str:
    if isinstance(fault, Planted):
        return fault.statements
    text: str = await connection.fetchval(_TEXT, fault.function)
    assert fault.right in text, fault.name
    return text.replace(fault.right, fault.wrong)


async def settled(room: Room) -> tuple[Drawn, Rows]:
    """Write a world in which each key is limited in one way, and graces end at different times."""
    world = draw(Random(3), roots=40, managed=4, trouble=0.05)  # noqa: S311 - always the same
    for key in list(world.state.keys.values()):
        whole = Key(key.id, key.organization, key.env, generation=1)
        tree = frozenset(world.rng.sample(world.near(key.organization), 1))
        limit = world.rng.choice([*LIMITS, {"reach": tree}])
        world.state.keys[key.id] = replace(whole, **_from_now(limit, world.now))
    for each, root in world.roots.items():
        if each != root and world.rng.random() < 0.4:
            _change(world, each, envs=frozenset({"TEST"}))
        if each != root and world.rng.random() < 0.06:
            own, above = world.rng.sample((HOUR, -HOUR), 2)
            _change(world, each, status="suspended", grace_ends_at=world.now + own)
            _change(world, root, status="suspended", grace_ends_at=world.now + above)
    await room.settle(world)
    await room.owner.execute(HELPERS)
    return world, await write_rows(world, room.owner, room.login)


def _change(world: Drawn, organization: UUID, **fields: Any) -> None:  # noqa: ANN401
    found = world.state.organizations[organization]
    world.state.organizations[organization] = replace(found, **fields)


def _from_now(limit: dict[str, Any], now: float) -> dict[str, Any]:
    return {k: now + v if isinstance(v, float) else v for k, v in limit.items()}


async def contexts_until_found(probe: Probe) -> int | None:
    """Return in how many contexts a fault has hidden."""
    crowd = Crowd(probe.world, probe.rng)
    for number in range(CONTEXTS):
        await probe.try_context(crowd.draw())
        if probe.wrong:
            return number + 1
    return None


@pytest.mark.timeout(900)
async def test_faults_in_walls_and_doors_are_found_by_comparing_rows(room: Room) -> None:
    world, rows = await settled(room)
    missed, most = [], 0
    faults: list[Planted | Miswritten] = [*IN_WALLS, *IN_DOORS]
    for fault in faults:
        async with planted(room.owner, fault):
            await room.owner.execute("SET LOCAL session_replication_role = replica")
            await room.owner.execute(f"SET LOCAL SESSION AUTHORIZATION {LOGIN}")
            is_writing = isinstance(fault, Planted) and fault.shows_in_writing
            probe = Probe(room.owner, world, rows, Random(7), is_writing)  # noqa: S311
            found = await contexts_until_found(probe)
        missed += [] if found else [fault.name]
        most = max(most, found or 0)
    figure = f"{len(faults)} planted in walls and doors, each found within {most} contexts"
    record_figure("Isolation between tenants: planted faults, by rows", figure, len(missed))
    assert not missed
    assert len(faults) >= 30


async def test_without_a_fault_nothing_is_found(room: Room) -> None:
    """Neither the comparison nor the catalogue's checks cry wolf in this very world."""
    world, rows = await settled(room)
    async with as_login(room) as connection:
        probe = Probe(connection, world, rows, Random(7))  # noqa: S311
        crowd = Crowd(world, probe.rng)
        for _ in range(200):
            await probe.try_context(crowd.draw())
    assert not probe.wrong
    assert not await findings(room.owner)


async def test_faults_in_the_catalogue_are_found_by_its_checks(room: Room) -> None:
    missed = []
    for fault in IN_CATALOGUE:
        async with planted(room.owner, fault):
            if not await findings(room.owner):
                missed.append(fault.name)
    figure = f"{len(IN_CATALOGUE)} planted in the catalogue, each found by its checks"
    record_figure("Isolation between tenants: planted faults, by catalogue", figure, len(missed))
    assert not missed


async def test_settings_that_stay_open_are_found(room: Room) -> None:
    """The one fault that shows after a COMMIT: it is planted for good, and taken back."""
    world, rows = await settled(room)
    right = await room.owner.fetchval(_TEXT, STAYING_OPEN.function)
    crowd = Crowd(world, Random(7))  # noqa: S311
    contexts = [crowd.draw() for _ in range(50)]
    await room.owner.execute(await statements_of(room.owner, STAYING_OPEN))
    try:
        async with as_login(room) as connection:
            open_ = [await stays_open(connection, each, rows) for each in contexts]
    finally:
        await room.owner.execute(right)
    assert any(open_)


async def findings(connection: Connection) -> list[str]:
    """Return the checks of the catalogue that something does not pass."""
    found = []
    for check, arguments in _checks():
        block = connection.transaction()
        await block.start()
        try:
            await check(connection, *arguments)
        except (AssertionError, pytest.fail.Exception):
            found.append(f"{check.__name__}{arguments}")
        finally:
            await block.rollback()
    return found


def _checks() -> Iterator[tuple[Check, tuple[str, ...]]]:
    yield test_foreign_keys.test_a_foreign_key_carries_organization_and_env, ()
    yield test_walls.test_the_database_has_no_table_view_or_rule_that_is_not_described, ()
    yield test_walls.test_the_walls_of_env_tables_compare_organization_and_env, ()
    yield test_walls.test_every_door_is_reviewed_pinned_and_closed_to_the_public, ()
    yield test_walls.test_no_other_function_is_in_reach_of_the_login, ()
    yield test_walls.test_the_login_owns_nothing_and_becomes_nobody_else, ()
    yield test_walls.test_what_the_database_writes_itself_the_login_may_not, ()
    for table in test_walls.TABLES:
        yield test_walls.test_every_table_is_walled, (table,)
        yield test_walls.test_organization_and_env_come_first_in_every_key, (table,)
        yield test_walls.test_the_login_can_neither_truncate_nor_refer_nor_watch, (table,)
    for role in (LOGIN, "tillkeeper_api", "tillkeeper_doors", "tillkeeper_owner"):
        yield test_walls.test_no_role_of_ours_is_mighty, (role,)
    for statement in test_walls.NOT_GRANTED:
        yield is_refused, (statement,)


async def is_refused(connection: Connection, statement: str) -> None:
    """Try as the login what it must not be granted."""
    await connection.execute(f"SET LOCAL SESSION AUTHORIZATION {LOGIN}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
