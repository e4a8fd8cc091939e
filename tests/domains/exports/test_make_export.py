"""The work of an export survives whoever does it, ends when nobody wants it, and stays small."""

import asyncio
import resource
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tillkeeper.access.operation import House
from tillkeeper.core.env import Env
from tillkeeper.domains.exports.jobs import EXPORT, give_up, make_export, tidy_exports
from tillkeeper.domains.jobs.actions import Kind, Subject
from tillkeeper.files import Files
from tillkeeper.surfaces.cli.tse_tar import members_of
from tillkeeper.surfaces.worker.jobs import Pace, doing_jobs
from tills import Till
from world import Connection, Json, World, said

QUICK = Pace(poll_seconds=0.1, silence_seconds=1.0)


@pytest.fixture
async def till(world: World) -> Till:
    opened = await Till(world.shop_live).open()
    await opened.sell()
    return opened


@pytest.fixture
async def storing(house: House, owner: Connection, tmp_path: Path) -> House:
    """A house that keeps its files where the test can look at them, and has nothing else to do.

    What other tests have asked for waits for ever, because no worker runs beside them.
    """
    await owner.execute("DELETE FROM jobs.pgqueuer")
    return replace(house, files=Files.at(tmp_path))


class Stuck(Files):
    """A store that takes the first chunk of a file, and then nothing more until it is told."""

    def __init__(self, files: Files) -> None:
        super().__init__(lambda: files._store)  # noqa: SLF001 - the same files
        self.reached, self.told = asyncio.Event(), asyncio.Event()

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        await super().write(path, self._slowly(chunks))

    async def _slowly(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        async for chunk in chunks:
            self.reached.set()
            await self.told.wait()
            yield chunk


async def trigger(till: Till) -> tuple[str, UUID]:
    export_id = uuid4()
    await till.send("PUT", f"/export/{export_id}", {})
    return f"/export/{export_id}", export_id


def subject_of(world: World, till: Till, export_id: UUID) -> Subject:
    return Subject(world.shop, Env.LIVE, (till.tss_id, export_id))


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def until(till: Till, path: str, state: str) -> Json:
    """Ask as clients do, until an export is in this state."""
    async with asyncio.timeout(60):
        while True:
            export: Json = await till.send("GET", path)
            if export["state"] == state:
                return export


async def test_a_killed_worker_is_followed_by_another(
    storing: House, till: Till, owner: Connection, tmp_path: Path
) -> None:
    stuck = Stuck(storing.files)
    path, _ = await trigger(till)
    async with doing_jobs(replace(storing, files=stuck), [EXPORT], QUICK):
        await stuck.reached.wait()
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query ILIKE '%pgqueuer%' AND pid <> pg_backend_pid()"
        )
    # It has ended without a word: what it had taken is still marked as its own.
    async with doing_jobs(storing, [EXPORT], QUICK):
        export = await until(till, path, "COMPLETED")
    assert export["time_end"] >= export["time_start"]
    assert len(files_in(tmp_path)) == 1


async def test_who_was_thought_dead_does_not_finish_for_the_one_that_followed(
    world: World, storing: House, till: Till, tmp_path: Path
) -> None:
    """The fence in `complete_export`: without it both complete, and the slower one's file stays."""
    stuck = Stuck(storing.files)
    path, export_id = await trigger(till)
    subject = subject_of(world, till, export_id)
    slow = asyncio.create_task(make_export(replace(storing, files=stuck), subject))
    await stuck.reached.wait()
    await make_export(storing, subject)
    stuck.told.set()
    await slow
    assert (await till.send("GET", path))["state"] == "COMPLETED"
    assert [file.name for file in files_in(tmp_path)] == [f"{export_id}-2.tar"]
    assert (await world.trail(world.shop)).count("export.completed") == 1


async def test_a_cancelled_export_ends_and_leaves_no_file(
    world: World, storing: House, till: Till, tmp_path: Path
) -> None:
    stuck = Stuck(storing.files)
    path, export_id = await trigger(till)
    work = asyncio.create_task(
        make_export(replace(storing, files=stuck), subject_of(world, till, export_id))
    )
    await stuck.reached.wait()
    assert (await till.send("DELETE", path))["state"] == "CANCELLED"
    stuck.told.set()
    await work
    assert (await till.send("GET", path))["state"] == "CANCELLED"
    assert files_in(tmp_path) == []
    assert said(await till.http.delete(f"{till.path}{path}")) == (400, "E_CANCEL_EXPORT")


async def test_one_cancelled_before_anybody_began_is_never_made(
    world: World, storing: House, till: Till, tmp_path: Path
) -> None:
    path, export_id = await trigger(till)
    await till.send("DELETE", path)
    await make_export(storing, subject_of(world, till, export_id))
    assert (await till.send("GET", path))["state"] == "CANCELLED"
    assert files_in(tmp_path) == []


async def test_a_store_that_is_away_is_tried_again_and_at_last_told(
    storing: House, till: Till
) -> None:
    class Away(Files):
        async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
            raise LookupError(path, chunks)

    path, _ = await trigger(till)
    kind = Kind(EXPORT.name, make_export, give_up, tries_at_most=2)
    async with doing_jobs(replace(storing, files=Away.in_memory()), [kind], QUICK):
        export = await until(till, path, "ERROR")
    assert export["exception"] == "E_INTERNAL"


async def test_a_file_goes_when_its_time_is_over(
    world: World, storing: House, till: Till, tmp_path: Path
) -> None:
    path, export_id = await trigger(till)
    await make_export(storing, subject_of(world, till, export_id))
    export = await till.send("GET", path)
    await tidy_exports(storing, now=export["time_expiration"] - 1)
    assert len(files_in(tmp_path)) == 1
    await asyncio.gather(*(tidy_exports(storing, now=export["time_expiration"]) for _ in range(3)))
    assert files_in(tmp_path) == []
    answer = await till.http.get(f"{till.path}{path}/file")
    assert said(answer) == (404, "E_EXPORT_NOT_COMPLETED")
    assert answer.headers["retry-after"] == "60"
    assert (await till.send("GET", path))["state"] == "COMPLETED"
    assert (await world.trail(world.shop)).count("export.expired") == 1


async def test_an_export_that_takes_longer_than_a_day_is_ended(storing: House, till: Till) -> None:
    path, _ = await trigger(till)
    asked = (await till.send("GET", path))["time_request"]
    await tidy_exports(storing, now=asked + 86_399)
    assert (await till.send("GET", path))["state"] == "PENDING"
    await tidy_exports(storing, now=asked + 86_400)
    export = await till.send("GET", path)
    assert (export["state"], export["exception"]) == ("ERROR", "E_EXPORT_PROCESSING_TIMEOUT")


_MANY_TRANSACTIONS = """
INSERT INTO transactions SELECT (jsonb_populate_record(t, jsonb_build_object(
  'number', t.number + n, 'id', gen_random_uuid()))).*
FROM transactions t, generate_series(1, $2) n WHERE t.tss_id = $1
"""
_MANY_MESSAGES = """
INSERT INTO log_messages SELECT (jsonb_populate_record(m, jsonb_build_object(
  'counter', m.counter + 2 * n, 'transaction_number', m.transaction_number + n,
  'file_name', m.counter + 2 * n || '_' || m.file_name))).*
FROM log_messages m, generate_series(1, $2) n
WHERE m.tss_id = $1 AND m.transaction_number = 1
"""


@pytest.mark.timeout(300)
async def test_a_hundred_thousand_transactions_are_not_held_in_memory(
    world: World, storing: House, till: Till, owner: Connection, tmp_path: Path
) -> None:
    """Copies of one transaction: what they say does not matter here, how much they are does."""
    number = 100_000
    await owner.execute(_MANY_TRANSACTIONS, till.tss_id, number)
    await owner.execute(_MANY_MESSAGES, till.tss_id, number)
    await owner.execute(
        "UPDATE tss SET signature_counter = signature_counter + 2 * $2::bigint, "
        "transaction_counter = transaction_counter + $2::bigint WHERE id = $1",
        till.tss_id,
        number,
    )
    path, export_id = await trigger(till)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await make_export(storing, subject_of(world, till, export_id))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (await till.send("GET", path))["state"] == "COMPLETED"
    [file] = files_in(tmp_path)
    names = {member.name for member in members_of(file)}
    assert sum("_Log-Tra_" in name for name in names) == 2 * (number + 1)
    assert grown < 64 * 1024
