"""Chores in the background: one that fails or waits is in nobody's way."""

import asyncio

from tillkeeper.access.operation import House
from tillkeeper.core.errors import Overloaded
from tillkeeper.surfaces.worker import Chore, working


async def test_a_chore_that_fails_is_done_again_and_stops_no_other(house: House) -> None:
    done: list[str] = []
    twice = asyncio.Event()

    async def fail(_: House) -> None:
        done.append("failed")
        raise Overloaded if len(done) % 2 else ValueError("a bug")

    async def count(_: House) -> None:
        done.append("counted")
        if done.count("counted") > 1 and done.count("failed") > 1:
            twice.set()

    async with working(house, [Chore("fails", 0.001, fail), Chore("counts", 0.001, count)]):
        await asyncio.wait_for(twice.wait(), 10)


async def test_what_is_kept_in_memory_is_written_when_the_service_stops(house: House) -> None:
    done: list[str] = []

    async def write(_: House) -> None:
        done.append("written")

    async with working(house, [Chore("writes", 3600, write, is_run_at_the_end=True)]):
        assert done == []
    assert done == ["written"]
