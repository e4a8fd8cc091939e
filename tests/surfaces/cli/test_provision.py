"""Every customer becomes one organization with one known key, however often the run is killed."""

# ruff: noqa: ASYNC240 - the loop of a test has nothing else to do than wait for its file

import asyncio
import csv
import io
import json
import os
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from rich.console import Console

from tillkeeper.client import ApiProblem, Client
from tillkeeper.surfaces.cli import provision as provisioning
from tillkeeper.surfaces.cli.customers import CustomerRow, CustomersRefusal, Fault
from tillkeeper.surfaces.cli.key_file import COLUMNS, KeyFileRefusal
from tillkeeper.surfaces.cli.provision import Failure, Summary, provision

HOUSE = uuid4()
OWNER = {"created_by_user": str(uuid4())}
Json = dict[str, Any]


class FakeServer:
    """Keeps organizations by external_id, key names, and answers by Idempotency-Key."""

    def __init__(self) -> None:
        self.env = "TEST"
        self.organizations: dict[str, Json] = {}
        self.key_names: dict[str, list[str]] = {}
        self.answers: dict[tuple[str, str], Json] = {}
        self.asked: Counter[str] = Counter()
        self.refused: set[str] = set()
        self.is_secret_gone = False

    def client(self) -> Client:
        transport = httpx2.MockTransport(self.handle)
        return Client("http://fake", "key", "secret", transport=transport, retries=0)

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.answer(request)
        await asyncio.sleep(0)
        return answer

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/api/v0")
        self.asked[f"{request.method} {path.rpartition('/')[2]}"] += 1
        if path == "/auth":
            return httpx2.Response(200, json=self.session())
        if request.method == "GET":
            return self.find(request.url.params)
        claim = (path, request.headers["idempotency-key"])
        if claim in self.answers:
            gone = "E_IDEMPOTENCY_SECRET_GONE"
            return no(gone) if self.is_secret_gone else ok(self.answers[claim])
        body = json.loads(request.content)
        answer = self.make(body) if path.endswith("provision") else self.mint(path, body)
        if answer.is_success:
            self.answers[claim] = answer.json()
        return answer

    def session(self) -> Json:
        claims = {"env": self.env, "organization_id": str(HOUSE)}
        return {
            "access_token": "t",
            "access_token_claims": claims,
            "access_token_expires_in": 86_400,
        }

    def find(self, params: httpx2.QueryParams) -> httpx2.Response:
        assert params["managed_by_organization_id"] == str(HOUSE)
        found = self.organizations.get(params["external_id"])
        return ok({"data": [found] if found else [], "has_more": False})

    def make(self, body: Json) -> httpx2.Response:
        wanted = body["organization"]
        if wanted["external_id"] in self.refused:
            return no("E_ACCESS_DENIED", 403)
        if wanted["external_id"] in self.organizations:
            return no("E_EXTERNAL_ID_CONFLICT")
        made = {"_id": str(uuid4()), "_type": "MANAGED_ORGANIZATION", "_envs": ["TEST"]}
        made |= wanted | OWNER
        self.organizations[wanted["external_id"]] = made
        minted = self.mint(f"/organizations/{made['_id']}/api-keys", body["api_key"])
        return ok({"organization": made, "api_key": minted.json()})

    def mint(self, path: str, wanted: Json) -> httpx2.Response:
        names = self.key_names.setdefault(path.split("/")[2], [])
        if wanted["name"] in names:
            return no("E_API_KEY_CONFLICT")
        names.append(wanted["name"])
        key = {"_id": str(uuid4()), "_type": "API_KEY", "_envs": [self.env], "created_at": 1}
        shown = {"key": wanted["name"], "secret": str(uuid4()), "managed_by_organization_id": ""}
        return ok(key | shown | wanted | OWNER | {"metadata": {}})


def ok(body: Json) -> httpx2.Response:
    return httpx2.Response(200, json=body)


def no(code: str, status: int = 409) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code, "message": "No", "request_id": "r-1"})


def customers(number: int, key_name: str = "till-1") -> list[CustomerRow]:
    return [
        CustomerRow(2 + n, f"c-{n}", f"Shop {n}", "A 1", "1", "B", "DEU", key_name=key_name)
        for n in range(number)
    ]


async def run(server: FakeServer, rows: Sequence[CustomerRow], out: Path) -> Summary:
    async with server.client() as client:
        return await provision(client, rows, managed_by=HOUSE, concurrency=4, out=out)


def kept(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out.read_text())))


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "keys.csv"


async def test_every_customer_gets_an_organization_and_its_key_is_kept(
    server: FakeServer, out: Path
) -> None:
    summary = await run(server, customers(9), out)
    assert (summary.created, summary.failed, server.asked["POST auth"]) == (9, 0, 1)
    assert {row["external_id"] for row in kept(out)} == set(server.organizations)
    for row in kept(out):
        assert tuple(row) == COLUMNS
        assert UUID(row["organization_id"])
        assert row["api_secret"]
        assert (row["api_key"], row["env"]) == ("till-1", "TEST")


async def test_a_second_run_sends_nothing(server: FakeServer, out: Path) -> None:
    await run(server, customers(5), out)
    before = out.read_bytes()
    summary = await run(server, customers(5), out)
    assert (summary.skipped, summary.created) == (5, 0)
    assert server.asked["POST provision"] == 5
    assert out.read_bytes() == before


async def test_a_run_killed_in_the_middle_goes_on_without_a_double(
    server: FakeServer, out: Path
) -> None:
    def kill(done: int, _total: int) -> None:
        if done == 3:
            running.cancel()

    async with server.client() as client:
        running = asyncio.create_task(
            provision(
                client, customers(20), managed_by=HOUSE, concurrency=4, out=out, progress=kill
            )
        )
        with pytest.raises(asyncio.CancelledError):
            await running
    assert 3 <= len(kept(out)) <= len(server.organizations) < 20
    summary = await run(server, customers(20), out)
    assert (len(kept(out)), len(server.organizations), summary.recovered) == (20, 20, 0)
    assert all(names == ["till-1"] for names in server.key_names.values())


async def test_a_run_that_is_broken_off_lets_go_of_its_file_when_the_disk_has_the_line(
    server: FakeServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end, synced = threading.Event(), threading.Event(), list[int]()

    def sync(descriptor: int) -> None:
        begun.set()
        may_end.wait(10)
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", sync)
    running = asyncio.create_task(run(server, customers(1), out))
    await asyncio.to_thread(begun.wait, 10)
    running.cancel()
    for _ in range(50):
        await asyncio.sleep(0)
    assert not running.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert synced == [out.stat().st_ino]
    assert (await run(server, customers(1), out)).skipped == 1


async def test_an_answer_lost_on_the_way_is_asked_for_again(server: FakeServer, out: Path) -> None:
    await run(server, customers(3), out)
    out.unlink()
    summary = await run(server, customers(3), out)
    assert (summary.created, len(server.organizations)) == (3, 3)
    assert all(names == ["till-1"] for names in server.key_names.values())


@pytest.mark.parametrize("is_secret_gone", [True, False])
async def test_an_organization_of_an_earlier_run_gets_another_key(
    server: FakeServer, out: Path, *, is_secret_gone: bool
) -> None:
    for number in (2, 3):
        await run(server, customers(2), out)
        out.unlink()
        server.is_secret_gone = is_secret_gone
        if not is_secret_gone:
            server.answers.clear()
        summary = await run(server, customers(2), out)
        assert (summary.created, summary.recovered, summary.failed) == (0, 2, 0)
        names = {row["api_key"] for row in kept(out)}
        assert names == {f"till-1-{number}"} or number == 3
    assert len(server.organizations) == 2


async def test_another_key_of_a_long_name_still_fits(server: FakeServer, out: Path) -> None:
    rows = customers(1, key_name="k" * 30)
    await run(server, rows, out)
    out.unlink()
    server.answers.clear()
    await run(server, rows, out)
    assert kept(out)[0]["api_key"] == "k" * 28 + "-2"


async def test_a_conflict_with_what_cannot_be_seen_is_a_failure(
    server: FakeServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(server, customers(1), out)
    out.unlink()
    server.answers.clear()
    monkeypatch.setattr(server, "find", lambda _: ok({"data": []}))
    summary = await run(server, customers(1), out)
    assert "E_EXTERNAL_ID_CONFLICT" in summary.failures[0].sentence


async def test_failures_are_listed_by_line_and_the_others_go_on(
    server: FakeServer, out: Path
) -> None:
    server.refused = {"c-6", "c-1"}
    summary = await run(server, customers(8), out)
    assert (summary.created, summary.failed) == (6, 2)
    sentence = "403 E_ACCESS_DENIED: No (request r-1)"
    assert summary.failures == [Failure(3, "c-1", sentence), Failure(8, "c-6", sentence)]


async def test_a_refused_login_stops_before_a_file_is_made(
    server: FakeServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "answer", lambda _: no("", 401))
    with pytest.raises(ApiProblem):
        await run(server, customers(2), out)
    assert not out.exists()


async def test_a_line_cut_off_by_a_crash_is_asked_for_again(server: FakeServer, out: Path) -> None:
    await run(server, customers(3), out)
    whole = out.read_text()
    out.write_text(whole[:-20])
    summary = await run(server, customers(3), out)
    assert (summary.skipped, summary.created) == (2, 1)
    assert out.read_text() == whole


async def test_a_full_disk_stops_the_run_and_leaves_whole_lines(
    server: FakeServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(server, customers(1), out)
    before = out.read_text()
    write = os.write
    monkeypatch.setattr("os.write", lambda to, line: write(to, line[:9]))
    with pytest.raises(KeyFileRefusal, match="the disk is full"):
        await run(server, customers(50), out)
    assert out.read_text() == before
    assert len(server.organizations) < 10


async def test_progress_counts_every_row_once(server: FakeServer, out: Path) -> None:
    await run(server, customers(2), out)
    server.refused, told = {"c-4"}, []
    async with server.client() as client:
        await provision(
            client,
            customers(5),
            managed_by=HOUSE,
            concurrency=2,
            out=out,
            progress=lambda done, total: told.append((done, total)),
        )
    assert told == [(2, 5), (3, 5), (4, 5), (5, 5)]


def test_the_summary_tells_lines_and_numbers_and_takes_no_text_for_markup() -> None:
    console = Console(file=io.StringIO(), width=100)
    failures = [Failure(7, "c-7", "409: [red]No")]
    provisioning.print_summary(console, Summary(created=2, failures=failures, seconds=1.25))
    provisioning.print_faults(console, CustomersRefusal([Fault(3, "zip", "This is empty")]))
    with provisioning.progress_bar(console, "Provisioning") as show:
        show(1, 2)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "line 7, c-7: 409: [red]No\n" in printed
    assert "2 created, 0 recovered, 0 skipped, 1 failed in 1.2 s\n" in printed
    assert "line 3, zip: This is empty\n1 fault: nothing was sent\n" in printed
