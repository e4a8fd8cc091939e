"""The audit log as a file: JSON lines, and CSV that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import json

from tillkeeper.core.sheets import CSV, harmless
from tillkeeper.domains.audit.wire import AuditEntry, AuditFormat

MEDIA_TYPES = {
    AuditFormat.CSV: CSV,
    AuditFormat.NDJSON: "application/x-ndjson",
}
_COLUMNS = (
    "id",
    "at",
    "organization_id",
    "env",
    "event",
    "outcome",
    "actor_kind",
    "actor_id",
    "actor_name",
    "acting_for",
    "address",
    "agent",
    "request_id",
    "target_kind",
    "target_id",
    "details",
    "before",
    "after",
)


def format_of(accept: str) -> AuditFormat:
    """Return the format that an Accept header asks for."""
    if "text/csv" in accept:
        return AuditFormat.CSV
    if "ndjson" in accept or "jsonl" in accept:
        return AuditFormat.NDJSON
    return AuditFormat.JSON


def write_lines(entries: Sequence[AuditEntry]) -> bytes:
    """Write one JSON object a line."""
    return b"".join(json.encode(entry) + b"\n" for entry in entries)


def write_csv(entries: Sequence[AuditEntry]) -> bytes:
    """Write a header and one line an entry; documents stand in their cells as JSON."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    writer.writerows([harmless(cell) for cell in _cells(entry)] for entry in entries)
    return text.getvalue().encode()


def _cells(entry: AuditEntry) -> list[object]:
    actor, target = entry.actor, entry.target
    return [
        entry.id,
        datetime.fromtimestamp(entry.at, UTC).isoformat(),
        entry.organization_id,
        entry.env,
        entry.event,
        entry.outcome,
        actor.kind,
        actor.id,
        actor.name,
        actor.acting_for,
        entry.address,
        entry.agent,
        entry.request_id,
        target.kind if target else None,
        target.id if target else None,
        *(None if d is None else json.encode(d).decode() for d in _documents(entry)),
    ]


def _documents(entry: AuditEntry) -> tuple[dict[str, object] | None, ...]:
    return entry.details, entry.before, entry.after
