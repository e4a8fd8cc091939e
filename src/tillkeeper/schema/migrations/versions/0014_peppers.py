"""Under which version of the pepper everything is stored, and which process holds which."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0014.sql")
_DOOR_SIGNATURES = (
    "find_login(text, bytea[], inet)",
    "renew_secret(uuid, env, uuid, bytea[], bytea, integer)",
    "renew_password(uuid, text, text)",
    "rotate_key(uuid, bytea, integer, integer)",
    "expire_previous_secret(uuid)",
    "claim_answer(bytea, bytea)",
    "hold_peppers(uuid, text, integer[], bytea[], integer, integer)",
    "list_pepper_holders()",
    "list_stored_versions()",
    "count_pepper_needs(integer)",
)
_GRANTS = """
GRANT UPDATE (pepper_version) ON kept_answers TO tillkeeper_api;
GRANT UPDATE (pepper_version, previous_pepper_version) ON api_keys TO tillkeeper_doors;
GRANT SELECT, INSERT, UPDATE, DELETE ON pepper_holders TO tillkeeper_doors;
"""
_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    for name in ("pepper_version", "previous_pepper_version"):
        op.add_column("api_keys", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("kept_answers", sa.Column("pepper_version", sa.Integer(), nullable=True))
    op.create_table(
        "pepper_holders",
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("tokens_end_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("process_id", "version", name=op.f("pk_pepper_holders")),
    )
    _run(walls.close_off("pepper_holders", organization="false", env=None))
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
