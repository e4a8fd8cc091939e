"""Where a TSS signs, so that a copy of it does not, and the numbers that it leaves out."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op

from tillkeeper.schema import walls

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_DOORS = Path(__file__).with_name("doors_0027.sql")
# The login that serves never says where a TSS is at home: it could take a copy for the original.
_GRANTS = """
REVOKE ALL ON FUNCTION signing_home() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION signing_home() TO tillkeeper_owner, tillkeeper_api, tillkeeper_doors;
GRANT UPDATE (skipped) ON tss TO tillkeeper_api;
GRANT UPDATE (home, skipped, signature_counter, transaction_counter) ON tss TO tillkeeper_doors;
GRANT INSERT ON outbox_rows TO tillkeeper_doors;
"""


def upgrade() -> None:
    _run(_DOORS.read_text(encoding="utf-8"))
    op.add_column(
        "tss",
        sa.Column("home", sa.Text(), server_default=sa.text("signing_home()"), nullable=False),
    )
    op.add_column("tss", sa.Column("skipped", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_tss_skipped"), "tss", "skipped >= 0")
    _run(_COUNT)
    _run(_GRANTS)
    _run(walls.hang_door("count_tss_in_doubt()"))


_COUNT = """
CREATE FUNCTION count_tss_in_doubt()
RETURNS TABLE (in_doubt bigint, to_say bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT count(*) FILTER (WHERE t.home <> signing_home()), count(*) FILTER (WHERE t.skipped > 0)
  FROM tss t WHERE t.state IN ('CREATED', 'UNINITIALIZED', 'INITIALIZED')
$$;
"""


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
