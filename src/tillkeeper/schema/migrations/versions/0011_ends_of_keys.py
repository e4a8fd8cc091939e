"""Keys whose secret is found, with the policy that decides about them; and notices of their end."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0011.sql")
_DOOR_SIGNATURES = (
    "report_leaks(bytea[], timestamptz, text, text, text)",
    "sort_leaks(integer)",
    "settle_leak(bytea, uuid)",
    "list_due_notices(timestamptz, integer)",
)
_GRANTS = """
GRANT UPDATE (leaked_key_policy) ON organizations TO tillkeeper_api;
GRANT SELECT (leaked_at, noticed, noticed_for, notice_stage),
  UPDATE (leaked_at, noticed, noticed_for) ON api_keys TO tillkeeper_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON leak_reports TO tillkeeper_doors;
"""
_TIME = postgresql.TIMESTAMP(timezone=True)


_NOTICE_STAGE = (
    "CASE WHEN noticed_for = expires_at THEN noticed "
    "WHEN expires_at - created_at < interval '1 day' THEN 3 "
    "WHEN expires_at - created_at < interval '7 days' THEN 2 "
    "WHEN expires_at - created_at < interval '30 days' THEN 1 ELSE 0 END"
)


def upgrade() -> None:
    _create_leaks()
    _create_notices()
    _run(walls.close_off("leak_reports", organization="false", env=None))
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _create_leaks() -> None:
    policy = postgresql.ENUM("report", "disable", name="leaked_key_policy")
    policy.create(op.get_bind())
    op.add_column(
        "organizations",
        sa.Column(
            "leaked_key_policy",
            postgresql.ENUM(name="leaked_key_policy", create_type=False),
            nullable=True,
        ),
    )
    op.add_column("api_keys", sa.Column("leaked_at", _TIME, nullable=True))
    op.create_index(op.f("ix_api_keys_secret_digest"), "api_keys", ["secret_digest"])
    op.create_index(
        op.f("ix_api_keys_previous_digest"),
        "api_keys",
        ["previous_digest"],
        postgresql_where=sa.text("previous_digest IS NOT NULL"),
    )
    op.create_table(
        "leak_reports",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_leak_reports")),
    )


def _create_notices() -> None:
    op.add_column("api_keys", sa.Column("noticed", sa.SmallInteger(), nullable=True))
    op.add_column("api_keys", sa.Column("noticed_for", _TIME, nullable=True))
    # What is over by now is no news.
    op.execute(
        "UPDATE api_keys SET noticed = 4, noticed_for = expires_at WHERE expires_at <= now()"
    )
    op.add_column(
        "api_keys",
        sa.Column(
            "notice_stage",
            sa.SmallInteger(),
            sa.Computed(_NOTICE_STAGE, persisted=True),
            nullable=False,
        ),
    )
    op.create_index(
        "ix_api_keys_by_notice",
        "api_keys",
        ["notice_stage", "expires_at"],
        postgresql_where=sa.text(
            "status = 'enabled' AND expires_at IS NOT NULL AND notice_stage < 4"
        ),
    )


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
