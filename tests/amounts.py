"""How much is tried: small in `make test`, large in `make proof`, and where the figures go."""

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Amounts:
    """One number for each thing that a test counts. What each costs stands beside the test."""

    row_decisions: int
    """T02: rows that the walls showed, hid, took or refused, each compared with the oracle."""
    foreign_calls: int
    """T04: random calls, most of them with ids of foreign worlds."""
    world_pairs: int
    """T06: call sequences played in two worlds that differ in what the actor may not see."""
    pair_calls: int
    """T06: calls in each of these sequences."""
    machine_runs: int
    """T08: runs of the state machine."""
    machine_steps: int
    """T08: steps in each run."""
    field_values: int
    """T10: odd values where a struct or parameter was tried with all of them on another route."""
    field_actors: int
    """T10: characters who try each field of each struct, beside the one who may."""
    token_mutations: int
    """T11: tokens and cursors that were changed and must open nothing."""
    revocations: int
    """T12: revocations under load."""
    race_attempts: int
    """T15: attempts at each guarded invariant."""
    policy_mutants: int
    """Changes to policy of which the battery must notice all."""
    explained_cases: int
    """The verdicts of `explain` that are compared with what is enforced."""
    cancellations: int
    """T33: requests of which half are broken off."""


SMALL = Amounts(
    row_decisions=20_000_000,
    foreign_calls=20_000,
    world_pairs=200,
    pair_calls=12,
    machine_runs=15,
    machine_steps=20,
    field_values=3,
    field_actors=1,
    token_mutations=2_000,
    revocations=100,
    race_attempts=40,
    policy_mutants=80,
    explained_cases=2_000,
    cancellations=1_000,
)
LARGE = Amounts(
    row_decisions=100_000_000,
    foreign_calls=1_000_000,
    world_pairs=10_000,
    pair_calls=12,
    machine_runs=400,
    machine_steps=40,
    field_values=1_000,
    field_actors=19,
    token_mutations=100_000,
    revocations=1_000,
    race_attempts=400,
    policy_mutants=10_000,
    explained_cases=100_000,
    cancellations=100_000,
)
AMOUNTS = LARGE if os.environ.get("TILLKEEPER_PROOF") else SMALL


def share(numbers: range) -> range:
    """Return this process's part of what is long enough to be done by several at once."""
    part, _, of = os.environ.get("TILLKEEPER_PROOF_SHARE", "1/1").partition("/")
    return numbers[int(part) - 1 :: int(of)]


def record_figure(promise: str, figure: str, failures: int) -> None:
    """Append a line to the proof's report, if one is being written."""
    _append({"promise": promise, "figure": figure, "failures": failures})


def record_database(version: str) -> None:
    """Tell the proof's report which PostgreSQL it was."""
    _append({"postgresql": version})


def _append(line: dict[str, object]) -> None:
    if report := os.environ.get("TILLKEEPER_PROOF_REPORT"):
        with Path(report).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
