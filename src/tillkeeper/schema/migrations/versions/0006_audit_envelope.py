"""The audit's envelope: from where, as what, on what, before and after; and who may read it."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FUNCTIONS = Path(__file__).with_name("doors_0006.sql")
_REFUSED_LOGIN = "record_refused_login(text, text, uuid, timestamptz, text, text, text)"
# The serving login writes what happened. The order, the epoch and the salt of a row are the
# database's own: who has taken the login over cannot choose them.
_GRANTS = """
REVOKE INSERT ON audit_rows FROM tillkeeper_api;
GRANT INSERT (organization_id, env, id, at, operation_id, actor_kind, actor_id,
  actor_organization_id, event, outcome, details, address, agent, target_kind, target_id, before,
  after) ON audit_rows TO tillkeeper_api;
GRANT SELECT ON audit_rows TO tillkeeper_api, tillkeeper_doors;
REVOKE ALL ON FUNCTION audit_sight(jsonb, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_sight(jsonb, uuid, uuid) TO tillkeeper_api;
"""


def upgrade() -> None:
    for column in _columns():
        op.add_column("audit_rows", column)
    op.create_index("ix_audit_rows_by_tx", "audit_rows", ["epoch", "tx", "id"], unique=False)
    op.create_index(
        "ix_audit_rows_by_organization", "audit_rows", ["organization_id", "id"], unique=False
    )
    _run("DROP FUNCTION record_refused_login(text, text, uuid, timestamptz, text)")
    _run(_FUNCTIONS.read_text(encoding="utf-8"))
    _run(walls.hang_door(_REFUSED_LOGIN))
    _run(_GRANTS)


def _columns() -> tuple[sa.Column[Any], ...]:
    """Rows that are there already get the order of this transaction, and a salt each."""
    return (
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("target_kind", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "tx",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
        sa.Column("epoch", sa.Integer(), server_default="1", nullable=False),
        sa.Column("salt", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
    )


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
