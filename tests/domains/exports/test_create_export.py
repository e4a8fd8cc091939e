"""An export holds what its filters let through, and convinces a verifier that is not ours."""

import asyncio
import io
import re
import tarfile
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from tillkeeper.domains.exports.jobs import EXPORT
from tillkeeper.surfaces.cli.tse_export import Verified, verify_export
from tillkeeper.surfaces.worker.jobs import Pace, doing_jobs
from tills import SIGN, Till
from world import Connection, Json, World, said

LOGS = re.compile(r"Log-(?:Sys|Tra)")


@pytest.fixture
async def worker(world: World) -> AsyncGenerator[None]:
    async with doing_jobs(world.house, [EXPORT], Pace(poll_seconds=0.1)):
        yield


@pytest.fixture
async def till(world: World) -> Till:
    opened = await Till(world.shop_live).open()
    for _ in range(3):
        await opened.sell()
    return opened


async def export_of(till: Till, **filters: object) -> tuple[str, Json]:
    """Trigger an export and wait for its end, as clients do."""
    path = f"/export/{uuid4()}"
    await till.send("PUT", path, {}, **filters)
    while True:
        export: Json = await till.send("GET", path)
        if export["state"] not in ("PENDING", "WORKING"):
            return path, export


async def names_of(till: Till, **filters: object) -> list[str]:
    path, export = await export_of(till, **filters)
    assert export["state"] == "COMPLETED", export
    answer = await till.http.get(f"{till.path}{path}/file")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        return [name for name in archive.getnames() if name.endswith(".log")]


async def verified(till: Till, path: str, file: Path, *, is_filtered: bool = False) -> Verified:
    answer = await till.http.get(f"{till.path}{path}/file")
    assert answer.status_code == 200, answer.text
    await asyncio.to_thread(file.write_bytes, answer.content)
    return verify_export(file, is_filtered=is_filtered)


@pytest.mark.usefixtures("worker")
async def test_the_whole_of_a_tss_verifies(till: Till, tmp_path: Path) -> None:
    path, export = await export_of(till)
    assert export["state"] == "COMPLETED"
    assert export["time_expiration"] - export["time_end"] == 86_400
    tss = await till.send("GET", "")
    found = await verified(till, path, tmp_path / "export.tar")
    assert found.last_counter == int(tss["signature_counter"])
    assert (found.transactions, found.open_transactions, found.certificates) == (3, 0, 3)


@pytest.mark.usefixtures("worker")
async def test_a_file_is_a_tar_named_by_tss_and_time(till: Till) -> None:
    path, export = await export_of(till)
    answer = await till.http.get(f"{till.path}{path}/file")
    assert answer.headers["content-type"] == "application/x-tar"
    ended = datetime.fromtimestamp(export["time_end"], UTC)
    name = f"TSE_Export_{till.tss_id}_{ended:%Y%m%d%H%M}.tar"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'


@pytest.mark.usefixtures("worker")
async def test_what_is_signed_after_the_request_is_not_in_it(till: Till) -> None:
    before = int((await till.send("GET", ""))["signature_counter"])
    request = f"/export/{uuid4()}"
    await till.send("PUT", request, {})
    await till.sell()
    names = await names_of(till, end_signature_counter=before)
    assert max(int(re.findall(r"Sig-(\d+)_", name)[0]) for name in names) == before


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"transaction_number": 2}, {2}),
        ({"start_transaction_number": 2}, {2, 3}),
        ({"end_transaction_number": "2"}, {1, 2}),
        ({"start_transaction_number": 1, "end_transaction_number": 3}, {1, 2, 3}),
    ],
)
async def test_transactions_are_found_by_their_numbers(
    till: Till, tmp_path: Path, filters: Json, expected: set[int]
) -> None:
    path, _ = await export_of(till, **filters)
    await verified(till, path, tmp_path / "export.tar", is_filtered=True)
    with tarfile.open(tmp_path / "export.tar") as archive:
        numbers = re.findall(r"Log-Tra_No-(\d+)_", " ".join(archive.getnames()))
    assert sorted(map(int, numbers)) == sorted([*expected, *expected])


@pytest.mark.usefixtures("worker")
async def test_a_client_is_found_with_what_it_had_signed(till: Till) -> None:
    other = Till(till.http, till.tss_id)
    await till.log_in()
    await other.register("ERS 2")
    await other.sell()
    ours = await names_of(till, client_id=other.client_id, start_date=1, transaction_number=1)
    assert len(ours) == 2
    assert all("Client-ERS 2" in name for name in ours)


@pytest.mark.usefixtures("worker")
async def test_signature_counters_and_dates_bound_every_kind_of_message(till: Till) -> None:
    names = await names_of(till, start_signature_counter=3, end_signature_counter=5)
    assert [re.findall(r"Sig-(\d+)_", name)[0] for name in names] == ["3", "4", "5"]
    whole = await names_of(till, start_date=0)
    assert await names_of(till, start_date=1, end_date=4_000_000_000) == whole
    assert {"Log-Sys", "Log-Tra"} == {found[0] for found in map(LOGS.findall, whole)}


@pytest.mark.usefixtures("worker")
async def test_what_cannot_be_made_says_why(till: Till) -> None:
    _, few = await export_of(till, maximum_number_records=5)
    _, none = await export_of(till, end_date=1)
    assert (few["state"], few["exception"]) == ("ERROR", "E_TOO_MANY_RECORDS")
    assert (none["state"], none["exception"]) == ("ERROR", "E_NO_DATA_AVAILABLE")
    assert few["time_error"] >= few["time_start"]


WRONG: list[tuple[Json, tuple[int, str]]] = [
    ({"transaction_number": 1, "start_transaction_number": 1}, (400, "E_PARAMETER_MISMATCH")),
    ({"start_date": 1, "start_signature_counter": 1}, (400, "E_PARAMETER_MISMATCH")),
    ({"start_date": 2, "end_date": 1}, (400, "E_PARAMETER_MISMATCH")),
    ({"transaction_number": 9}, (400, "E_TX_NOT_FOUND")),
    ({"start_transaction_number": 9}, (400, "E_TX_NOT_FOUND")),
    ({"client_id": str(uuid4())}, (400, "E_CLIENT_NOT_FOUND")),
    ({"maximum_number_records": 1_000_001}, (400, "E_FAILED_SCHEMA_VALIDATION")),
    ({"maximum_number_records": 0}, (400, "E_FAILED_SCHEMA_VALIDATION")),
    ({"start_signature_counter": "one"}, (400, "E_FAILED_SCHEMA_VALIDATION")),
    ({"start_date": 2**63}, (400, "E_FAILED_SCHEMA_VALIDATION")),
]


@pytest.mark.parametrize(("filters", "expected"), WRONG)
async def test_wrong_filters_are_refused_and_leave_nothing(
    till: Till, owner: Connection, filters: Json, expected: tuple[int, str]
) -> None:
    answer = await till.http.put(f"{till.path}/export/{uuid4()}", json={}, params=filters)
    assert said(answer) == expected
    count = "SELECT count(*) FROM exports WHERE tss_id = $1"
    assert await owner.fetchval(count, till.tss_id) == 0


async def test_an_id_is_good_for_one_export(till: Till) -> None:
    path = f"{till.path}/export/{uuid4()}"
    assert (await till.http.put(path, json={})).status_code == 200
    assert said(await till.http.put(path, json={})) == (400, "E_DUPLICATE_EXPORT")


async def test_the_same_question_is_asked_once_at_a_time(till: Till) -> None:
    asked = {"start_date": 1}
    answers = [
        await till.http.put(f"{till.path}/export/{uuid4()}", json={}, params=asked)
        for _ in range(2)
    ]
    assert said(answers[0]) == (200, None)
    assert said(answers[1]) == (409, "E_EXPORT_DUPLICATE_RATE_LIMITED")


async def test_ten_exports_of_a_tss_are_under_way_at_the_most(till: Till) -> None:
    answers = await asyncio.gather(
        *(
            till.http.put(f"{till.path}/export/{uuid4()}", json={}, params={"start_date": n})
            for n in range(14)
        )
    )
    outcomes = [said(answer) for answer in answers]
    assert outcomes.count((200, None)) == 10
    assert outcomes.count((409, "E_TOO_MANY_EXPORTS")) == 4


async def test_a_tss_that_has_not_begun_is_not_exported(world: World) -> None:
    till = Till(world.shop_live)
    await till.create()
    answer = await till.http.put(f"{till.path}/export/{uuid4()}", json={})
    assert said(answer) == (409, "E_TSS_ILLEGAL_STATE_TO_PERFORM_EXPORT")


@pytest.mark.usefixtures("worker")
async def test_a_disabled_tss_is_still_exported(till: Till) -> None:
    await till.log_in()
    await till.lead("DISABLED")
    assert (await export_of(till))[1]["state"] == "COMPLETED"


@pytest.mark.usefixtures("worker")
async def test_those_above_export_and_those_beside_see_nothing(world: World, till: Till) -> None:
    from_above = Till(world.vendor_live, till.tss_id)
    path, export = await export_of(from_above)
    assert (export["state"], export["organization_id"]) == ("COMPLETED", str(world.shop))
    assert "organization_id" not in await till.send("GET", path)
    listed = await world.vendor_live.get(f"{SIGN}/export", params={"include_managed": True})
    assert [each["_id"] for each in listed.json()["data"]] == [export["_id"]]
    for beside in (world.kiosk_live, world.stranger_live, world.shop_test):
        answer = await beside.get(f"{till.path}{path}/file")
        assert said(answer) == (404, "E_TSS_NOT_FOUND")


@pytest.mark.usefixtures("worker")
async def test_each_step_is_told(world: World, till: Till) -> None:
    before = await world.events(world.shop)
    await export_of(till)
    assert (await world.events(world.shop))[len(before) :] == [
        "export.created",
        "export.completed",
    ]
