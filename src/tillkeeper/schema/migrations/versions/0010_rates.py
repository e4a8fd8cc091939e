"""Cells of rate limits: not logged, and behind doors alone."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0010.sql")
_DOOR_SIGNATURES = (
    "lease_cell(bytea, text, integer, integer, integer, bigint, bigint)",
    "sweep_rate_cells(integer)",
)
_GRANTS = "GRANT SELECT, INSERT, UPDATE, DELETE ON rate_cells TO tillkeeper_doors;"


def upgrade() -> None:
    op.create_table(
        "rate_cells",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("tat", sa.BigInteger(), nullable=False),
        sa.Column("leases", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("leases_end", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_cells")),
        prefixes=["UNLOGGED"],
    )
    # Cells change all the time and are few: room for new versions keeps them off the index.
    _run("ALTER TABLE rate_cells SET (fillfactor = 50)")
    _run(walls.close_off("rate_cells", organization="false", env=None))
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
