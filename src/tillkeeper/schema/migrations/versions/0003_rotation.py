"""Keys change their limits behind the walls, and their secrets through doors."""

from pathlib import Path
from typing import Any

from alembic import op

from tillkeeper.schema import walls

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0003.sql")
_DOOR_SIGNATURES = ("rotate_key(uuid, bytea, integer)", "expire_previous_secret(uuid)")
_GRANTS = """
GRANT UPDATE (expires_at, not_before, permissions, reach, reach_organization_ids, allowed_ips,
  areas, vat_number) ON api_keys TO tillkeeper_api;
GRANT UPDATE (secret_digest, generation, previous_digest, previous_ends_at)
  ON api_keys TO tillkeeper_doors;
"""


def upgrade() -> None:
    op.create_check_constraint(op.f("ck_api_keys_times"), "api_keys", "expires_at > not_before")
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
