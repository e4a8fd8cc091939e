"""The fleet: filters, pages while somebody adds to it, and the sheet."""

import asyncio
import csv
import io
import time
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from asgi import _scope
from tillkeeper.domains.fleet import routes
from tills import Till
from world import Json, World, said

VIOLATION = (400, "E_FAILED_SCHEMA_VALIDATION")
DAY = 86_400


async def fleet(http: httpx.AsyncClient, organization_id: object, **query: Any) -> list[Json]:  # noqa: ANN401
    answer = await http.get(f"/organizations/{organization_id}/fleet", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["_type"] == "FLEET_LIST"
    data: list[Json] = answer.json()["data"]
    return data


async def ids(world: World, **query: Any) -> list[str]:  # noqa: ANN401
    return [each["_id"] for each in await fleet(world.vendor_test, world.vendor, **query)]


def named(*tills: Till) -> list[str]:
    return [str(till.tss_id) for till in tills]


async def two(world: World) -> tuple[Till, Till]:
    """A till of the shop that sells, and one of the branch that is new."""
    one, other = Till(world.shop_test), Till(world.branch_test)
    await one.open()
    await one.sell()
    await other.create()
    return one, other


async def test_a_row_says_of_a_tss_what_those_above_want_to_know(world: World) -> None:
    till, _ = await two(world)
    later = Till(world.shop_test)
    await later.send("PUT", "", {"replaces": str(till.tss_id)})
    rows = {each["_id"]: each for each in await fleet(world.vendor_test, world.vendor)}
    row, successor = rows[str(till.tss_id)], rows[str(later.tss_id)]
    shown = await till.send("GET", "")
    assert row == {
        "_id": str(till.tss_id),
        "_type": "FLEET_TSS",
        "organization_id": str(world.shop),
        "organization_name": "Shop",
        "state": "INITIALIZED",
        "serial_number": shown["serial_number"],
        "description": shown["description"],
        "number_registered_clients": 1,
        "signature_counter": int(shown["signature_counter"]),
        "transaction_counter": 1,
        "certificate_ends_at": row["certificate_ends_at"],
        "last_signed_at": row["last_signed_at"],
        "time_creation": shown["time_creation"],
        "replaced_by": str(later.tss_id),
    }
    assert abs(row["last_signed_at"] - time.time()) < 60
    assert successor["replaces"] == str(till.tss_id)
    assert "last_signed_at" not in successor


async def test_each_place_in_the_tree_lists_what_is_below_it(world: World) -> None:
    shop, branch = await two(world)
    mine = Till(world.vendor_test)
    await mine.create()
    await Till(world.stranger_test).create()
    assert await ids(world) == named(mine, shop, branch), "organizations from the oldest on"
    for http, organization, expected in (
        (world.vendor_test, world.enterprise, [branch]),
        (world.enterprise_test, world.enterprise, [branch]),
        (world.vendor_test, world.shop, [shop]),
        (world.shop_test, world.shop, [shop]),
        (world.vendor_test, world.kiosk, []),
        (world.vendor_live, world.vendor, []),
    ):
        found = await fleet(http, organization)
        assert [each["_id"] for each in found] == named(*expected)


async def test_a_limited_key_lists_its_part(world: World) -> None:
    shop, branch = await two(world)
    for limits, expected in (
        ({"reach": "self"}, []),
        ({"reach": "managed"}, [shop]),
        ({"reach": [str(world.branch)]}, [branch]),
        ({"permissions": ["fleet:read", "tss:read", "organization:read"]}, [shop, branch]),
    ):
        name = f"key-{uuid4().hex[:8]}"
        key = await world.enter_as(world.vendor, world.vendor_test, name=name, **limits)
        found = await fleet(key, world.vendor)
        assert [each["_id"] for each in found] == named(*expected)


async def test_filters_narrow_the_list(world: World) -> None:
    shop, branch = await two(world)
    now = int(time.time())
    serial = (await branch.send("GET", ""))["serial_number"]
    both = named(shop, branch)
    assert await ids(world, states="CREATED") == named(branch)
    assert await ids(world, states=["CREATED", "INITIALIZED"]) == both
    assert await ids(world, organization=str(world.shop)) == named(shop)
    for unseen in (world.stranger, world.foreign, uuid4()):
        assert await ids(world, organization=str(unseen)) == []
    assert await ids(world, search=str(shop.tss_id).upper()) == named(shop), "of the description"
    assert await ids(world, search=serial[20:40].upper()) == named(branch)
    assert await ids(world, search="%") == await ids(world, search="_") == []
    assert await ids(world, expiring_before=now + 364 * DAY) == []
    assert await ids(world, expiring_before=now + 366 * DAY) == both
    slept = "UPDATE tss SET time_creation = $2, last_signed_at = $2 WHERE id = $1"
    await world.owner.execute(slept, branch.tss_id, now - 10 * DAY)
    assert await ids(world, idle_since=now - 5 * DAY) == named(branch)
    assert await ids(world, idle_since=now - 11 * DAY) == []
    assert await ids(world, states="CREATED", organization=str(world.shop)) == []


WRONG = (
    *("states=LOST", "organization=x", "search=", f"search={'x' * 101}", "limit=0", "limit=5001"),
    *("idle_since=-1", "expiring_before=soon", "format=xls", "cursor=x"),
)


@pytest.mark.parametrize("query", WRONG)
async def test_a_wrong_question_is_refused(world: World, query: str) -> None:
    answer = await world.vendor_test.get(f"/organizations/{world.vendor}/fleet?{query}")
    assert said(answer) == VIOLATION


async def pages(world: World, limit: int, **query: Any) -> AsyncGenerator[list[Json]]:  # noqa: ANN401
    cursor = ""
    while cursor is not None:
        asked = query | {"limit": limit, "cursor": cursor}
        path = f"/organizations/{world.vendor}/fleet"
        answer = (await world.vendor_test.get(path, params=asked)).json()
        yield answer["data"]
        cursor = answer.get("next_cursor")
        assert answer["has_more"] is (cursor is not None)


async def test_whoever_was_there_is_listed_once_while_others_come(world: World) -> None:
    """Two have one id and one second: the place in the list is theirs with the organization."""
    makers = (world.vendor_test, world.shop_test, world.kiosk_test, world.branch_test)
    there = [Till(http) for http in makers for _ in range(2)]
    there.append(Till(world.kiosk_test, tss_id=there[2].tss_id))
    for till in there:
        await till.create()
    await world.owner.execute(
        "UPDATE tss SET time_creation = 1700000000 WHERE organization_id = any($1::uuid[])",
        [world.vendor, world.shop, world.kiosk, world.branch],
    )
    found: list[tuple[str, str]] = []
    newcomers = iter(makers)
    async for page in pages(world, 2):
        found += [(each["organization_id"], each["_id"]) for each in page]
        if (maker := next(newcomers, None)) is not None:
            await Till(maker).create()
    assert len(found) == len(set(found))
    rows = await world.owner.fetch(
        "SELECT organization_id::text, id::text FROM tss WHERE time_creation = 1700000000 "
        "AND organization_id = any($1::uuid[])",
        [world.vendor, world.shop, world.kiosk, world.branch],
    )
    assert len(rows) == len(there)
    assert {tuple(row) for row in rows} <= set(found)


async def test_a_cursor_belongs_to_its_question(world: World) -> None:
    await two(world)
    path = f"/organizations/{world.vendor}/fleet"
    cursor = (await world.vendor_test.get(f"{path}?limit=1")).json()["next_cursor"]
    assert (await world.vendor_test.get(f"{path}?cursor={cursor}")).status_code == 200
    below = f"/organizations/{world.enterprise}/fleet"
    for http, asked in (
        (world.vendor_test, f"{path}?cursor={cursor}&states=CREATED"),
        (world.vendor_test, f"{path}?cursor={cursor[:-1]}"),
        (world.vendor_test, f"{below}?cursor={cursor}"),
        (world.enterprise_test, f"{below}?cursor={cursor}"),
        (world.vendor_live, f"{path}?cursor={cursor}"),
        (world.vendor_test, f"/organizations?cursor={cursor}"),
    ):
        assert said(await http.get(asked)) == VIOLATION


def table(answer: httpx.Response) -> list[Json]:
    assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="fleet.csv"'
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))


async def test_the_sheet_says_what_the_list_says(world: World) -> None:
    till, _ = await two(world)
    await Till(world.shop_test).send("PUT", "", {"replaces": str(till.tss_id)})
    listed = await fleet(world.vendor_test, world.vendor)
    path = f"/organizations/{world.vendor}/fleet"
    by_header = await world.vendor_test.get(path, headers={"accept": "text/csv"})
    sheet = table(await world.vendor_test.get(f"{path}?format=csv"))
    assert table(by_header) == sheet
    for row, entry in zip(sheet, listed, strict=True):
        for name in ("state", "serial_number", "organization_name", "replaces", "replaced_by"):
            assert row[name] == entry.get(name, "")
        assert row["id"] == entry["_id"]
        assert int(row["signature_counter"]) == entry["signature_counter"]
    ends_at = listed[0]["certificate_ends_at"]
    assert sheet[0]["certificate_ends_at"] == (
        time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(ends_at))
    )
    filtered = table(await world.vendor_test.get(f"{path}?format=csv&states=CREATED&limit=1"))
    assert [row["state"] for row in filtered] == ["CREATED", "CREATED"], "limit is for pages"


@pytest.mark.parametrize("name", ["=1+1", "+49 Käse", "-x", "@SUM(A1)", "\uff1d1", 'a"b;c,d'])
async def test_no_cell_is_a_formula(world: World, name: str) -> None:
    await world.owner.execute("UPDATE organizations SET name = $2 WHERE id = $1", world.shop, name)
    till = await Till(world.shop_test).initialize()
    await world.owner.execute("UPDATE tss SET description = $2 WHERE id = $1", till.tss_id, name)
    [row] = table(await world.vendor_test.get(f"/organizations/{world.shop}/fleet?format=csv"))
    safe = name if name.startswith("a") else f"'{name}"
    assert (row["organization_name"], row["description"]) == (safe, safe)


async def test_a_sheet_of_many_pages_is_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_ROWS_AT_ONCE", 2)
    for http in (world.vendor_test, world.shop_test, world.kiosk_test, world.branch_test):
        for _ in range(2):
            await Till(http).create()
    await Till(world.shop_test).create()
    for organization, number in ((world.vendor, 9), (world.shop, 3), (world.kiosk, 2)):
        answer = await world.vendor_test.get(f"/organizations/{organization}/fleet?format=csv")
        found = [row["id"] for row in table(answer)]
        listed = await fleet(world.vendor_test, organization)
        assert found == [each["_id"] for each in listed]
        assert len(found) == number


async def test_a_sheet_breaks_off_when_its_reader_may_no_longer_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page enters again: what was written stays unfinished, and no refusal stands in it."""
    monkeypatch.setattr(routes, "_ROWS_AT_ONCE", 1)
    for _ in range(3):
        await Till(world.shop_test).create()
    sent: list[Json] = []
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Json:
        return asked.pop() if asked else await asyncio.Future()

    async def send(message: Json) -> None:
        sent.append(message)
        if message.get("body"):
            assert world.house.db.is_idle(), "nothing is held while the client reads"
            key_id: UUID = world.keys["vendor_test"]["id"]
            disabled = "UPDATE api_keys SET status = 'disabled' WHERE id = $1"
            await world.owner.execute(disabled, key_id)

    token = world.vendor_test.headers["authorization"].encode()
    path = f"/api/v0/organizations/{world.vendor}/fleet"
    headers = [(b"host", b"test"), (b"authorization", token)]
    await world.app(_scope("GET", path, "format=csv", headers, "127.0.0.1"), receive, send)
    written = b"".join(message.get("body", b"") for message in sent)
    assert len(list(csv.reader(io.StringIO(written.decode())))) == 2, "the head and one row"
    assert all(message.get("more_body") for message in sent[1:])
