"""A handover keeps whom it counts on."""

from pathlib import Path
from typing import Any

from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0017.sql")
# A row is locked by who may update a column of it. No door changes a role.
_GRANTS = "GRANT UPDATE (role) ON memberships TO tillkeeper_doors"


def upgrade() -> None:
    _run(_DOORS.read_text(encoding="utf-8"))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
