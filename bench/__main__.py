"""`python -m bench`: the service against a bare application, in one run on one machine."""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack

from msgspec import Struct, structs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import meter, report
from bench.databases import Estate, make_baseline_estate, make_service_estate, postgres
from bench.load import Plan
from bench.processes import Load, ask, introduce, start
from bench.rounds import CONCURRENCY, Bench, Contender, Figures, measure, measure_bulk
from bench.tills import open_tills, write_tills
from bench.works import RETRIEVE, WORKS, Client, Work

_SMALL = 1000
_MORE = 100_000


class Extent(Struct, frozen=True):
    """How much is measured."""

    sizes: tuple[int, ...] = (_SMALL, 100_000)
    rounds: int = 5
    share: float = 1.0
    batches: int = 10
    more_requests: int = 0


_EXTENTS = {
    "default": Extent(),
    "quick": Extent(rounds=3, share=0.25, batches=2),
    "full": Extent(sizes=(_SMALL, 100_000, 1_000_000), more_requests=_MORE),
}


class Results(Struct, kw_only=True):
    """Everything that was measured."""

    works: list[list[Figures]]
    bulk: list[list[Figures]]
    memory_before: float
    memory_after: float


async def bench_all(extent: Extent, console: Console) -> Results:
    """Set everything up, measure it, and leave nothing behind."""
    async with AsyncExitStack() as stack:
        say = stack.enter_context(console.status("starting PostgreSQL")).update
        server = await stack.enter_async_context(postgres())
        load = Load(await stack.enter_async_context(start("bench.load")))
        estates = []
        say(f"filling the baseline with {_SMALL:,} organizations")
        estates.append(await make_baseline_estate(server, _SMALL))
        for size in extent.sizes:
            say(f"filling a service with {size:,} organizations")
            estates.append(await make_service_estate(server, size))
        say("logging in, and paging to the middle of each list")
        contenders = [await _enter(stack, load, each) for each in estates]
        say("opening tills")
        await open_tills(load, contenders[1].client)
        prototype = await _enter_prototype(stack, estates[0], contenders[0].client)
        say("measuring")
        steps = sum(len(_of(work, contenders)) for work in WORKS) * extent.rounds
        steps += 2 * extent.batches
        progress = stack.enter_context(_progress(console))
        task = progress.add_task("", total=steps)

        def tick(doing: str) -> None:
            progress.update(task, advance=1, description=doing)

        bench = Bench(load, server.pid or 0, extent.rounds, extent.share, tick)
        return await _measure_all(bench, contenders, prototype, extent)


async def _enter(stack: AsyncExitStack, load: Load, estate: Estate) -> Contender:
    process = await stack.enter_async_context(start("bench.contender"))
    client = await introduce(load, process, estate)
    return Contender(name=estate.job.kind, size=estate.size, pid=process.pid, client=client)


async def _enter_prototype(stack: AsyncExitStack, estate: Estate, client: Client) -> Contender:
    """Serve the yardstick of signing on the other one's database, whose tokens it takes."""
    own = structs.replace(client, tills=[], crowd=[])
    await write_tills(estate.job.url, own)
    process = await stack.enter_async_context(start("bench.contender"))
    own.port = int(await ask(process, structs.replace(estate.job, kind="prototype")))
    for till in (*own.tills, *own.crowd):
        till.client.port = own.port
    return Contender(name="prototype", size=estate.size, pid=process.pid, client=own)


def _of(work: Work, contenders: list[Contender]) -> list[Contender]:
    """Return who does a work, the yardstick first."""
    return contenders if work.is_grown else contenders[:2]


async def _measure_all(
    bench: Bench, contenders: list[Contender], prototype: Contender, extent: Extent
) -> Results:
    pair = contenders[:2]
    fields = {"baseline": contenders, "prototype": [prototype, *contenders[1:]]}
    works = [await measure(bench, work, _of(work, fields[work.against])) for work in WORKS]
    bulk = await measure_bulk(bench, pair, extent.batches)
    service = contenders[1]
    before = meter.resident_mib(service.pid)
    if extent.more_requests:
        bench.tick(f"{extent.more_requests:,} more requests, for the memory")
        requests = RETRIEVE.requests(service.client)
        plan = Plan(service.client.port, requests, extent.more_requests, CONCURRENCY)
        await bench.load.run(plan)
    return Results(
        works=works,
        bulk=bulk,
        memory_before=before,
        memory_after=meter.resident_mib(service.pid),
    )


def _progress(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)


def main() -> None:
    """Measure, print the tables and write build/bench.json."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--quick", action="store_const", const="quick", dest="extent")
    choice.add_argument("--full", action="store_const", const="full", dest="extent")
    extent = _EXTENTS[parser.parse_args().extent or "default"]
    console = Console()
    results = asyncio.run(bench_all(extent, console))
    report.print_works(console, results.works)
    report.print_growth(console, results.works)
    report.print_depth(console, results.works)
    report.print_sales(console, results.works)
    report.print_bulk(console, results.bulk)
    report.print_memory(console, results.memory_before, results.memory_after, extent.more_requests)
    is_failed = report.print_failures(console, results.works)
    console.print(f"Written to {report.write(results.works, results.bulk)}")
    sys.exit(is_failed)


if __name__ == "__main__":
    main()
