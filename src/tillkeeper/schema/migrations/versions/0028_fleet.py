"""What is asked of many TSS at once: which stands in for which, when they end, what a day was."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from cryptography import x509
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls
from tillkeeper.schema.base import ENV

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_GRANTS = """
GRANT SELECT, INSERT, UPDATE (started) ON transaction_months TO tillkeeper_api;
"""
_MONTHS_SO_FAR = """
WITH days AS (
  SELECT organization_id, env, tss_id, count(*)::integer AS number,
    (to_timestamp(time_start) AT TIME ZONE 'Europe/Berlin')::date AS day
  FROM transactions GROUP BY 1, 2, 3, 5),
months AS (
  SELECT organization_id, env, tss_id, date_trunc('month', day)::date AS month,
    array_agg(extract(day FROM day)::integer) AS days, array_agg(number) AS numbers
  FROM days GROUP BY 1, 2, 3, 4)
INSERT INTO transaction_months (organization_id, env, tss_id, month, started)
SELECT organization_id, env, tss_id, month,
  (SELECT array_agg(coalesce(found.number, 0) ORDER BY one.day)
   FROM generate_series(1, 31) AS one (day)
   LEFT JOIN unnest(days, numbers) AS found (day, number) ON found.day = one.day)
FROM months
"""
_END = sa.text(
    "UPDATE tss SET certificate_ends_at = :ends_at "
    "WHERE organization_id = :organization_id AND env = CAST(:env AS env) AND id = :id"
)
# Certificates are public, and keys stay where they are.
_DOOR = """
CREATE FUNCTION list_signing_certificates()
RETURNS TABLE (issuer_certificate bytea, root_certificate bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT a.issuer_certificate, a.root_certificate
  FROM signing_authorities a
  WHERE a.env = (SELECT nullif(current_setting('tillkeeper.env', true), '')::env)
  ORDER BY a.generation
$$;
"""


def upgrade() -> None:
    for table in ("tss", "tss_clients"):
        _let_replace(table)
    _create_months()
    op.add_column("tss", sa.Column("certificate_ends_at", sa.BigInteger(), nullable=True))
    # Whoever migrates may be no more than the owner's member, and the owner sees no rows.
    for table in ("tss", "transactions", "transaction_months"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    _read_ends()
    op.execute(_MONTHS_SO_FAR)
    for table in ("tss", "transactions", "transaction_months"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.alter_column("tss", "certificate_ends_at", nullable=False)
    _run(_DOOR + walls.hang_door("list_signing_certificates()"))


def _let_replace(table: str) -> None:
    """Let a row name another of its organization and env; nobody who serves may change it."""
    key = ["organization_id", "env"]
    op.add_column(table, sa.Column("replaces", sa.Uuid(), nullable=True))
    op.create_check_constraint(op.f(f"ck_{table}_replaces_another"), table, "replaces <> id")
    op.create_foreign_key(f"fk_{table}_replaces", table, table, [*key, "replaces"], [*key, "id"])
    op.create_index(
        f"uq_{table}_replaces",
        table,
        ["organization_id", "replaces", "env"],
        unique=True,
        postgresql_where=sa.text("replaces IS NOT NULL"),
    )


def _create_months() -> None:
    op.create_table(
        "transaction_months",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("env", postgresql.ENUM(name=ENV.name, create_type=False), nullable=False),
        sa.Column("tss_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("started", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "month", "tss_id", "env", name=op.f("pk_transaction_months")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "env", "tss_id"],
            ["tss.organization_id", "tss.env", "tss.id"],
            name="fk_transaction_months_tss",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("cardinality(started) = 31", name=op.f("ck_transaction_months_days")),
    )
    _run(walls.close_off("transaction_months") + _GRANTS)


def _read_ends() -> None:
    """Read from the certificates that are there when they end."""
    connection = op.get_bind()
    asked = sa.text("SELECT organization_id, env::text, id, certificate FROM tss")
    for row in connection.execute(asked).mappings().all():
        ends_at = x509.load_der_x509_certificate(row["certificate"]).not_valid_after_utc
        whose = {name: row[name] for name in ("organization_id", "env", "id")}
        connection.execute(_END, {**whose, "ends_at": int(ends_at.timestamp())})


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
