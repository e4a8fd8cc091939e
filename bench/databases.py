"""One embedded PostgreSQL with a database per contender, filled and analysed."""

import hmac
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import msgspec
from msgspec import Struct

from bench import baseline_sql, service_sql
from bench.contender import Job, make_house
from bench.works import ADDRESS
from tillkeeper.core.env import Env
from tillkeeper.db import embedded
from tillkeeper.db.pool import Database
from tillkeeper.domains.organizations.wire import OrganizationCreate
from tillkeeper.domains.people.wire import UserInvite
from tillkeeper.domains.provisioning.bootstrap import bootstrap
from tillkeeper.schema.migrate import login_url, migrate

_LOGIN, _PASSWORD = "tillkeeper_app_bench", secrets.token_hex(16)
_PEPPER = secrets.token_bytes(32)
_SAMPLE = 500
_VENDOR = msgspec.convert({"name": "Vendor"} | ADDRESS, OrganizationCreate)


class Estate(Struct, kw_only=True):
    """A filled database: what to serve on it, as whom to ask, and what can be asked for."""

    job: Job
    size: int
    vendor_id: UUID
    api_key: str
    api_secret: str
    ids: list[UUID]


@asynccontextmanager
async def postgres() -> AsyncGenerator[embedded.Server]:
    """Run an embedded PostgreSQL in a directory of our own, which goes with it.

    Autovacuum is off, because it would be charged to whoever is measured when it comes.
    """
    # Below /var/tmp, because the database may run as a user who cannot enter other directories.
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-bench-", dir="/var/tmp"))
    try:
        server = await embedded.start(path, superuser_password=secrets.token_hex(16))
        try:
            await run(server.superuser_url(), "ALTER SYSTEM SET autovacuum = off")
            await run(server.superuser_url(), "SELECT pg_reload_conf()")
            yield server
        finally:
            await server.stop()
    finally:
        shutil.rmtree(path)


async def run(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def make_service_estate(server: embedded.Server, size: int) -> Estate:
    """Migrate, bootstrap a vendor with a key, and fill up to a number of organizations."""
    url = await _create_database(server, f"service_{size}")
    await migrate(url, _LOGIN, _PASSWORD)
    job = Job("service", login_url(url, _LOGIN, _PASSWORD), _PEPPER)
    database = await Database.open(job.url, size=1)
    made = await bootstrap(
        make_house(database, _PEPPER),
        _VENDOR,
        UserInvite(email="owner@example.org"),
        Env.TEST,
    )
    await database.close()
    return Estate(
        job=job,
        size=size,
        vendor_id=made.organization_id,
        api_key=made.api_key,
        api_secret=made.api_secret,
        ids=await _fill(url, service_sql.FILL, made.organization_id, size),
    )


async def make_baseline_estate(server: embedded.Server, size: int) -> Estate:
    """Make the yardstick's tables, a vendor with a key, and as many organizations."""
    url = await _create_database(server, "baseline")
    vendor_id, api_key, api_secret = uuid4(), f"test_{uuid4().hex}", secrets.token_urlsafe(32)
    digest = hmac.digest(_PEPPER, api_secret.encode(), "sha256")
    connection = await asyncpg.connect(url)
    await connection.execute(baseline_sql.SCHEMA)
    await connection.execute(baseline_sql.ADD_VENDOR, vendor_id)
    await connection.execute(baseline_sql.ADD_KEY, vendor_id, api_key, digest)
    await connection.close()
    return Estate(
        job=Job("baseline", url, _PEPPER),
        size=size,
        vendor_id=vendor_id,
        api_key=api_key,
        api_secret=api_secret,
        ids=await _fill(url, baseline_sql.FILL, vendor_id, size),
    )


async def _create_database(server: embedded.Server, name: str) -> str:
    await run(server.superuser_url(), f"CREATE DATABASE {name}")
    return server.superuser_url(name)


async def _fill(url: str, statements: Sequence[str], vendor_id: UUID, size: int) -> list[UUID]:
    connection = await asyncpg.connect(url)
    try:
        # Foreign keys are checked row by row: what is written here is known to be whole.
        await connection.execute("SET session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement, vendor_id, size)
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
        rows = await connection.fetch(
            "SELECT id FROM organizations WHERE managed_by_organization_id = $1 "
            "ORDER BY random() LIMIT $2",
            vendor_id,
            _SAMPLE,
        )
        return [row["id"] for row in rows]
    finally:
        await connection.close()
