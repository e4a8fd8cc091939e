"""`tillkeeper doctor`: what is well and what is not, each with what to do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.markup import escape

from tillkeeper.access.operation import House
from tillkeeper.core.env import Env
from tillkeeper.core.errors import SigningUnitUnavailable
from tillkeeper.core.signing_units import KeyOwner
from tillkeeper.domains.audit.jobs import OtherCluster, is_other
from tillkeeper.domains.audit.seal_queries import begin_seal
from tillkeeper.domains.signing.names import SIMULATOR
from tillkeeper.domains.tss.queries import count_tss_in_doubt
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
    own = [await _login(installation), await _unit(installation)]
    house = installation.house
    return [*findings, *own, await look_at_audit(house), await look_at_counters(house)]


async def look_at_audit(house: House) -> Finding:
    """Look whether sealing goes on: after a restore or a failover it waits for a word."""
    async with house.db.begin() as tx:
        pending = await begin_seal(tx, most=0)
    if pending is None:
        return Finding("audit", is_well=True, says="is being sealed at this moment")
    if is_other(pending):
        return Finding("audit", is_well=False, says=f"is not sealed. {OtherCluster(pending)}")
    return Finding("audit", is_well=True, says=f"{pending.number - 1} seals, all of this cluster")


async def look_at_counters(house: House) -> Finding:
    """Look whether TSS sign: after a restore they wait for a word."""
    async with house.db.lend() as tx:
        found = await count_tss_in_doubt(tx)
    if found.in_doubt:
        says = (
            f"{found.in_doubt} TSS do not sign: they are of another database, or of another life "
            "of this one. After a restore or a failover run `tillkeeper audit restored`"
        )
        return Finding("counters", is_well=False, says=says)
    says = "every TSS signs in the database that it is of"
    if found.to_say:
        says += f"; {found.to_say} have left out numbers after a restore, and not signed since"
    return Finding("counters", is_well=True, says=says)


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


async def _unit(installation: Installation) -> Finding:
    """Make a key for nobody, sign with it and destroy it."""
    unit, nobody = installation.house.unit, KeyOwner(UUID(int=0), Env.TEST, UUID(int=0))
    try:
        key = await unit.generate(nobody)
        await unit.sign(nobody, key.sealed, b"doctor")
        await unit.destroy(nobody, key.sealed)
    except SigningUnitUnavailable:
        return Finding(
            "signing unit", is_well=False, says=f"{unit.name} does not sign: see the log"
        )
    says = f"{unit.name}, {unit.algorithm} (a {SIMULATOR})"
    return Finding("signing unit", is_well=True, says=says)
