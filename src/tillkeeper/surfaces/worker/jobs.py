"""Jobs in the background of a service: taken from the queue, done once, begun again if need be."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager

from tillkeeper.access.operation import House
from tillkeeper.db.pool import Tx
from tillkeeper.domains.jobs.actions import Kind, read_subject
from tillkeeper.domains.jobs.queries import queries_on
from tillkeeper.logs import log

_RECONNECT_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon the queue is looked at without a notice, and a silent worker's job taken over."""

    poll_seconds: float = 5.0
    silence_seconds: float = 30.0


@contextlib.asynccontextmanager
async def doing_jobs(
    house: House, kinds: Sequence[Kind], pace: Pace | None = None
) -> AsyncGenerator[None]:
    """Do jobs while the caller serves; on the way out give back what is not finished."""
    stopping = asyncio.Event()
    task = asyncio.create_task(_do_for_ever(house, kinds, pace or Pace(), stopping))
    try:
        yield
    finally:
        stopping.set()
        await task


async def _do_for_ever(
    house: House, kinds: Sequence[Kind], pace: Pace, stopping: asyncio.Event
) -> None:
    """Hold a connection of its own to the queue; when it breaks, open another."""
    while not stopping.is_set():
        try:
            async with house.db.dedicate() as connection:
                await _do_until_it_breaks(house, kinds, pace, connection, stopping)
        except Exception as error:  # noqa: BLE001 - the worker's loop: it goes on without this one
            log.warning("jobs.interrupted", reason=type(error).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _RECONNECT_SECONDS)


async def _do_until_it_breaks(
    house: House, kinds: Sequence[Kind], pace: Pace, connection: Tx, stopping: asyncio.Event
) -> None:
    manager = QueueManager(queries_on(connection))
    ending = asyncio.Event()
    connection.add_termination_listener(lambda _: ending.set())
    for kind in kinds:
        manager.entrypoint(kind.name, concurrency_limit=kind.at_once)(_doing(house, kind, ending))
    running = asyncio.create_task(
        manager.run(
            dequeue_timeout=timedelta(seconds=pace.poll_seconds),
            heartbeat_timeout=timedelta(seconds=pace.silence_seconds),
            shutdown_on_listener_failure=True,
        )
    )
    waiting = [asyncio.create_task(event.wait()) for event in (stopping, ending)]
    await asyncio.wait([running, *waiting], return_when=asyncio.FIRST_COMPLETED)
    ending.set()
    manager.shutdown.set()
    for task in waiting:
        task.cancel()
    await running


def _doing(house: House, kind: Kind, ending: asyncio.Event) -> Callable[[Job], Awaitable[None]]:
    """Return what the queue calls for a job of this kind.

    When the service stops, or loses the queue, the work is broken off and the job given back: work
    that may be begun again costs less than a service that does not stop.
    """

    async def do(job: Job) -> None:
        subject = read_subject(job.payload)
        work = asyncio.ensure_future(kind.work(house, subject))
        end = asyncio.create_task(ending.wait())
        await asyncio.wait([work, end], return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait([work])
            raise RetryRequested(reason="the service stops")
        error = work.exception()
        if error is None:
            return
        said = {
            "kind": kind.name,
            "about": [str(each) for each in subject.about],
            "attempt": job.attempts + 1,
        }
        if job.attempts + 1 >= kind.tries_at_most:
            log.error("job.given_up", **said, exc_info=error)
            await kind.give_up(house, subject)
            return
        log.warning("job.failed", **said, reason=type(error).__name__)
        raise RetryRequested(_pause(job.attempts), reason=type(error).__name__)

    return do


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=min(2**attempts, _LONGEST_PAUSE_SECONDS))
