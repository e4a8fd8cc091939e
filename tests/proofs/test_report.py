"""The proof itself: what is missing or has failed is never written down as proven."""

import json
from pathlib import Path

import pytest

from proofs.__main__ import (
    Job,
    Proof,
    faults_of,
    find_jobs,
    find_proofs,
    promises_of,
    write_report,
)

HERE = Path(__file__)
KEPT = {"promise": "Kept: always", "figure": "9 of 9", "failures": 0}


def proof_of(tmp_path: Path, *lines: dict[str, object], code: int = 0) -> Proof:
    file = tmp_path / "figures.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return Proof([Job(HERE, "1/1", code=code)], file)


def test_a_figure_for_every_promise_and_no_failure_is_a_proof(tmp_path: Path) -> None:
    assert faults_of(proof_of(tmp_path, KEPT, {"postgresql": "18"}), {"Kept: "}) == []


def test_a_promise_without_a_figure_is_none(tmp_path: Path) -> None:
    assert faults_of(proof_of(tmp_path, KEPT), {"Kept: ", "Other"}) == ["Other: no figure"]


def test_a_failure_or_a_failed_job_is_none(tmp_path: Path) -> None:
    failing = KEPT | {"failures": 2}
    assert faults_of(proof_of(tmp_path, failing), {"Kept"}) == ["Kept: always: 2 failures"]
    name = str(HERE.relative_to(HERE.parents[2]))
    assert faults_of(proof_of(tmp_path, KEPT, code=1), {"Kept"}) == [f"{name} failed"]


def test_what_is_promised_is_read_from_the_tests(tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text('record_figure("One", "", 0)\nrecord_figure(f"Two: {x}", "", 0)', "utf-8")
    assert promises_of([test]) == {"One", "Two: "}
    assert len(promises_of(find_proofs())) >= 7


def test_what_takes_long_is_shared(tmp_path: Path) -> None:
    long, short = tmp_path / "test_long.py", tmp_path / "test_short.py"
    long.write_text("share(range(9))", "utf-8")
    short.write_text("", "utf-8")
    shares = [(job.path.name, job.share) for job in find_jobs([short, long])]
    assert shares == [("test_long.py", "1/2"), ("test_long.py", "2/2"), ("test_short.py", "1/1")]


def test_the_page_says_what_was_not_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proofs.__main__.REPORTS", tmp_path)
    proof = proof_of(tmp_path, KEPT, {"postgresql": "18.1"})
    page = write_report(proof, ["Other: no figure"]).read_text("utf-8")
    assert "| Kept: always | 9 of 9 | 0 |" in page
    assert "**not proven**" in page
    assert "PostgreSQL 18.1" in page
    assert "**proven**, 0 failures" in write_report(proof, []).read_text("utf-8")
