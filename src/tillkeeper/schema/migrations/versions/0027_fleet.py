"""Which TSS and client stands in for which."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("tss", "tss_clients"):
        _let_replace(table)


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
