"""TSS whose time is over, whoever they belong to."""

from typing import Any

from alembic import op

from tillkeeper.schema import walls

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# Which of them go, and into what, is decided under their lock: see domains/tss/rules.py.
_DOOR = """
CREATE FUNCTION list_due_tss(disabled_before bigint, idle_before bigint, unused_before bigint,
  most integer)
RETURNS TABLE (organization_id uuid, env env, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT t.organization_id, t.env, t.id FROM tss t
  WHERE (t.env = 'TEST' AND t.state IN ('CREATED', 'UNINITIALIZED', 'INITIALIZED', 'DISABLED',
      'DEFECTIVE') AND greatest(t.last_signed_at, t.time_creation) < idle_before)
    OR (t.env = 'TEST' AND t.state = 'DISABLED' AND t.time_disable < disabled_before)
    OR (t.state = 'CREATED' AND t.time_creation < unused_before)
  ORDER BY t.time_creation LIMIT most
$$;
GRANT SELECT ON tss TO tillkeeper_doors;
"""


def upgrade() -> None:
    _run(_DOOR)
    _run(walls.hang_door("list_due_tss(bigint, bigint, bigint, integer)"))


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
