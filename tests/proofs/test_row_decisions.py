"""T02: what the walls show, take and change in random contexts, compared with the oracle."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

import asyncpg
import pytest

from amounts import AMOUNTS, record_figure
from probes import HELPERS, Context, Crowd, Probe, enter
from random_worlds import draw
from room import Room
from tenant_rows import TENANT_TABLES, Rows, write_rows
from tillkeeper.db.pool import teach_types
from tillkeeper.schema import metadata
from world import Connection

# About two million decisions a second on one core.
TREES = 300
CONTEXTS_A_WORLD = 500


@asynccontextmanager
async def as_login(room: Room) -> AsyncGenerator[Connection]:
    """Connect as the login that serves; without foreign keys, so that nothing but walls refuses."""
    connection = await asyncpg.connect(room.owner_url)
    await teach_types(connection)
    await connection.execute(HELPERS)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(f"SET SESSION AUTHORIZATION {room.login}")
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.timeout(3600)
async def test_the_walls_show_and_take_what_the_oracle_says(room: Room) -> None:
    decisions, contexts, seed = 0, 0, 0
    wrong: list[str] = []
    while decisions < AMOUNTS.row_decisions and len(wrong) < 20:
        world = draw(Random(seed), roots=TREES)  # noqa: S311 - the same worlds every time
        await room.settle(world)
        rows = await write_rows(world, room.owner, room.login)
        async with as_login(room) as connection:
            probe = Probe(connection, world, rows, Random(seed))  # noqa: S311
            crowd = Crowd(world, probe.rng)
            for _ in range(CONTEXTS_A_WORLD):
                await probe.try_context(crowd.draw())
                if decisions + probe.decisions >= AMOUNTS.row_decisions:
                    break
                contexts += 1
        decisions, wrong, seed = decisions + probe.decisions, wrong + probe.wrong, seed + 1
    figure = f"{decisions} rows shown, hidden, taken or refused in {contexts} contexts"
    record_figure("Isolation between tenants: row decisions", figure, len(wrong))
    assert not wrong, "\n".join(wrong[:20])


async def test_no_context_outlives_its_transaction(room: Room) -> None:
    world = draw(Random(1), roots=20)  # noqa: S311
    await room.settle(world)
    rows = await write_rows(world, room.owner, room.login)
    async with as_login(room) as connection:
        for actor in world.actors()[:100]:
            assert not await stays_open(connection, Context(actor, "narrow", None), rows)


async def stays_open(connection: Connection, context: Context, rows: Rows) -> list[str]:
    """Return the tables that are open to whoever borrows the connection next."""
    async with connection.transaction():
        await enter(connection, context)
    row = await connection.fetchrow(rows.reading)
    assert row is not None
    return [table for table in rows.readable if row[table]]


def test_every_table_of_tenants_is_compared() -> None:
    nobodys = {"users", "audit_seals", "rate_cells", "leak_reports", "pepper_holders"} | {
        "signing_authorities"
    }
    assert {each.name for each in TENANT_TABLES} == {*metadata.tables} - nobodys
