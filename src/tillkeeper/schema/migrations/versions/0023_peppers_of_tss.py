"""TSS count among what would be lost with a pepper."""

from typing import Any

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Format and pepper version stand in front of what is sealed: see domains/signing/sealing.py. The
# keys of authorities are not counted: where one is lost, the next TSS is certified by another.
_DOOR = """
CREATE OR REPLACE FUNCTION count_pepper_needs(wanted integer)
RETURNS TABLE (need text, count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT 'secrets of keys', count(*) FROM api_keys k
    WHERE coalesce(k.pepper_version = wanted, true)
  UNION ALL
  SELECT 'retiring secrets of keys', count(*) FROM api_keys k
    WHERE k.previous_digest IS NOT NULL AND k.previous_ends_at > now()
      AND coalesce(k.previous_pepper_version = wanted, true)
  UNION ALL
  SELECT 'passwords', count(*) FROM users u
    WHERE u.password_digest LIKE '$%' OR u.password_digest LIKE wanted || ':%'
  UNION ALL
  SELECT 'kept answers', count(*) FROM kept_answers k
    WHERE k.ends_at > now() AND coalesce(k.pepper_version <= wanted, true)
  UNION ALL
  SELECT 'TSS', count(*) FROM tss t
    WHERE t.state NOT IN ('DELETED', 'EVICTED', 'DISABLED')
      AND (t.puk_digest LIKE wanted || ':%' OR t.pin_digest LIKE wanted || ':%'
        OR substr(t.sealed_puk, 2, 4) = int4send(wanted)
        OR (t.unit = 'software' AND substr(t.sealed_key, 2, 4) = int4send(wanted)))
$$;
"""


def upgrade() -> None:
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(_DOOR))
