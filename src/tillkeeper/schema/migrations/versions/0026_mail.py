"""Mail that waits to be sent."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0026.sql")
_DOOR_SIGNATURES = (
    "post_mail(uuid, uuid, language, bytea, integer, timestamptz, timestamptz)",
    "take_mails(integer, integer)",
    "settle_mail(uuid, boolean, integer)",
    "sweep_mails(integer, integer)",
    "list_key_keepers(uuid)",
    "is_still_keeper(uuid, uuid)",
)
_LANGUAGE = postgresql.ENUM("de", "en", "it", "pl", name="language")
_TIME = postgresql.TIMESTAMP(timezone=True)
# What is sealed hangs on a pepper: doors that know of peppers ask about mail too.
_COUNTED = """
  UNION ALL
  SELECT 'letters that wait', count(*) FROM mails m
    WHERE m.next_try_at IS NOT NULL AND m.pepper_version = wanted
"""
_STORED = """
  UNION
  SELECT m.pepper_version FROM mails m WHERE m.next_try_at IS NOT NULL
"""
_GRANTS = "GRANT SELECT, INSERT, UPDATE, DELETE ON mails TO tillkeeper_doors"


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("language", _LANGUAGE, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("pepper_version", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", _TIME, nullable=True),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_mails_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_organization_id", "mails", ["organization_id"])
    op.create_index(
        "ix_mails_due", "mails", ["next_try_at"], postgresql_where="next_try_at IS NOT NULL"
    )
    op.create_index(
        "ix_mails_settled", "mails", ["created_at"], postgresql_where="next_try_at IS NULL"
    )
    _run(walls.close_off("mails", organization="false", env=None))
    _run(_DOORS.read_text(encoding="utf-8"))
    for signature in _DOOR_SIGNATURES:
        _run(walls.hang_door(signature))
    _run(_GRANTS)
    _extend("count_pepper_needs", _COUNTED)
    _extend("list_stored_versions", _STORED)


def _extend(door: str, rest: str) -> None:
    """Let a door that is one query tell what follows as well, whatever it tells already."""
    found = sa.text("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = :door")
    text: str = op.get_bind().execute(found, {"door": door}).scalar_one()
    _run(text.rstrip().removesuffix("$function$") + rest + "$function$")


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
