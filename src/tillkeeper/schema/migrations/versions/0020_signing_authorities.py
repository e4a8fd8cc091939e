"""The authorities that certify the keys of TSS, one line of them for each env."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls
from tillkeeper.schema.base import ENV

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0020.sql")
_DOOR_SIGNATURES = (
    "list_signing_authorities()",
    "add_signing_authority(integer, text, bytea, bytea, bytea, bytea)",
    "find_signing_chain(text)",
)
_GRANTS = """
GRANT SELECT, INSERT ON signing_authorities TO tillkeeper_doors;
"""


def upgrade() -> None:
    op.create_table(
        "signing_authorities",
        sa.Column("env", postgresql.ENUM(name=ENV.name, create_type=False), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("issuer_id", sa.Text(), nullable=False),
        sa.Column("root_certificate", sa.LargeBinary(), nullable=False),
        sa.Column("root_key", sa.LargeBinary(), nullable=False),
        sa.Column("issuer_certificate", sa.LargeBinary(), nullable=False),
        sa.Column("issuer_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("env", "generation", name=op.f("pk_signing_authorities")),
        sa.UniqueConstraint("issuer_id", name=op.f("uq_signing_authorities_issuer_id")),
    )
    _run(walls.close_off("signing_authorities", organization="false", env=None))
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
