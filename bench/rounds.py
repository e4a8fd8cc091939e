"""Interleaved rounds: each contender in turn does the same number of requests of a work."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from msgspec import Struct, json, structs

from bench import meter
from bench.load import Plan
from bench.processes import Load, WrongAnswer
from bench.works import BATCH, RETRIEVE, Client, Work, batch

CONCURRENCY = RETRIEVE.concurrency
_WARM_UP = 320  # Ten times each connection: five until PostgreSQL keeps a plan.


class Contender(Struct, kw_only=True):
    """Who is measured."""

    name: str
    size: int
    pid: int
    client: Client


class Figures(Struct, kw_only=True):
    """One object of build/bench.json; the ratio is of the process's CPU to the yardstick's."""

    work: str
    contender: str
    organizations: int
    requests_per_second: float
    cpu_us_service: float
    cpu_us_database: float
    p50_ms: float
    p99_ms: float
    ratio: float = 1.0
    failure: str | None = None
    """Why there are no figures."""


_NUMBERS = [name for name, kind in Figures.__annotations__.items() if kind is float]


class Bench(Struct):
    """What every measurement needs."""

    load: Load
    postmaster: int
    rounds: int
    share: float
    tick: Callable[[str], None]

    def count_of(self, work: Work) -> int:
        """Return how many requests a round has."""
        return max(int(work.count * self.share), work.concurrency)


async def measure(bench: Bench, work: Work, contenders: Sequence[Contender]) -> list[Figures]:
    """Return the medians of each contender.

    Ratios are to the first one in the same round: what else the machine does then hits both.
    """
    shapes = [await _warm_up(bench, work, each) for each in contenders]
    runs: list[list[Figures]] = [[] for _ in contenders]
    for _ in range(bench.rounds):
        for contender, shape, done in zip(contenders, shapes, runs, strict=True):
            bench.tick(f"{work.name}: {contender.name} with {contender.size:,}")
            plan = _plan(work, contender, bench.count_of(work))
            if isinstance(shape, WrongAnswer):
                done.append(_failed(work.name, contender, str(shape)))
            else:
                done.append(await _run(bench, work.name, contender, plan))
    for done, shape in zip(runs, shapes, strict=True):
        if done[0].failure is None and shape != shapes[0]:
            done[0].failure = f"it answers {shape} and not {shapes[0]}"
    _compare(runs)
    return [median_of(done) for done in runs]


async def measure_bulk(
    bench: Bench, contenders: Sequence[Contender], batches: int
) -> list[list[Figures]]:
    """Create a thousand organizations with keys per request, one after another; return each run."""
    runs: list[list[Figures]] = [[] for _ in contenders]
    for _ in range(batches):
        for contender, done in zip(contenders, runs, strict=True):
            bench.tick(f"bulk: {contender.name}")
            plan = Plan(contender.client.port, [batch(contender.client)], 1, 1)
            done.append(await _run(bench, "bulk of 1,000 with keys", contender, plan))
    _compare(runs)
    return runs


def median_of(runs: Sequence[Figures]) -> Figures:
    """Return the median of each number."""
    numbers = {name: median(getattr(run, name) for run in runs) for name in _NUMBERS}
    return structs.replace(runs[0], **numbers)


def _plan(work: Work, contender: Contender, count: int) -> Plan:
    client = contender.client
    return Plan(client.port, work.requests(client), count, work.concurrency, work.calls)


def _compare(runs: Sequence[Sequence[Figures]]) -> None:
    for done in runs:
        for one, base in zip(done, runs[0], strict=True):
            one.ratio = one.cpu_us_service / (base.cpu_us_service or 1)


async def _run(bench: Bench, work: str, contender: Contender, plan: Plan) -> Figures:
    service = meter.cpu_seconds(contender.pid)
    database = meter.tree_cpu_seconds(bench.postmaster)
    outcome = await bench.load.run(plan)
    service = meter.cpu_seconds(contender.pid) - service
    database = meter.tree_cpu_seconds(bench.postmaster) - database
    if "created" in (answer := json.decode(outcome.sample)) and answer["created"] != BATCH:
        raise WrongAnswer(f"{contender.name} created {answer['created']} of {BATCH}")
    return Figures(
        work=work,
        contender=contender.name,
        organizations=contender.size,
        requests_per_second=plan.count / outcome.seconds,
        cpu_us_service=service / plan.count * 1e6,
        cpu_us_database=database / plan.count * 1e6,
        p50_ms=outcome.p50_ms,
        p99_ms=outcome.p99_ms,
    )


async def _warm_up(bench: Bench, work: Work, contender: Contender) -> object:
    """Return the shape of a right answer, or why there is none."""
    plan = _plan(work, contender, _WARM_UP)
    try:
        sample = json.decode((await bench.load.run(plan)).sample)
    except WrongAnswer as failure:
        return failure
    if not work.is_right(sample):
        return WrongAnswer(f"{contender.name} answered {str(sample)[:500]}")
    return _shape(sample)


def _shape(answer: Any) -> object:  # noqa: ANN401 - JSON
    """Return the names in an answer, without its values."""
    if isinstance(answer, dict):
        return {name: _shape(value) for name, value in sorted(answer.items())}
    if isinstance(answer, list):
        return [_shape(answer[0])] if answer else []
    return None


def _failed(work: str, contender: Contender, why: str) -> Figures:
    none = dict.fromkeys(_NUMBERS, 0.0)
    return Figures(
        work=work, contender=contender.name, organizations=contender.size, failure=why, **none
    )
