"""`tillkeeper doctor`: what is well and what is not, each with what to do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
from rich.console import Console
from rich.markup import escape

from tillkeeper.access.operation import House
from tillkeeper.domains.audit.jobs import OtherCluster, is_other
from tillkeeper.domains.audit.seal_queries import begin_seal
from tillkeeper.installation import Installation
from tillkeeper.schema.migrate import newest_revision

_SETTINGS_ON = ("data_checksums", "synchronous_commit", "fsync", "full_page_writes")
_OLDEST, _NEWEST = 150_000, 190_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    is_well: bool
    says: str


async def examine(installation: Installation) -> list[Finding]:
    """Look at the database, its schema, the walls and the login that serves."""
    connection = await asyncpg.connect(installation.url)
    try:
        checks: tuple[Callable[..., Awaitable[list[Finding]]], ...] = (
            _version,
            _durability,
            _schema,
            _walls,
        )
        findings = [finding for check in checks for finding in await check(connection)]
    finally:
        await connection.close()
    return [*findings, await _login(installation), await look_at_audit(installation.house)]


async def look_at_audit(house: House) -> Finding:
    """Look whether sealing goes on: after a restore or a failover it waits for a word."""
    async with house.db.begin() as tx:
        pending = await begin_seal(tx, most=0)
    if pending is None:
        return Finding("audit", is_well=True, says="is being sealed at this moment")
    if is_other(pending):
        return Finding("audit", is_well=False, says=f"is not sealed. {OtherCluster(pending)}")
    return Finding("audit", is_well=True, says=f"{pending.number - 1} seals, all of this cluster")


def print_findings(console: Console, findings: list[Finding]) -> bool:
    """Print what was found; tell whether all is well."""
    for finding in findings:
        mark = "[green]ok[/]  " if finding.is_well else "[red]bad[/] "
        console.print(f"{mark} {finding.name}: {escape(finding.says)}")
    return all(finding.is_well for finding in findings)


async def _version(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Finding]:
    number = int(await connection.fetchval("SHOW server_version_num"))
    text = str(await connection.fetchval("SHOW server_version"))
    return [Finding("PostgreSQL", _OLDEST <= number < _NEWEST, f"{text} (15 to 18 are supported)")]


async def _durability(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Finding]:
    found = []
    for setting in _SETTINGS_ON:
        value = await connection.fetchval("SELECT current_setting($1)", setting)
        found.append(Finding(setting, value != "off", str(value)))
    return found


async def _schema(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Finding]:
    revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    newest = newest_revision()
    return [Finding("schema", revision == newest, f"revision {revision}, newest {newest}")]


async def _walls(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Finding]:
    open_tables = await connection.fetchval(
        "SELECT string_agg(relname, ', ') FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' "
        "AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    says = f"open: {open_tables}" if open_tables else "row-level security on every table"
    return [Finding("walls", not open_tables, says)]


async def _login(installation: Installation) -> Finding:
    query = (
        "SELECT NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb) "
        "FROM pg_roles WHERE rolname = current_user"
    )
    async with installation.house.db.lend() as tx:
        is_humble = bool(await tx.fetchval(query))
    says = "owns nothing and bypasses nothing" if is_humble else "has rights it must not have"
    return Finding("login", is_humble, says)
