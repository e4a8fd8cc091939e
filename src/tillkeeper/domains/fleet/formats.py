"""The fleet as a sheet."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tillkeeper.core.sheets import harmless
from tillkeeper.domains.fleet.wire import FleetFormat, FleetTss

MEDIA_TYPE: Final = "text/csv; header=present"
"""The framework adds the charset."""
_MOMENTS: Final = ("certificate_ends_at", "last_signed_at", "time_creation")
COLUMNS: Final = (
    "organization_id",
    "organization_name",
    "id",
    "state",
    "serial_number",
    "description",
    "number_registered_clients",
    "signature_counter",
    "transaction_counter",
    "certificate_ends_at",
    "last_signed_at",
    "time_creation",
    "replaces",
    "replaced_by",
)


def format_of(accept: str) -> FleetFormat:
    """Return the format that an Accept header asks for."""
    return FleetFormat.CSV if "text/csv" in accept else FleetFormat.JSON


def write_head() -> bytes:
    """Write the names of the columns."""
    return _lines([COLUMNS])


def write_rows(entries: Sequence[FleetTss]) -> bytes:
    """Write one line a TSS, with times that people read."""
    return _lines([[_cell(entry, name) for name in COLUMNS] for entry in entries])


def _cell(entry: FleetTss, name: str) -> str:
    value = getattr(entry, name)
    if name in _MOMENTS and value is not None:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return harmless(value)


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()
