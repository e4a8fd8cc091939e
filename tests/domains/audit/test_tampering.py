"""T21: whatever is done to the audit behind the service's back, the verifier names it.

Each kind is planted by a superuser in a transaction that is rolled back afterwards.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import json, structs

from ledger import Ledger
from tillkeeper.core.secrets import Keyring
from tillkeeper.domains.audit import seals
from tillkeeper.domains.audit.jobs import seal
from tillkeeper.domains.audit.seals import SealBody
from tillkeeper.surfaces.cli.audit_verifier import Tampered, verify
from world import KEY

_NEWEST = "(SELECT max(number) FROM audit_seals)"
_NEXT = "(SELECT max(tx_upto) FROM audit_seals WHERE tx_upto < 9223372036854775807)"
_COPY = """
INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
  actor_organization_id, event, outcome, details, address, agent, target_kind, target_id, before,
  after, tx, epoch)
SELECT organization_id, env, $2, at, operation_id, actor_kind, actor_id, actor_organization_id,
  event, outcome, details, address, agent, target_kind, target_id, before, after, tx, epoch
FROM audit_rows WHERE id = $1
"""
ROW_TAMPERINGS = {
    "its event is another": "UPDATE audit_rows SET event = 'api_key.deleted' WHERE id = $1",
    "its details are others": 'UPDATE audit_rows SET details = \'{"x": "y"}\' WHERE id = $1',
    "before and after are others": "UPDATE audit_rows SET after = before WHERE id = $1",
    "another one did it": "UPDATE audit_rows SET actor_id = gen_random_uuid() WHERE id = $1",
    "it came from elsewhere": "UPDATE audit_rows SET address = '192.0.2.1' WHERE id = $1",
    "it was at another time": "UPDATE audit_rows SET at = at + interval '1 us' WHERE id = $1",
    "it was somebody else": (
        "UPDATE audit_rows SET organization_id = gen_random_uuid() WHERE id = $1"
    ),
    "it was in the other env": "UPDATE audit_rows SET env = 'LIVE' WHERE id = $1",
    "a refusal became a deed": "UPDATE audit_rows SET outcome = 'refused' WHERE id = $1",
    "its salt is another": "UPDATE audit_rows SET salt = gen_random_uuid() WHERE id = $1",
}


@asynccontextmanager
async def tampering(ledger: Ledger) -> AsyncGenerator[list[UUID]]:
    """Seal three updates and yield their rows; what is planted then is undone at the end."""
    world = ledger.world
    path = f"/organizations/{world.shop}/api-keys"
    made = await world.shop_test.post(path, json=KEY | {"name": f"k-{uuid4().hex[:12]}"})
    for number in range(3):
        patch = {"metadata": {"n": str(number)}}
        answer = await world.shop_test.patch(f"{path}/{made.json()['_id']}", json=patch)
        assert answer.status_code == 200
    while await seal(ledger.house):
        pass
    await ledger.verify()
    rows = await ledger.owner.fetch(
        "SELECT id FROM audit_rows WHERE target_id = $1 AND event = 'api_key.updated' "
        "ORDER BY tx, id",
        UUID(made.json()["_id"]),
    )
    transaction = ledger.owner.transaction()
    await transaction.start()
    try:
        yield [row["id"] for row in rows]
    finally:
        await transaction.rollback()
        await ledger.verify()


@pytest.mark.parametrize("kind", ROW_TAMPERINGS)
async def test_a_changed_row_is_named(ledger: Ledger, kind: str) -> None:
    async with tampering(ledger) as (_, row, _):
        assert await ledger.owner.execute(ROW_TAMPERINGS[kind], row) == "UPDATE 1"
        with pytest.raises(Tampered, match=f"^Row {row} .*was changed after it was sealed"):
            await ledger.verify()


async def test_a_deleted_row_is_named_by_its_neighbour(ledger: Ledger) -> None:
    async with tampering(ledger) as (_, row, following):
        await ledger.owner.execute("DELETE FROM audit_rows WHERE id = $1", row)
        with pytest.raises(Tampered) as caught:
            await ledger.verify()
        assert "missing" in str(caught.value)
        assert str(following) in str(caught.value) or "Seal" in str(caught.value)


async def test_a_tail_that_was_cut_off_is_noticed(ledger: Ledger) -> None:
    async with tampering(ledger) as (_, _, last):
        await ledger.owner.execute("DELETE FROM audit_rows WHERE id = $1", last)
        with pytest.raises(Tampered, match=r"^Seal \d+ is over \d+ rows .* are missing$"):
            await ledger.verify()


async def test_a_row_that_was_slipped_in_is_named(ledger: Ledger) -> None:
    async with tampering(ledger) as (_, row, _):
        forged = uuid4()
        await ledger.owner.execute(_COPY, row, forged)
        with pytest.raises(Tampered, match=r"slipped in|stands in another's place"):
            await ledger.verify()


@pytest.mark.parametrize("change", ["epoch = 0", "epoch = 99", "tx = 1"])
async def test_a_row_that_was_moved_out_of_its_place_is_noticed(
    ledger: Ledger, change: str
) -> None:
    async with tampering(ledger) as (_, _, row):
        await ledger.owner.execute(f"UPDATE audit_rows SET {change} WHERE id = $1", row)  # noqa: S608
        with pytest.raises(Tampered):
            await ledger.verify()


async def test_two_rows_that_changed_places_are_noticed(ledger: Ledger) -> None:
    async with tampering(ledger) as (one, two, _):
        swap = (
            "UPDATE audit_rows a SET details = b.details, before = b.before, after = b.after "
            "FROM audit_rows b WHERE a.id IN ($1, $2) AND b.id IN ($1, $2) AND a.id <> b.id"
        )
        assert await ledger.owner.execute(swap, one, two) == "UPDATE 2"
        with pytest.raises(Tampered, match=f"^Row {one}"):
            await ledger.verify()


async def test_rows_in_another_order_are_noticed(ledger: Ledger) -> None:
    async with tampering(ledger) as (one, two, _):
        swap = (
            "UPDATE audit_rows a SET tx = b.tx FROM audit_rows b "
            "WHERE a.id IN ($1, $2) AND b.id IN ($1, $2) AND a.id <> b.id"
        )
        await ledger.owner.execute(swap, one, two)
        with pytest.raises(Tampered, match=f"{one}|{two}"):
            await ledger.verify()


async def test_a_deleted_seal_is_noticed(ledger: Ledger) -> None:
    async with tampering(ledger):
        middle = f"DELETE FROM audit_seals WHERE number = {_NEWEST} - 1"  # noqa: S608
        await ledger.owner.execute(middle)
        with pytest.raises(Tampered, match=r"^Seal \d+ follows seal \d+: seals are missing"):
            await ledger.verify()


async def test_rows_whose_seal_was_deleted_too_are_noticed_by_whoever_kept_it(
    ledger: Ledger,
) -> None:
    """Within the database alone nothing tells a tail that was cut off with its seal."""
    async with tampering(ledger) as (_, _, last):
        kept = await ledger.verify()
        find = "SELECT epoch, tx FROM audit_rows WHERE id = $1"
        epoch, tx = await ledger.owner.fetchrow(find, last) or (0, 0)
        cut = "SELECT tx_from FROM audit_seals WHERE epoch = $1 AND tx_upto > $2 ORDER BY 1 LIMIT 1"
        start = await ledger.owner.fetchval(cut, epoch, tx)
        for table, column in (("audit_rows", "tx"), ("audit_seals", "tx_from")):
            gone = f"DELETE FROM {table} WHERE epoch = $1 AND {column} >= $2"  # noqa: S608
            await ledger.owner.execute(gone, epoch, start)
        assert (await ledger.verify()).seals < kept.seals
        with pytest.raises(Tampered, match=f"^Seal {kept.seals}, which you have kept, is missing"):
            await ledger.verify(**{f"n{kept.seals}": kept.last_seal})


async def test_an_older_copy_that_went_on_differently_is_noticed_by_whoever_kept_a_seal(
    ledger: Ledger,
) -> None:
    async with tampering(ledger):
        number = (await ledger.verify()).seals
        with pytest.raises(Tampered, match=f"^Seal {number} is not the one you have kept"):
            await ledger.verify(**{f"n{number}": "0" * 64})


async def test_renumbered_seals_are_noticed(ledger: Ledger) -> None:
    async with tampering(ledger):
        for change in (f"number = -1 WHERE number = {_NEWEST}", "number = 9999 WHERE number = -1"):
            await ledger.owner.execute(f"UPDATE audit_seals SET {change}")  # noqa: S608
        move = f"UPDATE audit_seals SET number = {_NEWEST} + 1 WHERE number = 1"  # noqa: S608
        await ledger.owner.execute(move)
        with pytest.raises(Tampered, match=r"^Seal \d+"):
            await ledger.verify()


@pytest.mark.parametrize("part", ["body", "leaves", "signature"])
async def test_a_changed_seal_is_noticed(ledger: Ledger, part: str) -> None:
    changes = {
        "body": """body = replace(body, '"kind":"rows"', '"kind":"more"')""",
        "leaves": "leaves = set_byte(leaves, 0, get_byte(leaves, 0) # 1)",
        "signature": "signature = set_byte(signature, 3, get_byte(signature, 3) # 1)",
    }
    async with tampering(ledger):
        change = f"UPDATE audit_seals SET {changes[part]} WHERE number = {_NEWEST}"  # noqa: S608
        assert await ledger.owner.execute(change) == "UPDATE 1"
        with pytest.raises(Tampered, match=r"^Seal \d+ was changed"):
            await ledger.verify()


async def test_a_seal_that_was_forged_with_another_key_is_noticed(ledger: Ledger) -> None:
    """A row is changed, and its seal made anew with everything right but the key."""
    forger = Keyring({1: b"forger" * 6})
    async with tampering(ledger) as (_, _, row):
        await ledger.owner.execute("UPDATE audit_rows SET event = 'x.y' WHERE id = $1", row)
        await _seal_anew(ledger, forger)
        with pytest.raises(Tampered, match="signed with a key that you do not trust"):
            await ledger.verify()
        both = ledger.keys | dict(seals.public_keys(forger))
        verify(await ledger.lines(), both, {})


async def test_a_seal_that_was_forged_in_the_name_of_our_key_is_noticed(ledger: Ledger) -> None:
    forger = Keyring({1: b"forger" * 6})
    own_id = next(iter(ledger.keys))
    async with tampering(ledger) as (_, _, row):
        await ledger.owner.execute("UPDATE audit_rows SET event = 'x.y' WHERE id = $1", row)
        await _seal_anew(ledger, forger, named=own_id)
        with pytest.raises(Tampered, match="its signature is wrong"):
            await ledger.verify()


async def _seal_anew(ledger: Ledger, keyring: Keyring, named: str | None = None) -> None:
    newest = f"SELECT * FROM audit_seals WHERE number = {_NEWEST}"  # noqa: S608
    row = await ledger.owner.fetchrow(newest)
    assert row is not None
    leaves = await ledger.owner.fetchval(
        "SELECT string_agg(audit_leaf_hash(a), '' ORDER BY tx, id) FROM audit_rows a "
        "WHERE epoch = $1 AND tx >= $2 AND tx < $3",
        row["epoch"],
        row["tx_from"],
        row["tx_upto"],
    )
    body = json.decode(row["body"], type=SealBody)
    split = seals.split_leaves(leaves)
    body = structs.replace(body, root=seals.root_of(split).hex(), count=len(split))
    signed = seals.sign(keyring, body)
    if named is not None:
        text = json.encode(structs.replace(body, key_id=named))
        key: Ed25519PrivateKey = seals.key_of(keyring)
        signed.body, signed.signature = text.decode(), key.sign(seals.SIGNED_FOR + text)
    await ledger.owner.execute(
        "UPDATE audit_seals SET body = $2, signature = $3, leaves = $4 WHERE number = $1",
        row["number"],
        signed.body,
        signed.signature,
        leaves,
    )


async def test_an_export_that_breaks_off_or_is_damaged_is_noticed(ledger: Ledger) -> None:
    lines = await ledger.lines()
    for wrong in (
        lines[:-1],
        lines[: len(lines) // 2],
        [*lines[:3], lines[3][:-5], *lines[4:]],
        [*lines[:3], "[]", *lines[3:]],
        [*lines[:1], '{"seal": "{}"}', *lines[1:]],
    ):
        with pytest.raises(Tampered, match=r"breaks off|damaged"):
            verify(wrong, ledger.keys, {})
