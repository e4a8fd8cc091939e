"""An installation: settings into an open database at the newest schema, and what serves it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

import asyncpg

from tillkeeper.access.limits import Limits
from tillkeeper.access.operation import House
from tillkeeper.core.passwords import Passwords
from tillkeeper.db import embedded
from tillkeeper.db.pool import Database
from tillkeeper.domains.signing.units import make_unit
from tillkeeper.files import Files
from tillkeeper.keys import Keys, load_keys
from tillkeeper.schema.migrate import SchemaRefusal, login_url, migrate, newest_revision
from tillkeeper.settings import Settings

DATABASE = "tillkeeper"
_CONNECT_SECONDS = 10
_LOGIN = (
    "SELECT rolsuper OR rolcreaterole AS may_migrate, current_database() AS name, "
    "to_regclass('public.alembic_version') IS NOT NULL AS is_set_up "
    "FROM pg_roles WHERE rolname = current_user"
)


@dataclass(frozen=True)
class Installation:
    """What a command works with."""

    settings: Settings
    house: House
    url: str
    """The address that commands with more than the service's rights use."""
    applied: tuple[str, ...]
    """The revisions that opening has applied."""
    server: embedded.Server | None = None
    """The embedded database, where there is one."""


@asynccontextmanager
async def open_installation(
    settings: Settings, role: Literal["service", "command"]
) -> AsyncGenerator[Installation]:
    """Open the installation and close it again.

    The service owns the embedded database; a command joins the one that a running service has
    started, or starts it for as long as it needs it.
    """
    keys = load_keys(settings.data_dir, settings.pepper)
    if settings.database_url is not None:
        async with _open_database(settings, keys, settings.database_url) as installation:
            yield installation
        return
    server = await _serve(settings, keys, role)
    try:
        await _create_database(server.superuser_url())
        url = server.superuser_url(DATABASE)
        async with _open_database(settings, keys, url) as installation:
            yield replace(installation, server=server)
    finally:
        await server.stop()


async def _serve(
    settings: Settings, keys: Keys, role: Literal["service", "command"]
) -> embedded.Server:
    password = keys.password_of("postgres")
    if role == "command":
        running = await embedded.attach(settings.data_dir, superuser_password=password)
        if running is not None:
            return running
    return await embedded.start(
        settings.data_dir, superuser_password=password, bin_dir=settings.pg_bin
    )


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    try:
        known = "SELECT true FROM pg_database WHERE datname = $1"
        if not await connection.fetchval(known, DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    except asyncpg.DuplicateDatabaseError:
        pass
    finally:
        await connection.close()


@asynccontextmanager
async def _open_database(settings: Settings, keys: Keys, url: str) -> AsyncGenerator[Installation]:
    unit = make_unit(settings, keys.keyring)
    applied, serving_url = await _prepare(keys, url)
    database = await Database.open(serving_url, size=settings.pool_size)
    try:
        house = House(
            db=database,
            keyring=keys.keyring,
            passwords=Passwords(keys.keyring),
            unit=unit,
            access_token_seconds=settings.access_token_seconds,
            refresh_token_seconds=settings.refresh_token_seconds,
            limits=Limits(settings.rates),
            files=Files.at(settings.files_place),
            is_mail_on=settings.mail_route != "none",
        )
        yield Installation(settings, house, url, applied)
    finally:
        await database.close()
        await unit.close()


async def _prepare(keys: Keys, url: str) -> tuple[tuple[str, ...], str]:
    """Return what was migrated, and the address of the login that serves.

    An address whose login may create roles migrates, and another login serves; one that may not
    serves itself, at a schema that somebody else has brought up to date.
    """
    connection = await _connect(url)
    try:
        login = await connection.fetchrow(_LOGIN)
        if login is None:
            raise SchemaRefusal("The database does not know the login of TILLKEEPER_DATABASE_URL")
        if not login["may_migrate"]:
            await _check_revision(connection, is_set_up=login["is_set_up"])
            return (), url
    finally:
        await connection.close()
    name = f"tillkeeper_app_{login['name']}"
    password = keys.password_of(name)
    applied = await migrate(url, name, password)
    return tuple(applied), login_url(url, name, password)


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            url, timeout=_CONNECT_SECONDS
        )
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        where = urlsplit(url).hostname or "its socket"
        raise SchemaRefusal(f"The database at {where} cannot be reached: {error}") from error
    return connection


async def _check_revision(
    connection: "asyncpg.Connection[asyncpg.Record]", *, is_set_up: bool
) -> None:
    newest = newest_revision()
    found = None
    if is_set_up:
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    if found != newest:
        raise SchemaRefusal(
            f"The database is at revision {found or 'none'}, this release needs {newest}: "
            "run `tillkeeper migrate` with a login that may create roles"
        )
