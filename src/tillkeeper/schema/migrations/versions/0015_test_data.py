"""Wiping what is in TEST, and what a key may be told of another key and another organization."""

from pathlib import Path
from typing import Any

from alembic import op

from tillkeeper.schema import walls

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0015.sql")
_DOOR_SIGNATURES = (
    "is_leant_on(uuid)",
    "wipe_kept_answers(integer)",
    "reaches_in(uuid, uuid, env)",
    "find_own_limits(uuid)",
)
_GRANTS = "GRANT SELECT (organization_id, id) ON billing_addresses TO tillkeeper_doors"
# What a deletion asks of each row that goes: without them it walks the whole table every time.
_POINTERS = ("managed_by_organization_id", "administered_by_organization_id")


def upgrade() -> None:
    for name in _POINTERS:
        op.execute(
            f"CREATE INDEX ix_organizations_{name} ON organizations ({name}) "
            f"WHERE {name} IS NOT NULL"
        )
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
