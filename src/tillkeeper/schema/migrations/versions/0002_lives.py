"""Keys with limits and a life of their own; organizations with a status."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REACH = postgresql.ENUM("self", "managed", "listed", "all", name="key_reach", create_type=False)
STATUS = postgresql.ENUM(
    "active",
    "suspended",
    "archived",
    "pending_deletion",
    name="organization_status",
    create_type=False,
)
_DOORS = Path(__file__).with_name("doors_0002.sql")
_DOOR_SIGNATURES = (
    "find_login(text, bytea[], inet)",
    "effective_status(uuid)",
    "enter(text, uuid, uuid, env, integer, inet, uuid, text, bytea, bytea)",
)
_TIME = postgresql.TIMESTAMP(timezone=True)

_WALL = f"""
ALTER POLICY wall_1_organization ON organizations
  USING (CASE WHEN id = {walls.NARROW} OR ({walls.WIDE} = ANY (reached_by) AND {walls.IN_KEY_REACH})
    THEN true ELSE false END);
"""
_GRANTS = """
GRANT SELECT (expires_at, not_before, permissions, reach, reach_organization_ids, allowed_ips,
  areas, vat_number, generation, previous_ends_at) ON api_keys TO tillkeeper_api;
GRANT UPDATE (status, status_reason, grace_ends_at, purge_at, is_delete_protected)
  ON organizations TO tillkeeper_api;
"""


def upgrade() -> None:
    REACH.create(op.get_bind())
    STATUS.create(op.get_bind())
    for table, columns in (("api_keys", _of_keys()), ("organizations", _of_organizations())):
        for column in columns:
            op.add_column(table, column)
    op.create_check_constraint(
        op.f("ck_api_keys_listed"),
        "api_keys",
        "(reach = 'listed') = (reach_organization_ids IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_organizations_purged_is_pending"),
        "organizations",
        "purge_at IS NULL OR status = 'pending_deletion'",
    )
    _run(_WALL)
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _of_keys() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("expires_at", _TIME, nullable=True),
        sa.Column("not_before", _TIME, nullable=True),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("reach", REACH, server_default="all", nullable=False),
        sa.Column("reach_organization_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("allowed_ips", postgresql.ARRAY(postgresql.CIDR()), nullable=True),
        sa.Column("areas", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("vat_number", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("previous_digest", sa.LargeBinary(), nullable=True),
        sa.Column("previous_ends_at", _TIME, nullable=True),
    )


def _of_organizations() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("status", STATUS, server_default="active", nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("grace_ends_at", _TIME, nullable=True),
        sa.Column("purge_at", _TIME, nullable=True),
        sa.Column("is_delete_protected", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
