"""Whom a reader may know of those above: contacts, and who manages a key."""

from pathlib import Path
from typing import Any

from alembic import op

from tillkeeper.schema import walls

revision = "0016"
down_revision = "0017"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0016.sql")


def upgrade() -> None:
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in ("is_person_reached(uuid, uuid)", "manages(uuid, uuid)"):
        _run(walls.hang_door(signature))


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
