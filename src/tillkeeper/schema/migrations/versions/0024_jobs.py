"""The queue of jobs, in a schema of its own: the tables belong to the library."""

from pathlib import Path
from typing import Any

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_TABLES = Path(__file__).with_name("jobs_0024.sql")
_NAMES = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics")
# The service puts jobs in, takes them out and does them. They name organizations by id and hold
# nothing of theirs: whoever does one goes through the walls like everybody else.
_GRANTS = """
GRANT USAGE ON SCHEMA jobs TO tillkeeper_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.pgqueuer, jobs.pgqueuer_log, jobs.pgqueuer_statistics
  TO tillkeeper_api;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO tillkeeper_api;
REVOKE ALL ON FUNCTION jobs.fn_pgqueuer_changed() FROM PUBLIC;
ALTER FUNCTION jobs.fn_pgqueuer_changed() SET search_path = pg_catalog;
ALTER TYPE jobs.pgqueuer_status OWNER TO tillkeeper_owner;
ALTER FUNCTION jobs.fn_pgqueuer_changed() OWNER TO tillkeeper_owner;
"""


def upgrade() -> None:
    _run(_TABLES.read_text(encoding="utf-8"))
    _run(_GRANTS)
    for name in _NAMES:
        _run(f"ALTER TABLE jobs.{name} OWNER TO tillkeeper_owner")
    _run("ALTER SCHEMA jobs OWNER TO tillkeeper_owner")


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
