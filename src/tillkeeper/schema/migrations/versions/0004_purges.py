"""Organizations whose deletion is due."""

from typing import Any

from alembic import op

from tillkeeper.schema import walls

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_DOOR = """
CREATE FUNCTION list_due_purges(most integer)
RETURNS TABLE (id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT o.id FROM organizations o WHERE o.purge_at <= now() ORDER BY o.purge_at LIMIT most
$$;
CREATE INDEX ix_organizations_purge_at ON organizations (purge_at) WHERE purge_at IS NOT NULL;
"""


def upgrade() -> None:
    _run(_DOOR)
    _run(walls.hang_door("list_due_purges(integer)"))


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
