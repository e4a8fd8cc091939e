"""What came out: tables beside the budget of the design, and build/bench.json."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import json
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.rounds import Figures, median_of
from bench.works import BATCH, SALES, WORKS

GROWTH_BUDGET, BULK_BUDGET, MEMORY_BUDGET = 1.15, 1500, 120
_OUTPUT = Path("build/bench.json")
_HEAD = ("requests/s", "CPU µs service", "CPU µs database", "p50 ms", "p99 ms")


def print_works(console: Console, results: Sequence[Sequence[Figures]]) -> None:
    """Print the yardstick and the service at its smallest size, work by work."""
    table = _table("Service against the bare application", "contender", *_HEAD, "ratio", "budget")
    for work, figures in zip(WORKS, results, strict=True):
        base, service = figures[:2]
        table.add_row(work.name, base.contender, *_numbers(base), "1.00", "")
        verdict = judge(service.ratio, work.budget)
        table.add_row("", "service", *_numbers(service), f"{service.ratio:.2f}", verdict)
        if work.p99_budget is not None:
            late = _ratio(service.p99_ms, base.p99_ms)
            table.add_row("", "its p99", *[""] * 5, f"{late:.2f}", judge(late, work.p99_budget))
        if work.p99_ms_budget is not None:
            verdict = judge(service.p99_ms, work.p99_ms_budget)
            table.add_row("", "its p99", *[""] * 4, f"{service.p99_ms:.1f}", "", verdict)
        table.add_section()
    console.print(table)


def print_growth(console: Console, results: Sequence[Sequence[Figures]]) -> None:
    """Print each work at every size: what service and database spend, against the smallest."""
    table = _table("Growth of the service", "organizations", *_HEAD, "service", "both", "budget")
    for work, figures in zip(WORKS, results, strict=True):
        sizes = figures[1:]
        for each in sizes if work.is_grown else ():
            first = sizes[0]
            own = _ratio(each.ratio, first.ratio)
            both = _ratio(_cost(each), _cost(first))
            verdict = judge(both, GROWTH_BUDGET) if each is not first else ""
            name = work.name if each is first else ""
            numbers = _numbers(each)
            table.add_row(
                name, f"{each.organizations:,}", *numbers, f"{own:.2f}", f"{both:.2f}", verdict
            )
        table.add_section()
    console.print(table)


def print_depth(console: Console, results: Sequence[Sequence[Figures]]) -> None:
    """Print what a page in the middle costs against the first one."""
    by_name = {work.name: figures for work, figures in zip(WORKS, results, strict=True)}
    first, deep = by_name["list of 100, page 1"], by_name["list of 100, page in the middle"]
    for one, other in list(zip(first, deep, strict=True))[1:]:
        ratio = _ratio(_cost(other), _cost(one))
        console.print(
            f"Page in the middle of {one.organizations:,}: {ratio:.2f} x page 1, "
            f"service and database together; {judge(ratio, GROWTH_BUDGET)}"
        )


def print_sales(console: Console, results: Sequence[Sequence[Figures]]) -> None:
    """Print how many transactions, of two signed calls each, a second of CPU finishes."""
    for work, figures in zip(WORKS, results, strict=True):
        if work not in SALES:
            continue
        rates = [f"{each.contender} {1e6 / _cost(each):,.0f}" for each in figures if _cost(each)]
        console.print(f"{work.name}, per CPU-second of service and database: {', '.join(rates)}")


def print_bulk(console: Console, runs: Sequence[Sequence[Figures]]) -> None:
    """Print how many organizations a second of CPU makes, and whether that stays."""
    for contender in runs:
        rates = [BATCH / _cost(each) * 1e6 for each in contender]
        whole = BATCH * len(rates) / sum(_cost(each) for each in contender) * 1e6
        own = sum(each.cpu_us_service for each in contender) / len(rates) / BATCH
        seconds = sum(1 / each.requests_per_second for each in contender)
        verdict = "met" if whole >= BULK_BUDGET else f"missed by {1 - whole / BULK_BUDGET:.1%}"
        console.print(
            f"Bulk of {BATCH * len(rates):,} with keys, {contender[0].contender}: {seconds:.1f} s, "
            f"{whole:,.0f} organizations per CPU-second ({own:.0f} µs each in the process), "
            f"first {rates[0]:,.0f}, last {rates[-1]:,.0f}; budget {BULK_BUDGET:,}: {verdict}"
        )


def print_memory(console: Console, before: float, after: float, requests: int) -> None:
    """Print what the service holds, and what so many more requests added."""
    grown = f", {after - before:+.1f} in the last {requests:,} requests" if requests else ""
    verdict = "met" if after <= MEMORY_BUDGET else f"missed by {after - MEMORY_BUDGET:.0f} MiB"
    console.print(f"Memory: {after:.1f} MiB{grown}; budget {MEMORY_BUDGET} MiB: {verdict}")


def print_failures(console: Console, results: Sequence[Sequence[Figures]]) -> bool:
    """Print what went wrong; tell whether something did."""
    failed = [each for figures in results for each in figures if each.failure is not None]
    for each in failed:
        where = f"{each.work}, {each.contender} with {each.organizations:,}"
        console.print(f"[red]Failed[/red] {where}: {escape(each.failure or '')}")
    return bool(failed)


def write(results: Sequence[Sequence[Figures]], bulk: Sequence[Sequence[Figures]]) -> Path:
    """Write every figure; a batch of the bulk is a request."""
    _OUTPUT.parent.mkdir(exist_ok=True)
    rows = [each for figures in results for each in figures]
    rows += [median_of(runs) for runs in bulk]
    _OUTPUT.write_bytes(json.format(json.encode(rows), indent=2))
    return _OUTPUT


def judge(ratio: float, budget: float) -> str:
    """Say whether a budget is met, or by how much it is missed; 0 stands for no answer."""
    if not ratio:
        return "[red]failed[/red]"
    if ratio <= budget:
        return f"[green]{budget:.2f} met[/green]"
    return f"[red]{budget:.2f} missed by {ratio / budget - 1:.1%}[/red]"


def _ratio(number: float, to: float) -> float:
    return number / to if to else 0.0


def _cost(figures: Figures) -> float:
    return figures.cpu_us_service + figures.cpu_us_database


def _numbers(figures: Figures) -> list[str]:
    if figures.failure is not None:
        return ["[red]failed[/red]", *[""] * 4]
    return [
        f"{figures.requests_per_second:,.0f}",
        f"{figures.cpu_us_service:,.0f}",
        f"{figures.cpu_us_database:,.0f}",
        f"{figures.p50_ms:.1f}",
        f"{figures.p99_ms:.1f}",
    ]


def _table(title: str, *columns: str) -> Table:
    table = Table("work", title=title, title_justify="left")
    for column in columns:
        is_text = column in ("contender", "budget")
        table.add_column(column, justify="left" if is_text else "right")
    return table
