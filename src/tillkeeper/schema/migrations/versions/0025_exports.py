"""Exports, and their walls."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls
from tillkeeper.schema.base import ENV

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0025.sql")
_STATE = postgresql.ENUM(
    "PENDING",
    "WORKING",
    "COMPLETED",
    "CANCELLED",
    "ERROR",
    name="export_state",
    create_type=False,
)
_JSONB = postgresql.JSONB(astext_type=sa.Text())
_GRANTS = """
GRANT SELECT, INSERT ON exports TO tillkeeper_api;
GRANT UPDATE (state, metadata, fence, done_upto, exception, file_path, time_start, time_end,
  time_expiration, time_error) ON exports TO tillkeeper_api;
GRANT SELECT ON exports TO tillkeeper_doors;
"""


def upgrade() -> None:
    _STATE.create(op.get_bind())
    _create_exports()
    _index_exports()
    _run(walls.close_off("exports"))
    _run(_DOORS.read_text(encoding="utf-8"))
    _run(walls.hang_door("list_due_exports(bigint, bigint, integer)"))
    _run(_GRANTS)


def _create_exports() -> None:
    op.create_table(
        "exports",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("env", postgresql.ENUM(name=ENV.name, create_type=False), nullable=False),
        sa.Column("tss_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", _STATE, nullable=False),
        sa.Column("filters", _JSONB, nullable=False),
        sa.Column("metadata", _JSONB, nullable=False),
        sa.Column("upto_counter", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done_upto", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("exception", sa.Text(), nullable=True),
        sa.Column("file_path", sa.Text(), nullable=True),
        sa.Column("time_request", sa.BigInteger(), nullable=False),
        *(
            sa.Column(f"time_{name}", sa.BigInteger(), nullable=True)
            for name in ("start", "end", "expiration", "error")
        ),
        sa.PrimaryKeyConstraint("organization_id", "env", "tss_id", "id", name=op.f("pk_exports")),
        sa.ForeignKeyConstraint(
            ["organization_id", "env", "tss_id"],
            ["tss.organization_id", "tss.env", "tss.id"],
            name="fk_exports_tss",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "file_path IS NULL OR state = 'COMPLETED'", name=op.f("ck_exports_file_of_completed")
        ),
        sa.CheckConstraint(
            "(exception IS NOT NULL) = (state = 'ERROR')",
            name=op.f("ck_exports_exception_of_error"),
        ),
    )


def _index_exports() -> None:
    op.create_index(
        "ix_exports_in_list_order", "exports", ["organization_id", "time_request", "id"]
    )
    op.create_index(
        "ix_exports_files",
        "exports",
        ["time_expiration"],
        postgresql_where=sa.text("file_path IS NOT NULL"),
    )
    op.create_index(
        "ix_exports_open",
        "exports",
        ["time_request"],
        postgresql_where=sa.text("time_end IS NULL AND time_error IS NULL"),
    )


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
