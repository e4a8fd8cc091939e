"""What the audit repeats of a row is on a reviewed list, and no secret is."""

import pytest

from tillkeeper.access.trail import Event
from tillkeeper.app import make_apps
from tillkeeper.schema import metadata
from tillkeeper.schema.recorded import recorded
from world import Connection

SILENT = {
    "agreements",
    "audit_rows",
    "audit_seals",
    "kept_answers",
    "key_uses",
    "leak_reports",
    "log_messages",
    "mails",
    "outbox_rows",
    "payer_periods",
    "pepper_holders",
    "rate_cells",
    "signing_authorities",
    "transaction_months",
    "users",
}
"""Reviewed: what records, counts, keeps answers, waits to be sent, or is nobody's: no row tells
their changes. Each signature is told by a signed message that says who made it."""
TOLD = sorted(set(metadata.tables) - SILENT)


@pytest.mark.parametrize("table", TOLD)
def test_every_table_that_is_written_says_what_of_it_is_recorded(table: str) -> None:
    names = {column.name for column in recorded(metadata.tables[table])}
    assert names
    assert not any("digest" in name or "secret" in name or "password" in name for name in names)


@pytest.mark.parametrize("table", TOLD)
async def test_the_login_reads_whatever_is_recorded(owner: Connection, table: str) -> None:
    """The grant on columns is the second lock: a digest on the list would fail every write."""
    for column in recorded(metadata.tables[table]):
        granted = "SELECT has_column_privilege('tillkeeper_api', $1, $2, 'SELECT')"
        assert await owner.fetchval(granted, table, column.name), column.name


def test_every_event_names_what_it_happened_to() -> None:
    assert make_apps(), "every noun is imported"
    events = Event.__subclasses__()
    assert len(events) >= 13
    for event in events:
        assert f"{event.target_kind()}_id" in event.__struct_fields__, event
