"""Jobs are put in by the transaction that wants them, and done once by whoever is there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.domains.jobs.actions import Kind, Subject, enqueue
from tillkeeper.surfaces.worker.jobs import Pace, doing_jobs
from world import Connection, World

QUICK = Pace(poll_seconds=0.2, silence_seconds=1.0)


@dataclass
class Bench:
    """A kind of job of the test's own, and what became of its jobs."""

    work: Callable[[House, Subject], Awaitable[None]] | None = None
    name: str = field(default_factory=lambda: f"test {uuid4()}")
    begun: list[UUID] = field(default_factory=list)
    done: list[UUID] = field(default_factory=list)
    given_up: list[UUID] = field(default_factory=list)
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def kind(self) -> Kind:
        return Kind(self.name, self._do, self._give_up, at_once=0, tries_at_most=2)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self.moved:
            await self.moved.wait_for(is_so)

    async def _note(self, where: list[UUID], about: UUID) -> None:
        async with self.moved:
            where.append(about)
            self.moved.notify_all()

    async def _do(self, house: House, subject: Subject) -> None:
        await self._note(self.begun, subject.about[0])
        if self.work is not None:
            await self.work(house, subject)
        await self._note(self.done, subject.about[0])

    async def _give_up(self, _: House, subject: Subject) -> None:
        await self._note(self.given_up, subject.about[0])


async def put_in(world: World, bench: Bench, about: UUID, *, then: str = "commit") -> None:
    async with do_chore(world.house, world.vendor, Env.TEST) as op:
        grant = await require(op, Right.ORGANIZATION_READ, world.vendor)
        await enqueue(grant, bench.name, about)
        if then != "commit":
            raise LookupError(then)


async def test_a_job_is_done_once_by_one_of_several_workers(world: World) -> None:
    bench, jobs = Bench(), [uuid4() for _ in range(30)]
    async with (
        doing_jobs(world.house, [bench.kind], QUICK),
        doing_jobs(world.house, [bench.kind], QUICK),
    ):
        for job in jobs:
            await put_in(world, bench, job)
        await bench.until(lambda: len(bench.done) >= len(jobs))
    assert sorted(bench.begun) == sorted(bench.done) == sorted(jobs)


async def test_a_transaction_that_rolls_back_wanted_nothing(world: World) -> None:
    bench, wanted, unwanted = Bench(), uuid4(), uuid4()
    with pytest.raises(LookupError):
        await put_in(world, bench, unwanted, then="roll back")
    async with doing_jobs(world.house, [bench.kind], QUICK):
        await put_in(world, bench, wanted)
        await bench.until(lambda: bool(bench.done))
    assert bench.begun == [wanted]


async def test_what_waits_already_is_not_put_in_again(world: World, owner: Connection) -> None:
    bench, job = Bench(), uuid4()
    await put_in(world, bench, job)
    await put_in(world, bench, job)
    count = "SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = $1"
    assert await owner.fetchval(count, bench.name) == 1


async def test_a_failure_is_tried_again_and_in_the_end_given_up(
    world: World, owner: Connection
) -> None:
    async def fail(_: House, __: Subject) -> None:
        raise LookupError("a secret that no table keeps")

    bench, job = Bench(fail), uuid4()
    async with doing_jobs(world.house, [bench.kind], QUICK):
        await put_in(world, bench, job)
        await bench.until(lambda: bool(bench.given_up))
    assert (bench.begun, bench.done) == ([job, job], [])
    left = "SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = $1"
    assert await owner.fetchval(left, bench.name) == 0
    noted = "SELECT string_agg(traceback::text, '') FROM jobs.pgqueuer_log WHERE entrypoint = $1"
    found = await owner.fetchval(noted, bench.name)
    assert "LookupError" in found
    assert "a secret" not in found


async def test_a_service_that_stops_gives_back_what_it_has_not_finished(world: World) -> None:
    async def last(_: House, __: Subject) -> None:
        await asyncio.Event().wait()

    stuck, job = Bench(last), uuid4()
    async with doing_jobs(world.house, [stuck.kind], QUICK):
        await put_in(world, stuck, job)
        await stuck.until(lambda: bool(stuck.begun))
    other = Bench(name=stuck.name)
    async with doing_jobs(world.house, [other.kind], QUICK):
        await other.until(lambda: bool(other.done))
    assert (stuck.done, other.done) == ([], [job])


async def test_a_worker_that_loses_its_connection_comes_back(
    world: World, owner: Connection
) -> None:
    async def wait_at_first(_: House, subject: Subject) -> None:
        if bench.begun.count(subject.about[0]) == 1:
            await asyncio.Event().wait()

    bench, job = Bench(wait_at_first), uuid4()
    async with doing_jobs(world.house, [bench.kind], QUICK):
        await put_in(world, bench, job)
        await bench.until(lambda: bool(bench.begun))
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query ILIKE '%pgqueuer%' "
            "AND pid <> pg_backend_pid()"
        )
        await bench.until(lambda: bool(bench.done))
    assert bench.done == [job]
