"""When keys were last used, from where and how often."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls
from tillkeeper.schema.base import ENV

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0005.sql")
_GRANTS = """
GRANT SELECT ON key_uses TO tillkeeper_api;
GRANT SELECT, INSERT, UPDATE ON key_uses TO tillkeeper_doors;
"""
_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "key_uses",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("env", postgresql.ENUM(name=ENV.name, create_type=False), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("request_count", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", _TIME, nullable=False),
        sa.Column("last_used_ip", postgresql.INET(), nullable=True),
        sa.Column("previous_used_at", _TIME, nullable=True),
        sa.Column("previous_used_ip", postgresql.INET(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "env", "key_id", name=op.f("pk_key_uses")),
        sa.ForeignKeyConstraint(
            ["organization_id", "env", "key_id"],
            ["api_keys.organization_id", "api_keys.env", "api_keys.id"],
            name="fk_key_uses_key",
            ondelete="CASCADE",
        ),
    )
    _run(walls.close_off("key_uses"))
    _run(_DOORS.read_text(encoding="utf-8"))
    _run(walls.hang_door("count_key_uses(jsonb)"))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
