"""Agreements, the consent of payers, and who paid from when to when."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None

_KIND = postgresql.ENUM("payer", "move", "handover", name="agreement_kind", create_type=False)
_PARTY = postgresql.ENUM(
    "asking", "paying", "giving", "receiving", "itself", name="agreement_party", create_type=False
)
_STATE = postgresql.ENUM(
    "proposed",
    "declined",
    "withdrawn",
    "expired",
    "executed",
    "undone",
    "ended",
    name="agreement_state",
    create_type=False,
)
_TIME = postgresql.TIMESTAMP(timezone=True)
_DOORS = Path(__file__).with_name("doors_0018.sql")
_DOOR_SIGNATURES = (
    "propose_agreement(uuid, agreement_kind, uuid, uuid, uuid, jsonb)",
    "lock_agreement(uuid)",
    "accept_agreement(uuid, uuid, timestamptz)",
    "close_agreement(uuid, agreement_state, timestamptz)",
    "record_agreement(uuid, uuid[], uuid[], jsonb)",
    "lock_concerned(uuid)",
    "analyse_payer(uuid)",
    "execute_payer(uuid, timestamptz)",
    "end_payer(uuid, timestamptz)",
    "keep_payer_periods()",
    "refuse_payer_circle()",
)
# What belongs to an organization as a whole has no env wall; the caller's own copy of an agreement
# is there for it wherever the path leads.
_OWN_OR_IN_REACH = f"organization_id = {walls.ACTOR_OF} OR {walls.IN_REACH}"
_GRANTS = """
REVOKE ALL ON FUNCTION is_payer_circle(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_payer_circle(uuid, uuid) TO tillkeeper_doors;

GRANT SELECT (organization_id, id, kind, state, about_organization_id, parties_wanted, note,
  withhold_billing, gln, proposed_at, expires_at, executed_at, undo_seconds, undo_ends_at,
  closed_at, party, with_organization_id, accepted_at) ON agreements TO tillkeeper_api;
GRANT SELECT ON payer_periods TO tillkeeper_api;
GRANT UPDATE (payer_named_by_organization_id) ON organizations TO tillkeeper_api;
GRANT SELECT, INSERT, UPDATE ON agreements TO tillkeeper_doors;
GRANT SELECT, INSERT, UPDATE, DELETE ON payer_periods TO tillkeeper_doors;
GRANT INSERT ON outbox_rows TO tillkeeper_doors;
GRANT UPDATE (bill_to_organization, withhold_billing, gln, payer_named_by_organization_id)
  ON organizations TO tillkeeper_doors;
"""
_TRIGGERS = """
CREATE TRIGGER payer_named AFTER INSERT ON organizations FOR EACH ROW
  WHEN (NEW.bill_to_organization IS NOT NULL) EXECUTE FUNCTION keep_payer_periods();
CREATE TRIGGER payer_changed AFTER UPDATE OF bill_to_organization, withhold_billing
  ON organizations FOR EACH ROW
  WHEN (OLD.bill_to_organization IS DISTINCT FROM NEW.bill_to_organization
    OR (NEW.bill_to_organization IS NOT NULL
      AND OLD.withhold_billing IS DISTINCT FROM NEW.withhold_billing))
  EXECUTE FUNCTION keep_payer_periods();
CREATE TRIGGER payer_circle BEFORE UPDATE OF bill_to_organization ON organizations FOR EACH ROW
  WHEN (NEW.bill_to_organization IS NOT NULL AND NEW.managed_by_organization_id IS NULL
    AND OLD.bill_to_organization IS DISTINCT FROM NEW.bill_to_organization)
  EXECUTE FUNCTION refuse_payer_circle();
"""
# Nobody wrote down since when the payers of today pay: they are known from now on.
_BEGIN = """
INSERT INTO payer_periods SELECT id, now(), NULL, bill_to_organization, withhold_billing, NULL
FROM organizations WHERE bill_to_organization IS NOT NULL;
"""


def upgrade() -> None:
    for kind in (_KIND, _PARTY, _STATE):
        kind.create(op.get_bind())
    op.add_column("organizations", sa.Column("payer_named_by_organization_id", sa.Uuid()))
    _create_agreements()
    _create_payer_periods()
    _run(walls.close_off("agreements", organization=_OWN_OR_IN_REACH, env=None))
    _run(walls.close_off("payer_periods", env=None))
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS + _BEGIN + _TRIGGERS)


def _create_agreements() -> None:
    op.create_table(
        "agreements",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", _KIND, nullable=False),
        sa.Column("state", _STATE, nullable=False),
        sa.Column("about_organization_id", sa.Uuid(), nullable=False),
        sa.Column("parties_wanted", sa.SmallInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("withhold_billing", sa.Boolean(), nullable=True),
        sa.Column("gln", sa.Text(), nullable=True),
        sa.Column("proposed_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("executed_at", _TIME, nullable=True),
        sa.Column("undo_seconds", sa.Integer(), nullable=False),
        sa.Column("undo_ends_at", _TIME, nullable=True),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.Column("party", _PARTY, nullable=False),
        sa.Column("with_organization_id", sa.Uuid(), nullable=True),
        sa.Column("accepted_at", _TIME, nullable=True),
        sa.Column("former", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_agreements_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_agreements")),
    )
    op.create_index(op.f("ix_agreements_id"), "agreements", ["id"])
    op.create_index("ix_agreements_by_time", "agreements", ["organization_id", "proposed_at", "id"])
    op.create_index("ix_agreements_about", "agreements", ["about_organization_id", "kind"])
    op.create_index(
        "uq_agreements_proposed",
        "agreements",
        ["organization_id", "about_organization_id", "kind"],
        unique=True,
        postgresql_where=sa.text("party IN ('asking', 'giving') AND state = 'proposed'"),
    )


def _create_payer_periods() -> None:
    op.create_table(
        "payer_periods",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=True),
        sa.Column("bill_to_organization", sa.Uuid(), nullable=True),
        sa.Column("withhold_billing", sa.Boolean(), nullable=True),
        sa.Column("named_by_organization_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_payer_periods_not_empty")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_payer_periods_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "starts_at", name=op.f("pk_payer_periods")),
    )
    op.create_index(
        "uq_payer_periods_open",
        "payer_periods",
        ["organization_id"],
        unique=True,
        postgresql_where=sa.text("ends_at IS NULL"),
    )


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
