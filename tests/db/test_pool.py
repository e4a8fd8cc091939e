import asyncio
from collections.abc import AsyncGenerator

import pytest

from tillkeeper.core.errors import Overloaded
from tillkeeper.db import pool
from tillkeeper.db.pool import Database, Tx


@pytest.fixture
async def single(serving_url: str) -> AsyncGenerator[Database]:
    """A pool with one connection to lend."""
    database = await Database.open(serving_url, size=1)
    yield database
    assert database.is_idle()
    await database.close()


async def test_who_waits_too_long_is_refused_and_leaves_no_trace(single: Database) -> None:
    async with single.lend():
        with pytest.raises(Overloaded):
            async with single.lend():
                pass
    async with single.lend() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_first_come_first_served(single: Database) -> None:
    served: list[int] = []

    async def ask(number: int) -> None:
        async with single.lend():
            served.append(number)

    async with single.lend():
        waiting = [asyncio.create_task(ask(number)) for number in range(5)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert served == [0, 1, 2, 3, 4]


async def test_who_is_cancelled_while_waiting_hands_the_turn_on(single: Database) -> None:
    async def ask() -> int:
        async with single.lend() as connection:
            return int(await connection.fetchval("SELECT 7"))

    async with single.lend():
        given_up, patient = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.sleep(0)
        given_up.cancel()
    assert await patient == 7
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_whose_patience_ends_as_a_turn_comes_is_refused_too(single: Database) -> None:
    """Fails where `_take` asks whether the turn is in the queue still: then nobody is answered."""

    async def ask() -> None:
        async with single.lend():
            pass

    async with single.lend():
        waiting = asyncio.create_task(ask())
        await asyncio.sleep(0)
        # What the clock and the giver do, one right after the other.
        single._waiting[0].cancel()  # noqa: SLF001
    with pytest.raises(Overloaded):
        await waiting


async def test_a_connection_cancelled_in_the_middle_is_never_lent_again(single: Database) -> None:
    async def linger() -> None:
        async with single.begin() as tx:
            begun.set()
            await tx.fetchval("SELECT pg_sleep(2)")

    begun = asyncio.Event()
    task = asyncio.create_task(linger())
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with single.lend() as connection:
        assert await connection.fetchval("SELECT 42") == 42


async def test_a_connection_cancelled_while_it_opens_is_closed(
    single: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without `_drop` in `_connect`: clients who leave early use up the server's connections,
    because the pool does not know of one that it has not got yet."""
    opened: list[Tx] = []
    is_opening = asyncio.Event()

    async def linger(connection: Tx) -> None:
        opened.append(connection)
        is_opening.set()
        await asyncio.Event().wait()

    async def ask() -> None:
        async with single.lend():
            pass

    async with single.lend() as connection:
        connection.terminate()
    monkeypatch.setattr(pool, "teach_types", linger)
    task = asyncio.create_task(ask())
    await is_opening.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each.is_closed() for each in opened] == [True]


async def test_what_fails_is_rolled_back(single: Database) -> None:
    async def fail() -> None:
        async with single.begin() as tx:
            await tx.execute("SELECT set_config('tillkeeper.fleeting', 'kept', false)")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with single.lend() as connection:
        assert not await connection.fetchval("SELECT current_setting('tillkeeper.fleeting', true)")
