"""What the person at the machine may do with the whole audit: take it out, and declare a restore.

Works with the login that migrates, as the role of the doors: the serving login can do neither.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import asyncpg
from msgspec import json, structs

from tillkeeper.core.secrets import Keyring
from tillkeeper.domains.audit import seals
from tillkeeper.domains.audit.jobs import body_of
from tillkeeper.domains.audit.seal_queries import Pending
from tillkeeper.domains.audit.seals import SealBody, Signed
from tillkeeper.schema.migrate import SchemaRefusal

AnyConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Isolation = Literal["read_committed", "repeatable_read"]
_END_OF_EPOCH = (1 << 63) - 1
_LOCK = "SELECT pg_advisory_xact_lock(7402614112)"
_SEALS = "SELECT * FROM audit_seals ORDER BY number"
_ROW = (
    "SELECT audit_leaf(a) AS leaf, audit_origin(a) AS origin, audit_content(a) AS content "
    "FROM audit_rows a WHERE "
)
_SEALED = f"{_ROW} epoch = $1 AND tx >= $2 AND tx < $3 ORDER BY tx, id"
_YOUNG = f"{_ROW} epoch <> ALL ($1) OR (epoch = $2 AND tx >= $3) ORDER BY epoch, tx, id"
_WRITE = (
    "INSERT INTO audit_seals (number, body, signature, leaves, epoch, tx_from, tx_upto) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
_PENDING = """
SELECT coalesce(s.number, 0) + 1 AS number,
  coalesce(sha256(convert_to(s.body, 'UTF8')), decode(repeat('00', 32), 'hex')) AS previous,
  coalesce(s.epoch, 1) AS epoch, coalesce(s.tx_upto, 0) AS tx_from, $1::bigint AS tx_upto,
  (SELECT string_agg(audit_leaf_hash(a), ''::bytea ORDER BY a.tx, a.id) FROM audit_rows a
    WHERE a.epoch = coalesce(s.epoch, 1) AND a.tx >= coalesce(s.tx_upto, 0)) AS leaves,
  c.system_identifier::text AS system_identifier, p.timeline_id AS timeline,
  coalesce(s.body::jsonb ->> 'cluster', c.system_identifier::text) AS sealed_system,
  coalesce((s.body::jsonb ->> 'timeline')::integer, p.timeline_id) AS sealed_timeline
FROM pg_control_system() c, pg_control_checkpoint() p
LEFT JOIN (SELECT * FROM audit_seals ORDER BY number DESC LIMIT 1) s ON true
"""


@asynccontextmanager
async def open_ledger(url: str, isolation: Isolation) -> AsyncGenerator[AnyConnection]:
    """Open the audit of everybody, in one transaction as the role of the doors."""
    connection: AnyConnection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation=isolation):
            await connection.execute("SET LOCAL ROLE tillkeeper_doors")
            yield connection
    except asyncpg.InsufficientPrivilegeError as error:
        raise SchemaRefusal(
            "This login may not work with the audit of everybody: use the one that migrates"
        ) from error
    finally:
        await connection.close()


async def count_seals(connection: AnyConnection) -> int:
    """Return how many seals an export will have."""
    number: int = await connection.fetchval("SELECT count(*) FROM audit_seals")
    return number


async def export(
    connection: AnyConnection, keyring: Keyring, tick: Callable[[], None]
) -> AsyncGenerator[bytes]:
    """Yield the lines of an export: the keys, each seal with its rows, what is not sealed yet."""
    head = {"format": "tillkeeper audit", "v": 1, "at": seals.written_at(datetime.now(UTC))}
    yield json.encode(head | {"public_keys": dict(seals.public_keys(keyring))})
    epochs, last = [1], (1, 0, 0)
    async for seal in connection.cursor(_SEALS):
        parts = ("signature", "leaves")
        yield json.encode({"seal": seal["body"], **{name: seal[name].hex() for name in parts}})
        last = seal["epoch"], seal["tx_from"], seal["tx_upto"]
        epochs.append(seal["epoch"])
        async for row in connection.cursor(_SEALED, *last):
            yield _line(row)
        tick()
    async for row in connection.cursor(_YOUNG, epochs, last[0], last[2]):
        yield _line(row)
    yield json.encode({"end": True})


def _line(row: asyncpg.Record) -> bytes:
    return json.encode({"row": row["leaf"], "origin": row["origin"], "content": row["content"]})


async def declare_restored(connection: AnyConnection, keyring: Keyring) -> Signed:
    """Begin a new epoch: close the old one over all its rows, and sign where the new one begins.

    Writers wait meanwhile. From then on rows are counted in the new epoch, in whichever order the
    restored cluster numbers its transactions.
    """
    await connection.execute(_LOCK)
    await connection.execute("SET LOCAL ROLE tillkeeper_owner")
    await connection.execute("LOCK TABLE audit_rows IN SHARE ROW EXCLUSIVE MODE")
    await connection.execute("SET LOCAL ROLE tillkeeper_doors")
    old = await _pending(connection)
    await _store(connection, keyring, body_of(old, at=datetime.now(UTC)), old.leaves or b"")
    signed = await _store(connection, keyring, _beginning(await _pending(connection)), b"")
    await connection.execute("SET LOCAL ROLE tillkeeper_owner")
    default = f"ALTER TABLE audit_rows ALTER COLUMN epoch SET DEFAULT {old.epoch + 1:d}"
    await connection.execute(default)
    return signed


async def _pending(connection: AnyConnection) -> Pending:
    row = await connection.fetchrow(_PENDING, _END_OF_EPOCH)
    if row is None:
        raise LookupError("a cluster has an identity, so there is always a row")
    return Pending(**row)


def _beginning(pending: Pending) -> SealBody:
    return structs.replace(
        body_of(pending, at=datetime.now(UTC)),
        kind="restored",
        epoch=pending.epoch + 1,
        tx_from=0,
        tx_upto=0,
        cluster=pending.system_identifier,
        timeline=pending.timeline,
    )


async def _store(
    connection: AnyConnection, keyring: Keyring, body: SealBody, leaves: bytes
) -> Signed:
    signed = seals.sign(keyring, body)
    values = signed.number, signed.body, signed.signature, leaves
    await connection.execute(_WRITE, *values, body.epoch, body.tx_from, body.tx_upto)
    return signed
