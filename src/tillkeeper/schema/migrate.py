"""Bring a database to the newest schema, and make the login that serves it."""

import hashlib
import hmac
import secrets
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tillkeeper.schema import metadata

_LOCK = 7_402_614_111
_SCRIPTS = Path(__file__).parent / "migrations"
# The last one: pages come from an index in list order. Where many small vendors surround a big one,
# the planner guesses that a vendor's rows are few and sorts a million of them for a page of 100.
# Orders without an index are sorted all the same.
_LOGIN_SETTINGS = {
    "statement_timeout": "3s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "5s",
    "synchronous_commit": "on",
    "jit": "off",
    "enable_sort": "off",
}


class SchemaRefusal(Exception):
    """The database is not one that this release can serve; the sentence says what to do."""


def newest_revision() -> str:
    """Return the revision that this release works with."""
    revision = _script().get_current_head()
    if revision is None:
        raise SchemaRefusal("There are no migrations in this installation")
    return revision


async def migrate(url: str, login: str, password: str) -> Sequence[str]:
    """Apply what is missing, in one transaction under an advisory lock, then set up the login.

    Returns the revisions that were applied. Two processes may call it at once: the second waits
    and finds nothing to do.
    """
    engine = create_async_engine(_driver_url(url))
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            applied: Sequence[str] = await connection.run_sync(_upgrade)
            for statement in _login_statements(login, password, urlsplit(url).path.lstrip("/")):
                await connection.exec_driver_sql(statement)
    except (DBAPIError, asyncpg.PostgresError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise SchemaRefusal(
            f"The database refused to be migrated: {reason}. Use the login that owns it and may "
            "create roles"
        ) from error
    finally:
        await engine.dispose()
    return applied


def compare(connection: Connection) -> list[Any]:
    """Return what differs between the migrated schema and the metadata: nothing, if all is well."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - tests alone need it

    found: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
    return found


def login_url(url: str, login: str, password: str) -> str:
    """Return the same database's address for another login."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(login)}:{quote(password)}@{host}"))


def _driver_url(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg"))


def _script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _upgrade(connection: Connection) -> Sequence[str]:
    script = _script()
    applied: list[str] = []

    def steps(current: Any, _: MigrationContext) -> Any:  # noqa: ANN401 - Alembic's own types
        if current and script.get_revision(current[0]) is None:  # pragma: no cover
            raise SchemaRefusal("The database is newer than this release")
        pending = script._upgrade_revs("heads", current)  # noqa: SLF001 - as its own command does
        applied.extend(step.revision.revision for step in pending)
        return pending

    context = MigrationContext.configure(connection, opts={"fn": steps})
    with Operations.context(context):
        context.run_migrations()
    return applied


def _login_statements(login: str, password: str, database: str) -> list[str]:
    """Make a login that inherits what tillkeeper_api may do, and owns nothing."""
    name, base = _quoted(login), _quoted(database or "postgres")
    exists = f"SELECT FROM pg_roles WHERE rolname = '{login}'"
    settings = [
        f"ALTER ROLE {name} IN DATABASE {base} SET {setting} = '{value}'"
        for setting, value in _LOGIN_SETTINGS.items()
    ]
    return [
        f"DO $$ BEGIN IF NOT EXISTS ({exists}) THEN CREATE ROLE {name}; END IF; END $$",
        f"ALTER ROLE {name} LOGIN INHERIT PASSWORD '{_scram(password)}'",
        f"GRANT tillkeeper_api TO {name}",
        f"GRANT CONNECT ON DATABASE {base} TO {name}",
        # A temporary table is found before ours, by the doors too.
        f"REVOKE TEMPORARY ON DATABASE {base} FROM PUBLIC",
        "GRANT SELECT ON alembic_version TO tillkeeper_api",
        *settings,
    ]


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _scram(password: str, iterations: int = 4096) -> str:
    """Return the verifier that PostgreSQL stores, so that the password itself never travels."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (
        b64encode(part).decode() for part in (salt, stored, server)
    )
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored_text}:{server_text}"
