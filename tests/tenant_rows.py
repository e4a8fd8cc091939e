"""Rows of every table, for each organization of a drawn world: also for tables yet to come."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    Table,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from oracle_standing import chain
from random_worlds import Drawn
from tillkeeper.core.days import DAYS_AT_MOST
from tillkeeper.schema import metadata
from world import Connection

DRAWN = ("organizations", "api_keys", "memberships", "billing_addresses")
TENANT_TABLES = [
    table
    for name, table in metadata.tables.items()
    if name == "organizations" or "organization_id" in table.c
]
CHOSEN: dict[str, dict[str, Any]] = {
    "tss": {"state": "INITIALIZED"},
    "transaction_months": {"started": [0] * DAYS_AT_MOST},
}
"""What the check of a table wants instead of the first value of a column's type."""
_ALLOWED = """
SELECT c.column_name::text FROM information_schema.columns c
WHERE c.table_schema = 'public' AND c.table_name = $2
  AND has_column_privilege($1, 'public.' || $2, c.column_name, $3)
ORDER BY c.column_name
"""


@dataclass
class Blind:
    """A statement that changes whatever it can reach, without reading anything."""

    table: str
    text: str


@dataclass
class Rows:
    """Which rows there are, by table, organization and env; and what the login may do with them."""

    ids: dict[str, dict[UUID, dict[str | None, set[Any]]]] = field(default_factory=dict)
    readable: list[str] = field(default_factory=list)
    insertable: dict[str, list[str]] = field(default_factory=dict)
    blind: list[Blind] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def reading(self) -> str:
        """One statement that returns every id in sight, table by table."""
        each = (f"ARRAY(SELECT {_id(name)} FROM {name}) AS {name}" for name in self.readable)  # noqa: S608
        return f"SELECT {', '.join(each)}"

    def of(self, table: str, organizations: set[UUID], env: str) -> set[Any]:
        """Return what a table holds of some organizations in an env."""
        held = self.ids[table]
        empty: set[Any] = set()
        found: set[Any] = set()
        for each in organizations:
            by_env = held.get(each, {})
            found |= by_env.get(env, empty) | by_env.get(None, empty)
        return found


async def write_rows(world: Drawn, owner: Connection, login: str) -> Rows:
    """Fill every table that the drawn facts leave empty, and read which rows there are."""
    rows = Rows()
    for table in TENANT_TABLES:
        if table.name not in DRAWN:
            await _fill(table, world, owner)
        await _look(rows, table, owner)
        await _ask(rows, table, owner, login)
    await owner.execute("ANALYZE")
    return rows


def row_of(table: Table, organization: UUID, env: str, world: Drawn) -> dict[str, Any]:
    """Return a row that breaks nothing but, perhaps, a wall."""
    row = {c.name: _value(c, world) for c in table.c if _is_wanted(c)}
    row |= {"organization_id": organization} if "organization_id" in table.c else {}
    row |= {"env": env} if "env" in table.c else {}
    return row | CHOSEN.get(table.name, {})


def child_of(parent: UUID, env: str, world: Drawn) -> dict[str, Any]:
    """Return a new organization that another one manages, in the envs of that one."""
    row = row_of(metadata.tables["organizations"], parent, env, world)
    above = [row["id"], *chain(parent, world.state)]
    return row | {
        "envs": sorted(world.state.organizations[parent].envs, reverse=True),
        "reached_by": above,
        "managed_by_organization_id": parent,
    }


async def _fill(table: Table, world: Drawn, owner: Connection) -> None:
    envs = ("TEST", "LIVE") if "env" in table.c else ("TEST",)
    made = [row_of(table, each, env, world) for each in world.all for env in envs]
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        names = ", ".join(made[0])
        insert = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM "  # noqa: S608
        await owner.execute(f"{insert} jsonb_populate_recordset(NULL::{table.name}, $1)", made)


async def _look(rows: Rows, table: Table, owner: Connection) -> None:
    of = "organization_id" if "organization_id" in table.c else "id"
    env = "env::text" if "env" in table.c else "NULL"
    found = await owner.fetch(f"SELECT {of}, {env}, {_id(table.name)} FROM {table.name}")  # noqa: S608
    held: dict[UUID, dict[str | None, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for organization, at, id_ in found:
        held[organization][at].add(id_)
    rows.ids[table.name], rows.counts[table.name] = held, len(found)


async def _ask(rows: Rows, table: Table, owner: Connection, login: str) -> None:
    async def allowed(privilege: str) -> list[str]:
        asked = await owner.fetch(_ALLOWED, login, table.name, privilege)
        return [row["column_name"] for row in asked]

    if _id(table.name) in await allowed("SELECT"):
        rows.readable.append(table.name)
    if granted := await allowed("INSERT"):
        rows.insertable[table.name] = granted
    rows.blind += _blind_updates(table, await allowed("UPDATE"))
    if await owner.fetchval("SELECT has_table_privilege($1, $2, 'DELETE')", login, table.name):
        rows.blind.append(Blind(table.name, f"DELETE FROM {table.name}"))  # noqa: S608


def _blind_updates(table: Table, columns: list[str]) -> Iterator[Blind]:
    """Set the first column that takes a constant."""
    for column in (table.c[name] for name in columns):
        if column.nullable:
            yield Blind(table.name, f"UPDATE {table.name} SET {column.name} = NULL")  # noqa: S608
            return
    for column in (table.c[name] for name in columns if isinstance(table.c[name].type, Enum)):
        value = column.type.enums[0]  # type: ignore[attr-defined]
        yield Blind(table.name, f"UPDATE {table.name} SET {column.name} = '{value}'")  # noqa: S608
        return
    for name in (name for name in columns if isinstance(table.c[name].type, ARRAY)):
        value = "{" + ",".join(map(str, CHOSEN[table.name][name])) + "}"
        yield Blind(table.name, f"UPDATE {table.name} SET {name} = '{value}'")  # noqa: S608
        return
    assert not columns, f"no constant is known for an update of {table.name}"


def _id(table: str) -> str:
    """Return what a row is known by within its organization: the env closes some of the keys."""
    names = [column.name for column in metadata.tables[table].primary_key.columns]
    return [name for name in names if name != "env"][-1]


def _is_wanted(column: Column[Any]) -> bool:
    is_given = column.server_default is not None or column.computed is not None
    return not (column.nullable or is_given)


def _value(column: Column[Any], world: Drawn) -> object:  # noqa: C901, PLR0911 - one for each type
    match column.type:
        case Uuid():
            return world.uuid()
        case Enum(enums=enums):
            return enums[0]
        case LargeBinary():
            return f"\\x{world.uuid().hex}"
        case DateTime():
            return datetime.fromtimestamp(world.rng.randrange(10**9, 2 * 10**9), UTC)
        case Date():
            return date.fromordinal(world.rng.randrange(700_000, 800_000))
        case JSONB():
            return {}
        case ARRAY():
            return []
        case Boolean():
            return False
        case BigInteger():
            # Rows are known by some of these.
            return world.rng.randrange(1, 2**53)
        case Integer():
            return 1
        case _:
            return f"t-{world.uuid().hex}"
