"""Sealing: every row, in an order that nothing can slip into, whoever writes meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from structlog.testing import capture_logs

from ledger import INSERT, Ledger
from tillkeeper.domains.audit import seals
from tillkeeper.domains.audit.jobs import OtherCluster, Sealer, check_cluster, seal
from tillkeeper.surfaces.cli import audit_verifier
from tillkeeper.surfaces.cli.audit_ledger import declare_restored, open_ledger
from tillkeeper.surfaces.cli.doctor import look_at_audit
from world import KEY

_COUNT = "SELECT count(*) FROM audit_rows"


async def seal_all(ledger: Ledger) -> None:
    while await seal(ledger.house) is not None:
        pass


async def test_every_row_is_sealed_and_the_verifier_agrees(ledger: Ledger) -> None:
    await ledger.write(5)
    await seal_all(ledger)
    found = await ledger.verify()
    assert found.rows == await ledger.owner.fetchval(_COUNT)
    assert found.not_sealed == 0


async def test_without_new_rows_there_is_no_new_seal(ledger: Ledger) -> None:
    await seal_all(ledger)
    before = await ledger.verify()
    assert await seal(ledger.house) is None
    assert await ledger.verify() == before


async def test_one_process_seals_at_a_time(ledger: Ledger) -> None:
    await ledger.write()
    async with ledger.house.db.begin() as tx:
        assert await tx.fetchval("SELECT pg_try_advisory_xact_lock(7402614112)")
        assert await seal(ledger.house) is None
    assert await seal(ledger.house) is not None


async def test_a_long_transaction_delays_what_follows_it_and_loses_nothing(ledger: Ledger) -> None:
    await seal_all(ledger)
    slow = await asyncpg.connect(ledger.url)
    async with slow.transaction():
        await slow.execute(INSERT, ledger.world.shop, 2)
        await ledger.write(3)
        await seal_all(ledger)
        assert (await ledger.verify()).not_sealed == 3
    await slow.close()
    await seal_all(ledger)
    found = await ledger.verify()
    assert found.not_sealed == 0
    assert found.rows == await ledger.owner.fetchval(_COUNT)


async def test_a_transaction_that_is_larger_than_a_seal_is_sealed_whole(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillkeeper.domains.audit.jobs._ROWS_AT_MOST", 10)
    await seal_all(ledger)
    for number in (3, 25, 4, 4, 4):
        await ledger.write(number)
    counts = []
    while signed := await seal(ledger.house):
        counts.append(json.decode(signed.body)["count"])
    assert counts == [3, 25, 8, 4]
    assert (await ledger.verify()).not_sealed == 0


async def test_rows_are_sealed_within_a_second_while_many_write(ledger: Ledger) -> None:
    """p99 of the time between the beginning of an operation and the seal over its row."""
    await seal_all(ledger)
    first = (await ledger.verify()).seals
    sealer, ends = Sealer(), asyncio.Event()

    async def keep_sealing() -> None:
        while not ends.is_set():
            await sealer.run(ledger.house)
            await asyncio.sleep(0.2)

    async def keep_writing(worker: int) -> None:
        world = ledger.world
        for number in range(60):
            body = KEY | {"name": f"w{worker}-{number}"}
            path = f"/organizations/{world.kiosk}/api-keys"
            assert (await world.kiosk_test.post(path, json=body)).status_code == 200

    sealing = asyncio.create_task(keep_sealing())
    await asyncio.gather(*(keep_writing(worker) for worker in range(6)))
    ends.set()
    await sealing
    await seal_all(ledger)
    lags = _lags(await ledger.lines(), first)
    assert len(lags) == 360
    assert lags[int(len(lags) * 0.99)] < timedelta(seconds=1)
    assert (await ledger.verify()).rows == await ledger.owner.fetchval(_COUNT)


def _lags(lines: list[str], after: int) -> list[timedelta]:
    lags, at, number = [], datetime.now(UTC), 0
    for record in map(json.decode, lines):
        if "seal" in record:
            body = json.decode(record["seal"])
            at, number = datetime.fromisoformat(body["at"]), body["number"]
        elif "row" in record and number > after:
            began = json.decode(record["origin"])["at"]
            lags.append(at - datetime.fromisoformat(began))
    return sorted(lags)


async def test_another_cluster_is_not_sealed_until_somebody_declares_it(ledger: Ledger) -> None:
    """A copy has another system identifier: here the last seal is made to name another one."""
    await ledger.write(2)
    await seal_all(ledger)
    pretend = 'UPDATE audit_seals SET body = replace(body, \'"cluster":"\', \'"cluster":"9\') '
    back = 'UPDATE audit_seals SET body = replace(body, \'"cluster":"9\', \'"cluster":"\') '
    last = "WHERE number = (SELECT max(number) FROM audit_seals)"
    await ledger.owner.execute(pretend + last)
    await ledger.write()
    try:
        with pytest.raises(OtherCluster, match="tillkeeper audit restored"):
            await seal(ledger.house)
        with pytest.raises(OtherCluster):
            await check_cluster(ledger.house)
        await Sealer().run(ledger.house)
    finally:
        await ledger.owner.execute(back + last)
    await check_cluster(ledger.house)
    assert await seal(ledger.house) is not None


async def test_a_failover_is_told_even_while_there_is_nothing_to_seal(ledger: Ledger) -> None:
    """Another timeline: the log says it once a minute, and doctor whenever it is asked."""
    await ledger.write(2)
    await seal_all(ledger)
    assert (await look_at_audit(ledger.house)).is_well
    last = "WHERE number = (SELECT max(number) FROM audit_seals)"
    pretend = "UPDATE audit_seals SET body = replace(body, $1, $2) "
    here, there = '"timeline":1,', '"timeline":7,'
    await ledger.owner.execute(pretend + last, here, there)
    try:
        sealer = Sealer()
        with capture_logs() as told:
            for _ in range(3):
                await sealer.run(ledger.house)
        finding = await look_at_audit(ledger.house)
    finally:
        await ledger.owner.execute(pretend + last, there, here)
    assert [(line["event"], line["log_level"]) for line in told] == [("audit.not_sealed", "error")]
    assert not finding.is_well
    for sentence in (told[0]["reason"], finding.says):
        assert "timeline 7" in sentence
        assert "tillkeeper audit restored" in sentence


async def test_a_declared_restore_begins_an_epoch_and_the_seals_go_on(ledger: Ledger) -> None:
    await ledger.write(2)
    await seal_all(ledger)
    await ledger.write(3)
    before = await ledger.owner.fetchval(_COUNT)
    async with open_ledger(ledger.url, "read_committed") as connection:
        signed = await declare_restored(connection, ledger.house.keyring)
    body = json.decode(signed.body)
    assert (body["kind"], body["count"]) == ("restored", 0)
    assert await ledger.verify() == (signed.number, before, 0, signed.hash)
    await ledger.write(4)
    assert (await ledger.verify()).not_sealed == 4
    await seal_all(ledger)
    found = await ledger.verify()
    assert (found.rows, found.not_sealed) == (before + 4, 0)
    epoch = "SELECT epoch FROM audit_rows ORDER BY epoch DESC LIMIT 1"
    assert await ledger.owner.fetchval(epoch) == body["epoch"]


async def test_the_serving_login_writes_no_seal_but_the_next_one(ledger: Ledger) -> None:
    await seal_all(ledger)
    write_seal = "SELECT write_seal($1, '{}', '', '', $2, $3, $4)"
    last = await ledger.owner.fetchrow("SELECT * FROM audit_seals ORDER BY number DESC LIMIT 1")
    assert last is not None
    number, epoch, upto = last["number"], last["epoch"], last["tx_upto"]
    async with ledger.house.db.lend() as tx:
        for values in (
            (number, epoch, upto, upto + 1),
            (number + 2, epoch, upto, upto + 1),
            (number + 1, epoch + 1, upto, upto + 1),
            (number + 1, epoch, upto + 1, upto + 2),
            (number + 1, epoch, upto, upto),
            (number + 1, epoch, upto, 1 << 62),
        ):
            with pytest.raises(asyncpg.RaiseError, match="does not follow"):
                await tx.execute(write_seal, *values)
        for statement in (
            "SELECT body FROM audit_seals",
            "DELETE FROM audit_seals",
            "UPDATE audit_seals SET body = ''",
            "INSERT INTO audit_seals (number) VALUES (1)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await tx.execute(statement)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70), st.data())
def test_two_ways_to_build_a_tree_agree_and_every_leaf_has_its_path(
    leaves: list[bytes], data: st.DataObject
) -> None:
    root = seals.root_of(leaves).hex()
    assert audit_verifier._root([leaf.hex() for leaf in leaves]) == root  # noqa: SLF001
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = [each.hex() for each in seals.path_of(leaves, index)]
    climb = audit_verifier._climb  # noqa: SLF001
    assert climb(leaves[index], index, len(leaves), path) == root
    other = bytes(32) if leaves[index] != bytes(32) else b"1" * 32
    assert climb(other, index, len(leaves), path) != root
    assert climb(leaves[index], index, len(leaves), [*path, root]) is None
