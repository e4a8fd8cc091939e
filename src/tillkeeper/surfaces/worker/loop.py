"""Chores in the background of a service: each again and again, none in another's way."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from tillkeeper.access.operation import House
from tillkeeper.core.errors import Overloaded
from tillkeeper.logs import log


@dataclass(frozen=True, slots=True)
class Chore:
    """Work that every process of a service may do at once: it takes its own lock where it must."""

    name: str
    every_seconds: float
    run: Callable[[House], Awaitable[object]]
    is_run_at_the_end: bool = False
    """Whether it runs once more when the service stops: for what is kept in memory until then."""


@contextlib.asynccontextmanager
async def working(house: House, chores: Sequence[Chore]) -> AsyncGenerator[None]:
    """Do the chores while the caller serves; on the way out finish what must not be lost."""
    tasks = [asyncio.create_task(_repeat(house, chore)) for chore in chores]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for chore in chores:
            if chore.is_run_at_the_end:
                await do(house, chore)


async def do(house: House, chore: Chore) -> None:
    """Run a chore once; a failure is somebody's to look at, and never the end of the service."""
    try:
        await chore.run(house)
    except Overloaded:
        log.warning("chore.postponed", chore=chore.name)
    except Exception as error:  # noqa: BLE001 - the worker's loop: the next turn comes all the same
        log.error("chore.failed", chore=chore.name, exc_info=error)


async def _repeat(house: House, chore: Chore) -> None:
    while True:
        await asyncio.sleep(chore.every_seconds)
        await do(house, chore)
