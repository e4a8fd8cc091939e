"""A backup that was restored: no number is given out twice, and what is left out is signed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from copies import Copy, back_up, create_database, opened, restored
from journals import Message, read
from ledger import Ledger, build_ledger
from tillkeeper.surfaces.cli.continuity import MOST
from tillkeeper.surfaces.cli.doctor import look_at_counters
from tillkeeper.surfaces.cli.tse_export import Tampered, verify_export
from tills import Till
from world import Json

SIGNED = 12
"""What a till has signed by the end of its first receipt."""
COUNTERS = "SELECT signature_counter, transaction_counter FROM tss WHERE id = $1"
TIMELINE = "UPDATE tss SET home = replace(home, '/00000001/', '/00000007/') WHERE id = $1"


@pytest.fixture(scope="module")
async def ledger(owner_url: str, serving_url: str) -> AsyncGenerator[Ledger]:
    """An installation of their own: what is restored here is all of it."""
    assert serving_url, "the roles are made first"
    async with build_ledger(owner_url) as built:
        yield built


async def open_till(ledger: Ledger) -> Till:
    """Open a till in LIVE, where there may be any number, and let it sell once."""
    till = await Till(ledger.world.shop_live).open()
    await till.sell()
    return till


def secret_of(ledger: Ledger) -> dict[str, str]:
    return {name: ledger.world.keys["shop_live"][name] for name in ("api_key", "api_secret")}


@asynccontextmanager
async def going_on(ledger: Ledger, copy: Copy, till: Till) -> AsyncGenerator[Till]:
    async with copy.till(till, secret_of(ledger)) as other:
        yield other


async def refusal_of(till: Till) -> Json:
    """Try to sign, and see that nothing is."""
    body = {"state": "ACTIVE", "client_id": str(till.client_id)}
    answer = await till.http.put(f"{till.path}/tx/{uuid4()}?tx_revision=1", json=body)
    refused: Json = answer.json()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    return refused


async def messages(copy: Copy, till: Till) -> list[Message]:
    point = await copy.owner.fetchval("SELECT point FROM tss WHERE id = $1", till.tss_id)
    query = "SELECT message FROM log_messages WHERE tss_id = $1 ORDER BY counter"
    return [read(row["message"], point) for row in await copy.owner.fetch(query, till.tss_id)]


async def test_a_restored_backup_signs_nothing_until_that_is_declared(
    ledger: Ledger, tmp_path: Path
) -> None:
    till = await open_till(ledger)
    await back_up(ledger, tmp_path / "backup")
    async with (
        restored(ledger, tmp_path / "backup") as copy,
        going_on(ledger, copy, till) as other,
    ):
        before = await copy.owner.fetchrow(COUNTERS, till.tss_id)
        assert (await refusal_of(other))["code"] == "E_COUNTERS_IN_DOUBT"
        assert await copy.owner.fetchrow(COUNTERS, till.tss_id) == before
        finding = await look_at_counters(copy.house)
        assert not finding.is_well
        assert "tillkeeper audit restored" in finding.says
        assert len(await messages(copy, till)) == SIGNED
        # What is new since signs: it cannot have given out anything before.
        assert (await (await Till(other.http).open()).sell())["signature"]["counter"] == SIGNED
    assert (await look_at_counters(ledger.house)).is_well


async def test_after_the_word_no_number_is_given_out_twice(ledger: Ledger, tmp_path: Path) -> None:
    till = await open_till(ledger)
    await back_up(ledger, tmp_path / "backup")
    lost = [await till.sell() for _ in range(3)]
    async with restored(ledger, tmp_path / "backup") as copy:
        done = await copy.declare()
        assert 60_000 <= done.numbers <= 600_000
        assert "have left out numbers" in (await look_at_counters(copy.house)).says
        async with going_on(ledger, copy, till) as other:
            sold = [await other.sell() for _ in range(2)]
        for counted in (lambda sale: sale["signature"]["counter"], lambda sale: sale["number"]):
            assert max(map(counted, lost)) < min(map(counted, sold))
        first = next(each for each in await messages(copy, till) if each.counter > SIGNED)
        assert (first.operation, first.counter) == ("skipNumbers", SIGNED + done.numbers + 1)
        assert [sale["number"] - 1 for sale in sold] == [done.numbers + n for n in (1, 2)]
        found = verify_export(await copy.export(till, tmp_path / "whole.tar"))
        assert (found.left_out, found.transactions) == (done.numbers, 3)
        unsaid = await copy.export(till, tmp_path / "unsaid.tar", without="skipNumbers")
        with pytest.raises(
            Tampered, match=f"it follows {SIGNED}: the messages between are missing"
        ):
            verify_export(unsaid)
        assert (await look_at_counters(copy.house)).is_well


async def test_what_is_left_out_is_audited_and_announced_for_each_tss(
    ledger: Ledger, tmp_path: Path
) -> None:
    till = await open_till(ledger)
    await back_up(ledger, tmp_path / "backup")
    async with restored(ledger, tmp_path / "backup") as copy:
        await copy.declare(5000)
        assert (await copy.verify_audit()).not_sealed == 0
        said = {
            "event": "tss.numbers_skipped",
            "tss_id": str(till.tss_id),
            "skipped": "5000",
            "signature_counter": str(SIGNED + 5000),
            "transaction_counter": "5001",
        }
        for table in ("audit_rows", "outbox_rows"):
            query = (
                f"SELECT organization_id, env::text, details FROM {table} "  # noqa: S608
                "WHERE event = 'tss.numbers_skipped' AND details ->> 'tss_id' = $1"
            )
            (row,) = await copy.owner.fetch(query, str(till.tss_id))
            assert tuple(row) == (ledger.world.shop, "LIVE", said)


async def test_a_copy_of_a_running_database_does_not_sign_beside_it(
    ledger: Ledger, tmp_path: Path
) -> None:
    """CREATE DATABASE … TEMPLATE keeps every table as it is."""
    till = await open_till(ledger)
    await back_up(ledger, tmp_path / "backup")
    async with restored(ledger, tmp_path / "backup") as copy:
        await copy.declare(1000)
        url = copy.url
    twin_url = await create_database(url, urlsplit(url).path[1:])
    async with opened(url, ledger.house) as copy, opened(twin_url, ledger.house) as twin:
        async with going_on(ledger, copy, till) as other:
            assert (await other.sell())["number"] == 1002
        async with going_on(ledger, twin, till) as other:
            assert (await refusal_of(other))["code"] == "E_COUNTERS_IN_DOUBT"
            await twin.declare(500)
            assert (await other.sell())["number"] == 1502
        say = [m.counter for m in await messages(twin, till) if m.operation == "skipNumbers"]
        assert say == [SIGNED + 1500 + 1]
        assert verify_export(await twin.export(till, tmp_path / "twin.tar")).left_out == 1500


async def test_after_a_failover_signing_waits_for_the_word(ledger: Ledger) -> None:
    """Another timeline: the standby may lack what was signed last. Others are not touched."""
    till, other = await open_till(ledger), await open_till(ledger)
    await ledger.owner.execute(TIMELINE, till.tss_id)
    try:
        assert (await refusal_of(till))["code"] == "E_COUNTERS_IN_DOUBT"
        assert (await other.sell())["number"] == 2
        done = await Copy(ledger.url, ledger.house, ledger.owner).declare(7)
    finally:
        await ledger.owner.execute("UPDATE tss SET home = signing_home()")
    assert done == (1, 7)
    assert (await till.sell())["number"] == 1 + 7 + 1
    assert (await other.sell())["number"] == 3


async def test_a_word_that_leaves_nothing_out_says_nothing(ledger: Ledger) -> None:
    till = await open_till(ledger)
    await ledger.owner.execute(TIMELINE, till.tss_id)
    assert await Copy(ledger.url, ledger.house, ledger.owner).declare(0) == (1, 0)
    assert (await till.sell())["signature"]["counter"] == SIGNED + 2


async def test_the_word_waits_for_whoever_signs(ledger: Ledger) -> None:
    """Without the lock of hold_every_tss it would wait in the middle, with the audit locked."""
    till = await open_till(ledger)
    await ledger.owner.execute(TIMELINE, till.tss_id)
    copy = Copy(ledger.url, ledger.house, ledger.owner)
    async with ledger.owner.transaction():
        await ledger.owner.execute("SELECT FROM tss WHERE id = $1 FOR UPDATE", till.tss_id)
        declaring = asyncio.create_task(copy.declare(3))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await ledger.owner.fetchval(waiting):  # noqa: ASYNC110 - locks tell nobody
            await asyncio.sleep(0.01)
        audit = "SELECT count(*) FROM pg_locks WHERE relation = 'audit_rows'::regclass"
        assert await ledger.owner.fetchval(audit) == 0
    assert await declaring == (1, 3)


async def test_nobody_leaves_out_more_than_counters_hold(ledger: Ledger) -> None:
    """What was signed last in a copy may be years ago."""
    till = await open_till(ledger)
    await ledger.owner.execute(TIMELINE, till.tss_id)
    old = "UPDATE tss SET last_signed_at = 1000000000, time_creation = 1000000000 WHERE id = $1"
    await ledger.owner.execute(old, till.tss_id)
    assert await Copy(ledger.url, ledger.house, ledger.owner).declare() == (1, MOST)


async def test_the_serving_login_cannot_say_where_a_tss_is_at_home(ledger: Ledger) -> None:
    async with ledger.house.db.lend() as tx:
        query = "SELECT has_column_privilege('tss', 'home', 'UPDATE')"
        assert await tx.fetchval(query) is False
