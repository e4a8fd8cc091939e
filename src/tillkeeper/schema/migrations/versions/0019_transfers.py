"""Moves and handovers by agreement."""

from pathlib import Path
from typing import Any

from alembic import op

from tillkeeper.schema import walls

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0019.sql")
_DOOR_SIGNATURES = (
    "hand_over(uuid)",
    "analyse_transfer(uuid)",
    "execute_transfer(uuid, timestamptz)",
    "undo_transfer(uuid, timestamptz)",
)
_WITHIN_DOORS = (
    "judge_pointers(uuid, uuid[], boolean)",
    "reparent(uuid, uuid, uuid, boolean)",
    "give_payers_a_say(uuid)",
)
_GRANTS = """
GRANT SELECT ON billing_addresses TO tillkeeper_doors;
GRANT UPDATE (managed_by_organization_id, contact_person_id, contact_person_is_above,
  billing_address_organization_id, billing_address_id) ON organizations TO tillkeeper_doors;
"""


def upgrade() -> None:
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    for signature in _WITHIN_DOORS:
        _run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        _run(f"GRANT EXECUTE ON FUNCTION {signature} TO tillkeeper_doors")
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
