"""`make proof`: run every proof at the large amounts, and write down what came out.

A proof is a file of tests that calls `record_figure`. What it promises is read from these calls: a
promise of which no figure comes fails the proof, whoever added it. `--small` tries all of it at the
amounts of `make test`, and leaves the page in `build/`.
"""

import ast
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "docs" / "proof"
SIDE_BY_SIDE = 2
"""Proofs at once, each with a database of its own."""
EVERY_SECONDS = 60
Figure = dict[str, Any]


@dataclass
class Job:
    """One file of tests, or one share of it, in a process of its own."""

    path: Path
    share: str
    seconds: float = 0
    code: int | None = None
    output: str = ""

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(ROOT)} {'' if self.share == '1/1' else self.share}".strip()


@dataclass
class Proof:
    """All jobs, and where their figures go."""

    jobs: list[Job]
    lines: Path
    is_small: bool = False
    started: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        waiting = deque(self.jobs)

        async def work() -> None:
            while waiting:
                await self._run(waiting.popleft())

        say(f"{len(self.jobs)} jobs, {SIDE_BY_SIDE} at a time")
        await asyncio.gather(*(work() for _ in range(SIDE_BY_SIDE)))

    async def _run(self, job: Job) -> None:
        began = time.monotonic()
        ticking = asyncio.create_task(self._tick(job))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "pytest", "-q", "--tb=short", str(job.path)),
            cwd=ROOT,
            env=os.environ | self._environment(job),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        ticking.cancel()
        job.seconds, job.code = time.monotonic() - began, process.returncode
        job.output = out.decode("utf-8", "replace")
        say(f"{'done  ' if job.code == 0 else 'FAILED'} {job.name}, {job.seconds:.0f} s")
        if job.code:
            print(job.output[-4000:], flush=True)

    def _environment(self, job: Job) -> dict[str, str]:
        return {
            "TILLKEEPER_PROOF": "" if self.is_small else "1",
            "TILLKEEPER_PROOF_REPORT": str(self.lines),
            "TILLKEEPER_PROOF_SHARE": job.share,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }

    async def _tick(self, job: Job) -> None:
        say(f"begins {job.name}")
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            say(f"  goes on: {job.name}, {self.seconds():.0f} s in all")

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def recorded(self) -> list[Figure]:
        text = self.lines.read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def find_jobs(paths: list[Path]) -> list[Job]:
    """Return the longest first: those that are split."""
    found = []
    for path in paths:
        of = SIDE_BY_SIDE if any(_calls_in(path, "share")) else 1
        found += [Job(path, f"{number}/{of}") for number in range(1, of + 1)]
    return sorted(found, key=lambda job: job.share.endswith("/1"))


def find_proofs() -> list[Path]:
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [path for path in tests if any(_calls_in(path, "record_figure"))]


def promises_of(paths: list[Path]) -> set[str]:
    """Return how each promise begins, as the calls of `record_figure` have it."""
    return {promise for path in paths for promise in _promises_in(path)}


def _promises_in(path: Path) -> Iterator[str]:
    for call in _calls_in(path, "record_figure"):
        promise = call.args[0]
        if isinstance(promise, ast.JoinedStr):
            promise = promise.values[0]
        assert isinstance(promise, ast.Constant), f"{path}: say what is promised"
        yield str(promise.value)


def _calls_in(path: Path, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
            yield node


def faults_of(proof: Proof, promises: set[str]) -> list[str]:
    """Return why this is no proof: failed jobs, failures, promises without a figure."""
    figures = [line for line in proof.recorded() if "promise" in line]
    found = [f"{job.name} failed" for job in proof.jobs if job.code != 0]
    found += [f"{f['promise']}: {f['failures']} failures" for f in figures if f["failures"]]
    kept = [figure["promise"] for figure in figures]
    found += [
        f"{promise}: no figure"
        for promise in sorted(promises)
        if not any(each.startswith(promise) for each in kept)
    ]
    return found


def write_report(proof: Proof, faults: list[str]) -> Path:
    """Write the page of today; a second run on the same day replaces it."""
    directory = ROOT / "build" if proof.is_small else REPORTS
    path = directory / f"{datetime.now(UTC):%Y-%m-%d}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_page(proof, faults)) + "\n", encoding="utf-8")
    return path


def _page(proof: Proof, faults: list[str]) -> Iterator[str]:
    recorded = proof.recorded()
    versions = sorted({line["postgresql"] for line in recorded if "postgresql" in line})
    yield f"# Proof of {datetime.now(UTC):%Y-%m-%d}"
    yield ""
    yield "What was tried, and how often it failed. " + ("Small amounts." if proof.is_small else "")
    yield ""
    yield f"* Commit: {_commit()}"
    python = sys.version.split()[0]
    yield f"* Machine: {_machine()}; PostgreSQL {', '.join(versions)}; Python {python}"
    yield f"* Command: `make proof`, {proof.seconds() / 60:.0f} minutes, {SIDE_BY_SIDE} at a time"
    yield f"* Result: {'**proven**, 0 failures' if not faults else '**not proven**'}"
    for fault in faults:
        yield f"  * {fault}"
    yield ""
    yield "| Promise | Figure | Failures |"
    yield "|---|---|---|"
    for line in sorted((each for each in recorded if "promise" in each), key=_by_promise):
        figure = str(line["figure"]).replace("|", "\\|")
        yield f"| {line['promise']} | {figure} | {line['failures']} |"


def _by_promise(line: Figure) -> tuple[str, str]:
    return line["promise"], line["figure"]


def _commit() -> str:
    git = ("git", "-C", str(ROOT))
    asked = (*git, "rev-parse", "HEAD"), (*git, "status", "--porcelain", "--untracked-files=no")
    head, changed = (subprocess.run(each, capture_output=True, text=True, check=True).stdout  # noqa: S603
                     for each in asked)  # fmt: skip
    return f"`{head.strip()}`" + (", with changes" if changed.strip() else "")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()}"


def main() -> int:
    proofs = find_proofs()
    with tempfile.TemporaryDirectory() as directory:
        lines = Path(directory) / "figures.jsonl"
        lines.touch()
        proof = Proof(find_jobs(proofs), lines, "--small" in sys.argv[1:])
        asyncio.run(proof.run())
        faults = faults_of(proof, promises_of([*proofs, ROOT / "tests" / "room.py"]))
        path = write_report(proof, faults)
    print(path.read_text("utf-8"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
