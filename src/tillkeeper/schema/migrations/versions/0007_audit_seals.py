"""Seals over the audit: their table, the encoding that they seal, and the sealer's doors."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op

from tillkeeper.schema import walls

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FUNCTIONS = Path(__file__).with_name("doors_0007.sql")
_DOOR_SIGNATURES = (
    "begin_seal(integer)",
    "write_seal(bigint, text, bytea, bytea, integer, bigint, bigint)",
    "list_seals(bigint, integer)",
    "find_seal(integer, bigint)",
)
_GRANTS = """
GRANT SELECT, INSERT ON audit_seals TO tillkeeper_doors;
"""
_ENCODINGS = ("audit_origin", "audit_content", "audit_leaf", "audit_leaf_hash")


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("tx_from", sa.BigInteger(), nullable=False),
        sa.Column("tx_upto", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_seals")),
    )
    op.create_index("ix_audit_seals_by_tx", "audit_seals", ["epoch", "tx_upto"], unique=False)
    _run(walls.close_off("audit_seals", organization="false", env=None))
    _run(_FUNCTIONS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    for name in _ENCODINGS:
        _run(f"""
        REVOKE ALL ON FUNCTION {name}(audit_rows) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION {name}(audit_rows) TO tillkeeper_api, tillkeeper_doors;
        """)
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
