"""The foundation: organizations, keys, people, addresses, trail, kept answers, and their walls."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ENV = postgresql.ENUM("TEST", "LIVE", name="env", create_type=False)
_DOORS = Path(__file__).with_name("doors_0001.sql")

_ROLES = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tillkeeper_owner') THEN
    CREATE ROLE tillkeeper_owner NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tillkeeper_doors') THEN
    CREATE ROLE tillkeeper_doors NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tillkeeper_api') THEN
    CREATE ROLE tillkeeper_api NOLOGIN;
  END IF;
END $$;
GRANT tillkeeper_owner, tillkeeper_doors TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO tillkeeper_owner, tillkeeper_doors;
GRANT USAGE ON SCHEMA public TO tillkeeper_owner, tillkeeper_doors, tillkeeper_api;
"""

_GRANTS = """
REVOKE CREATE ON SCHEMA public FROM tillkeeper_owner, tillkeeper_doors;
GRANT SELECT ON organizations, api_keys, users, memberships, kept_answers TO tillkeeper_doors;
GRANT INSERT, UPDATE ON users, kept_answers TO tillkeeper_doors;
GRANT DELETE ON kept_answers TO tillkeeper_doors;
GRANT INSERT ON audit_rows TO tillkeeper_doors;
GRANT UPDATE (administered_by_organization_id, reached_by) ON organizations TO tillkeeper_doors;
GRANT UPDATE (managed_by_organization_id) ON api_keys TO tillkeeper_doors;

GRANT SELECT, INSERT, DELETE ON organizations TO tillkeeper_api;
GRANT UPDATE (envs, name, display_name, address_line1, address_line2, zip, town, state,
  country_code, tax_number, vat_id, economy_id, external_id, metadata, contact_person_id,
  contact_person_is_above, gln, withhold_billing, bill_to_organization, managed_configuration,
  billing_address_organization_id, billing_address_id) ON organizations TO tillkeeper_api;
GRANT SELECT (organization_id, env, id, key, name, status, metadata, managed_by_organization_id,
  created_at, created_by_user, created_by_organization_id) ON api_keys TO tillkeeper_api;
GRANT INSERT, DELETE, UPDATE (status, metadata) ON api_keys TO tillkeeper_api;
GRANT SELECT, INSERT, DELETE, UPDATE (role) ON memberships TO tillkeeper_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON billing_addresses TO tillkeeper_api;
GRANT INSERT ON audit_rows, outbox_rows TO tillkeeper_api;
GRANT SELECT (organization_id, env, id), UPDATE (status, answer, answer_ends_at)
  ON kept_answers TO tillkeeper_api;
"""

_OWN_OR_IN_REACH = f"organization_id = {walls.ACTOR_OF} OR {walls.IN_REACH}"
_OF_ORGANIZATIONS: dict[str, str | None] = {
    "organization": f"id = {walls.NARROW} OR {walls.WIDE} = ANY (reached_by)",
    "env": f"{walls.ENV} = ANY (envs) OR id = {walls.ACROSS}",
}
_WALLS: dict[str, dict[str, Any]] = {
    "organizations": _OF_ORGANIZATIONS,
    "api_keys": {},
    "memberships": {"organization": _OWN_OR_IN_REACH, "env": None},
    "billing_addresses": {"organization": _OWN_OR_IN_REACH, "env": None},
    "users": {"organization": "false", "env": None},
    "audit_rows": {"organization": _OWN_OR_IN_REACH},
    "outbox_rows": {},
    "kept_answers": {"organization": f"organization_id = {walls.ACTOR_OF}"},
}
_DOOR_SIGNATURES = (
    "find_login(text, bytea[])",
    "find_person(text)",
    "find_membership(uuid, uuid, env)",
    "record_refused_login(text, text, uuid, timestamptz, text)",
    "claim_person(uuid, text, text, timestamptz)",
    "set_password(text, text)",
    "reaches(uuid, uuid)",
    "find_payer(uuid, uuid)",
    "is_live(uuid)",
    "is_needed(uuid)",
    "count_pointers_to_address(uuid, uuid)",
    "hand_over(uuid)",
    "is_manned(uuid)",
    "list_roots(integer)",
    "sweep_kept_answers(integer)",
    "enter(text, uuid, uuid, env, uuid, text, bytea, bytea)",
)


def upgrade() -> None:
    _run(_ROLES)
    _create_tables()
    for table, rules in _WALLS.items():
        _run(walls.close_off(table, **rules))
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))


def _create_tables() -> None:
    ENV.create(op.get_bind())
    _create_audit_rows()
    _create_outbox_rows()
    _create_users()
    _create_organizations()
    _create_api_keys()
    _create_billing_addresses()
    _create_kept_answers()
    _create_memberships()
    op.create_foreign_key(
        "fk_organizations_billing_address",
        "organizations",
        "billing_addresses",
        ["billing_address_organization_id", "billing_address_id"],
        ["organization_id", "id"],
    )


def _create_audit_rows() -> None:
    op.create_table(
        "audit_rows",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("env", ENV, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_organization_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "env", "id", name=op.f("pk_audit_rows")),
    )


def _create_outbox_rows() -> None:
    op.create_table(
        "outbox_rows",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("env", ENV, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "env", "id", name=op.f("pk_outbox_rows")),
    )


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("compact_email", sa.Text(), nullable=False),
        sa.Column("password_digest", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("compact_email", name=op.f("uq_users_compact_email")),
    )


def _create_organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "type",
            sa.Text(),
            sa.Computed(
                "CASE WHEN managed_by_organization_id IS NULL "
                "THEN 'ORGANIZATION' ELSE 'MANAGED_ORGANIZATION' END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("envs", postgresql.ARRAY(ENV), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("address_line1", sa.Text(), nullable=False),
        sa.Column("address_line2", sa.Text(), nullable=True),
        sa.Column("zip", sa.Text(), nullable=False),
        sa.Column("town", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("country_code", sa.Text(), nullable=False),
        sa.Column("tax_number", sa.Text(), nullable=True),
        sa.Column("vat_id", sa.Text(), nullable=True),
        sa.Column("economy_id", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("contact_person_id", sa.Uuid(), nullable=True),
        sa.Column(
            "contact_person_is_above", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("gln", sa.Text(), nullable=True),
        sa.Column("withhold_billing", sa.Boolean(), nullable=True),
        sa.Column("bill_to_organization", sa.Uuid(), nullable=True),
        sa.Column("managed_configuration", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("billing_address_organization_id", sa.Uuid(), nullable=True),
        sa.Column("billing_address_id", sa.Uuid(), nullable=True),
        sa.Column("managed_by_organization_id", sa.Uuid(), nullable=True),
        sa.Column("administered_by_organization_id", sa.Uuid(), nullable=True),
        sa.Column("reached_by", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column(
            "parent_organization_id",
            sa.Uuid(),
            sa.Computed("reached_by[2]", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "main_organization_id",
            sa.Uuid(),
            sa.Computed("coalesce(managed_by_organization_id, id)", persisted=True),
            nullable=False,
        ),
        sa.Column(
            "root_organization_id",
            sa.Uuid(),
            sa.Computed("reached_by[cardinality(reached_by)]", persisted=True),
            nullable=False,
        ),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_by_user", sa.Uuid(), nullable=False),
        sa.Column("created_by_organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "envs[1] = 'TEST' AND cardinality(envs) <= 2", name=op.f("ck_organizations_envs")
        ),
        sa.CheckConstraint(
            "bill_to_organization <> id", name=op.f("ck_organizations_not_its_own_payer")
        ),
        sa.CheckConstraint(
            "managed_by_organization_id IS NULL OR administered_by_organization_id IS NULL",
            name=op.f("ck_organizations_one_above"),
        ),
        sa.CheckConstraint(
            "reached_by[1] = id AND cardinality(reached_by) <= 3",
            name=op.f("ck_organizations_reach"),
        ),
        sa.CheckConstraint(
            "reached_by[2] IS NOT DISTINCT FROM "
            "coalesce(managed_by_organization_id, administered_by_organization_id)",
            name=op.f("ck_organizations_reached_from_above"),
        ),
        sa.CheckConstraint(
            "withhold_billing IS NOT TRUE OR bill_to_organization IS NOT NULL",
            name=op.f("ck_organizations_withheld_has_payer"),
        ),
        sa.ForeignKeyConstraint(
            ["administered_by_organization_id"],
            ["organizations.id"],
            name=op.f("fk_organizations_administered_by_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["bill_to_organization"],
            ["organizations.id"],
            name=op.f("fk_organizations_bill_to_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["contact_person_id"],
            ["users.id"],
            name=op.f("fk_organizations_contact_person_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["managed_by_organization_id"],
            ["organizations.id"],
            name=op.f("fk_organizations_managed_by_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
    )
    op.create_index(
        op.f("ix_organizations_bill_to_organization"),
        "organizations",
        ["bill_to_organization"],
        unique=False,
        postgresql_where=sa.text("bill_to_organization IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_organizations_billing_address_id"),
        "organizations",
        ["billing_address_id"],
        unique=False,
        postgresql_where=sa.text("billing_address_id IS NOT NULL"),
    )
    op.create_index(
        "ix_organizations_by_main",
        "organizations",
        ["main_organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_organizations_by_parent",
        "organizations",
        ["parent_organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_organizations_by_root",
        "organizations",
        ["root_organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_organizations_contact_person_id"),
        "organizations",
        ["contact_person_id"],
        unique=False,
        postgresql_where=sa.text("contact_person_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_organizations_external_id"),
        "organizations",
        ["external_id"],
        unique=False,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_organizations_tax_number"),
        "organizations",
        ["tax_number"],
        unique=False,
        postgresql_where=sa.text("tax_number IS NOT NULL"),
    )
    op.create_index(
        "uq_organizations_external_id_live",
        "organizations",
        ["parent_organization_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("'LIVE'::env = ANY (envs)"),
    )
    op.create_index(
        "uq_organizations_external_id_test",
        "organizations",
        ["parent_organization_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("envs = '{TEST}'::env[]"),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("env", ENV, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Enum("enabled", "disabled", name="key_status"), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("managed_by_organization_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_by_user", sa.Uuid(), nullable=False),
        sa.Column("created_by_organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["managed_by_organization_id"],
            ["organizations.id"],
            name=op.f("fk_api_keys_managed_by_organization_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_api_keys_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "env", "id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key", name=op.f("uq_api_keys_key")),
        sa.UniqueConstraint(
            "organization_id", "env", "name", name=op.f("uq_api_keys_organization_id_env_name")
        ),
    )
    op.create_index(
        op.f("ix_api_keys_managed_by_organization_id"),
        "api_keys",
        ["managed_by_organization_id"],
        unique=False,
    )


def _create_billing_addresses() -> None:
    op.create_table(
        "billing_addresses",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("address_line1", sa.Text(), nullable=False),
        sa.Column("address_line2", sa.Text(), nullable=True),
        sa.Column("zip", sa.Text(), nullable=False),
        sa.Column("town", sa.Text(), nullable=False),
        sa.Column("country_code", sa.Text(), nullable=False),
        sa.Column("vat_id", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_billing_addresses_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_billing_addresses")),
    )


def _create_kept_answers() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("env", ENV, nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("answer_ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_kept_answers_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "env", "id", name=op.f("pk_kept_answers")),
    )
    op.create_index(op.f("ix_kept_answers_ends_at"), "kept_answers", ["ends_at"], unique=False)


def _create_memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role", sa.Enum("owner", "admin", "billing", "member", name="role"), nullable=False
        ),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_memberships_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name=op.f("pk_memberships")),
    )
    op.create_index(op.f("ix_memberships_user_id"), "memberships", ["user_id"], unique=False)
