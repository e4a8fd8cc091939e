"""After a restore every TSS leaves out the numbers that it may have given out since the backup."""

from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid4

import asyncpg
from msgspec import json

from tillkeeper.core.ids import mint_row_id
from tillkeeper.domains.tss.events import TssNumbersSkipped
from tillkeeper.domains.tss.rules import LIVING
from tillkeeper.surfaces.cli.audit_ledger import AnyConnection

_A_SECOND: Final = 1000
"""No TSS signs more than that: each signature is several round trips under the lock of its row."""
_SLACK_SECONDS: Final = 60
MOST: Final = 1_000_000_000
"""What a counter moves at once at the most: eleven days without a pause, and 32 bits hold two."""
_HOLD = "SELECT id FROM tss WHERE state::text = ANY ($1) ORDER BY id FOR NO KEY UPDATE"
_ELAPSED = """
SELECT extract(epoch FROM clock_timestamp())::bigint
  - coalesce(max(seen) FILTER (WHERE home <> signing_home()), max(seen))
FROM (SELECT greatest(last_signed_at, time_creation) AS seen, home FROM tss
  WHERE state::text = ANY ($1)) known
"""
_SKIP = """
UPDATE tss SET home = signing_home(), skipped = skipped + $2,
  signature_counter = signature_counter + $2, transaction_counter = transaction_counter + $2
WHERE state::text = ANY ($1) AND (home <> signing_home()
  OR NOT EXISTS (SELECT FROM tss WHERE state::text = ANY ($1) AND home <> signing_home()))
RETURNING organization_id, env::text, id, signature_counter, transaction_counter
"""
_AUDIT = """
INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
  actor_organization_id, event, outcome, details, target_kind, target_id)
SELECT organization_id, env::env, id, $5, $6, 'operator', $7, organization_id, $8, 'done', details,
  'tss', (details ->> 'tss_id')::uuid
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::jsonb[]) r (organization_id, env, id, details)
"""
_ANNOUNCE = """
INSERT INTO outbox_rows (organization_id, env, id, at, event, details)
SELECT organization_id, env::env, id, $5, $6, details
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::jsonb[]) r (organization_id, env, id, details)
"""


class Skip(NamedTuple):
    """How many TSS went on, and how many numbers further each."""

    tss: int
    numbers: int


async def hold_every_tss(connection: AnyConnection) -> None:
    """Wait for whoever signs, and let nobody begin until the transaction ends.

    First of all: whoever signs has locked its TSS before it writes into the audit.
    """
    await connection.execute("SET LOCAL ROLE tillkeeper_doors")
    await connection.execute(_HOLD, [*LIVING])


async def skip_numbers(connection: AnyConnection, wanted: int | None, operator_id: UUID) -> Skip:
    """Let each TSS of before the restore go on so many numbers further, and record it for each.

    Where no number is wanted it is what a TSS can have signed since the last signature of those in
    this copy: the backup was made after it. TSS that were made since stay as they are. A copy that
    cannot be told from the original is believed to be one: all of its TSS go on further.
    """
    await connection.execute("SET LOCAL ROLE tillkeeper_doors")
    numbers = await _at_most_signed(connection) if wanted is None else wanted
    rows = await connection.fetch(_SKIP, [*LIVING], numbers)
    if numbers:
        await _record(connection, rows, numbers, operator_id)
    return Skip(len(rows), numbers)


async def _at_most_signed(connection: AnyConnection) -> int:
    elapsed: int | None = await connection.fetchval(_ELAPSED, [*LIVING])
    return min(MOST, (max(0, elapsed or 0) + _SLACK_SECONDS) * _A_SECOND)


async def _record(
    connection: AnyConnection, rows: list[asyncpg.Record], numbers: int, operator_id: UUID
) -> None:
    events = [
        TssNumbersSkipped(
            tss_id=row["id"],
            skipped=str(numbers),
            signature_counter=str(row["signature_counter"]),
            transaction_counter=str(row["transaction_counter"]),
        )
        for row in rows
    ]
    whose = [row["organization_id"] for row in rows], [row["env"] for row in rows]
    ids, details = [mint_row_id() for _ in rows], [json.encode(each).decode() for each in events]
    shared = *whose, ids, details, datetime.now(UTC)
    name = TssNumbersSkipped.event_name()
    await connection.execute(_AUDIT, *shared, uuid4().hex, operator_id, name)
    await connection.execute(_ANNOUNCE, *shared, name)
