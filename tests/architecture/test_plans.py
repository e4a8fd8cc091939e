"""No hot statement walks or sorts a whole table, at whatever size a vendor has grown to."""

import inspect
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tillkeeper.core.env import Env
from tillkeeper.core.order import Order
from tillkeeper.db.pool import Database
from tillkeeper.domains.audit import queries as audit
from tillkeeper.domains.clients import queries as clients
from tillkeeper.domains.fleet import overview_queries as overview
from tillkeeper.domains.fleet import queries as fleet
from tillkeeper.domains.organizations import queries
from tillkeeper.domains.transactions import changes
from tillkeeper.domains.transactions import queries as transactions
from tillkeeper.domains.tss import queries as tss
from tillkeeper.sql import Compiled, Page
from tills import Till
from world import Connection, World

_FILL = """
INSERT INTO organizations (id, envs, name, address_line1, zip, town, country_code,
  managed_by_organization_id, reached_by, created_at, created_by_user, created_by_organization_id)
SELECT made.id, '{TEST,LIVE}', 'Shop', 'Weg 1', '10115', 'Berlin', 'DEU', $1,
  ARRAY[made.id, $1], clock_timestamp(), made.id, $1
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 4000)) made
"""


@pytest.fixture
async def grown(world: World, owner: Connection) -> World:
    """The vendor with 4,000 shops, as the planner knows it."""
    await owner.execute(_FILL, world.vendor)
    await owner.execute("ANALYZE organizations")
    return world


@pytest.mark.parametrize("filters", [(), ("managed_by",), ("type",), ("managed_by", "type")])
@pytest.mark.parametrize("is_after", [False, True])
async def test_a_page_by_cursor_walks_an_index_in_list_order(
    grown: World, db: Database, filters: tuple[str, ...], *, is_after: bool
) -> None:
    lists = queries._LISTS_OF_MANAGER if "managed_by" in filters else queries._LISTS  # noqa: SLF001
    page: Page = lists["root"]
    chosen = frozenset(filters) - {"managed_by"}
    compiled = page._compile(chosen, "cursor", is_after=is_after)  # noqa: SLF001
    values: dict[str, Any] = {"organization_id": grown.vendor, "env": Env.TEST}
    values |= {"reader_id": grown.vendor, "limit": 101, "offset": 0}
    values |= {"managed_by": grown.vendor} if "managed_by" in filters else {}
    values |= {"type": "MANAGED_ORGANIZATION"} if "type" in filters else {}
    if is_after:
        first = "SELECT created_at, id FROM organizations WHERE id = $1"
        row = await grown.owner.fetchrow(first, grown.shop)
        assert row is not None
        values |= {"after_at": row["created_at"], "after_id": row["id"]}
    plan = await _explain(grown, db, compiled.text, compiled.arguments(values))
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


_FILL_AUDIT = """
INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
  actor_organization_id, event, outcome, details)
SELECT CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2::uuid END, 'TEST', gen_random_uuid(), now(), '',
  'key', $1, $1, 'api_key.updated', 'done', '{}' FROM generate_series(1, 8000) n
"""


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("filters", [(), ("event",), ("since", "from_id")])
async def test_a_page_of_the_audit_log_walks_an_index_in_list_order(
    world: World, db: Database, order: Order, filters: tuple[str, ...]
) -> None:
    await world.owner.execute(_FILL_AUDIT, world.vendor, world.shop)
    await world.owner.execute("ANALYZE audit_rows")
    page: Page = audit._PAGES[order]  # noqa: SLF001
    compiled = page._compile(frozenset(filters), "cursor", is_after=True)  # noqa: SLF001
    values: dict[str, Any] = {"organization_id": world.vendor, "env": Env.TEST, "limit": 101}
    values |= {"reader_id": world.vendor, "offset": 0, "after_id": UUID(int=1 << 127)}
    values |= {"event": "api_key.updated", "since": datetime.now(UTC), "from_id": UUID(int=1)}
    arguments = compiled.arguments(compiled.wanted_of(values))
    plan = await _explain(world, db, compiled.text, arguments)
    assert "ix_audit_rows_by_organization" in plan
    assert "Seq Scan on audit_rows" not in plan
    assert "Sort" not in plan


async def _explain(world: World, db: Database, text: str, values: list[Any]) -> str:
    """Enter as the vendor's key does, and ask for the plan that every use after the fifth gets."""
    key_id: UUID = world.keys["vendor_test"]["id"]
    enter = "SELECT * FROM enter('key', $1, $2, 'TEST', 0, NULL, NULL, 'narrow', NULL, NULL)"
    async with db.begin() as tx:
        await tx.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")
        assert await tx.fetchrow(enter, key_id, world.vendor)
        rows = await tx.fetch(f"EXPLAIN {text}", *values)
    return "\n".join(row[0] for row in rows)


_FILL_TSS = """
INSERT INTO tss (organization_id, env, id, state, unit, key_version, sealed_key, point,
  serial_number, certificate, certificate_ends_at, metadata, puk_digest, time_creation)
SELECT organization_id, env, gen_random_uuid(), state, unit, 1, sealed_key, point, serial_number,
  certificate, certificate_ends_at, metadata, puk_digest, time_creation
FROM tss, generate_series(1, 2000) WHERE id = $1
"""
_FILL_CLIENTS = """
INSERT INTO tss_clients (organization_id, env, id, tss_id, state, serial_number, metadata,
  time_creation)
SELECT organization_id, env, gen_random_uuid(), tss_id, state, n::text, metadata, time_creation
FROM tss_clients, generate_series(1, 2000) n WHERE tss_id = $1
"""
_FILL_TRANSACTIONS = """
INSERT INTO transactions (organization_id, env, tss_id, number, id, client_id, state,
  latest_revision, time_start, time_end, metadata)
SELECT organization_id, env, tss_id, 1000 + n, gen_random_uuid(), client_id, state,
  latest_revision, time_start + n, time_end, metadata
FROM transactions, generate_series(1, 8000) n WHERE tss_id = $1
"""
_FILL_MESSAGES = """
INSERT INTO log_messages (organization_id, env, tss_id, counter, signed_at, operation, message,
  file_name, actor_id, operation_id, transaction_number, revision, state, client_id, schema,
  signature)
SELECT m.organization_id, m.env, m.tss_id, 10000 + t.number, m.signed_at, m.operation, m.message,
  m.file_name, m.actor_id, '', t.number, 2, m.state, m.client_id, m.schema, m.signature
FROM log_messages m JOIN transactions t ON t.tss_id = m.tss_id
WHERE m.tss_id = $1 AND m.revision = 2 AND t.number > 1000
"""


@pytest.fixture
async def busy(world: World) -> Till:
    """A till that has signed a lot, in an organization that has many TSS."""
    till = await Till(world.vendor_test).open()
    await till.sell()
    for filling in (_FILL_TSS, _FILL_CLIENTS, _FILL_TRANSACTIONS, _FILL_MESSAGES):
        await world.owner.execute(filling, till.tss_id)
    for table in ("tss", "tss_clients", "transactions", "log_messages"):
        await world.owner.execute(f"ANALYZE {table}")
    return till


HOT: dict[str, tuple[Any, dict[str, Any]]] = {
    "lock the TSS": (tss._LOCK, {}),  # noqa: SLF001
    "find who has a TSS": (tss._LIST_OWNERS, {}),  # noqa: SLF001
    "meet by id": (transactions._MEET[UUID], {"reference": UUID(int=7)}),  # noqa: SLF001
    "meet by number": (transactions._MEET[int], {"reference": 1}),  # noqa: SLF001
    "read a revision": (transactions._FIND[int, False], {"reference": 1}),  # noqa: SLF001
    "read the latest": (transactions._FIND[UUID, True], {"reference": UUID(int=7)}),  # noqa: SLF001
    "find a client": (clients._FIND, {}),  # noqa: SLF001
    "write the next revision": (changes._GO_ON, {"number": 1}),  # noqa: SLF001
}


@pytest.mark.parametrize("name", HOT)
async def test_a_signed_call_walks_nothing(
    world: World, busy: Till, db: Database, name: str
) -> None:
    """Without the env at the end of their keys these walk all that an organization has."""
    query, values = HOT[name]
    compiled: Compiled = inspect.getclosurevars(query).nonlocals["compiled"]
    plan = await _explain(world, db, compiled.text, _filled(compiled, world, busy, values))
    for table in ("tss", "tss_clients", "transactions", "log_messages"):
        assert f"Seq Scan on {table}" not in plan, plan
    conditions = [line for line in plan.splitlines() if "Index Cond" in line]
    whole = [line for line in conditions if line.count("=") > 1 or "(id = " in line]
    assert conditions
    assert conditions == whole, "by organization alone it would walk all that it has"


def _filled(compiled: Compiled, world: World, till: Till, values: dict[str, Any]) -> list[Any]:
    """Return arguments: those given, the till's own, and something for what is only written."""
    known = {"organization_id": world.vendor, "env": Env.TEST, "tss_id": till.tss_id}
    known |= {"client_id": till.client_id, "revision": 2, "state": "ACTIVE", "counter": 99}
    known |= {"signed_at": 0, "ended_at": None, "more_active": 0, "schema": {}, "metadata": {}}
    known |= dict.fromkeys(("message", "signature"), b"")
    known |= dict.fromkeys(("operation", "operation_id", "file_name", "process_type"), "")
    known |= {"actor_id": world.vendor}
    return compiled.arguments(compiled.wanted_of(known | values))


@pytest.mark.parametrize("scope", [{"tss_id"}, {"tss_id", "client_id"}, set[str]()])
async def test_a_page_of_transactions_walks_an_index_in_list_order(
    world: World, busy: Till, db: Database, scope: set[str]
) -> None:
    page: Page = transactions._LISTS._pages["one"]  # noqa: SLF001
    order = "number asc" if scope else "time_start asc"
    compiled = page._compile(frozenset(scope), order, is_after=False)  # noqa: SLF001
    values = {"limit": 100, "offset": 0}
    plan = await _explain(world, db, compiled.text, _filled(compiled, world, busy, values))
    assert "Seq Scan on transactions" not in plan
    assert "Seq Scan on log_messages" not in plan
    assert "Sort" not in plan, plan


_FILL_FLEET = """
INSERT INTO tss (organization_id, env, id, state, unit, key_version, sealed_key, point,
  serial_number, certificate, certificate_ends_at, metadata, puk_digest, time_creation)
SELECT o.id, t.env, gen_random_uuid(), t.state, t.unit, 1, t.sealed_key, t.point, t.serial_number,
  t.certificate, t.certificate_ends_at, t.metadata, t.puk_digest, t.time_creation
FROM tss t, organizations o WHERE t.id = $1 AND o.managed_by_organization_id = $2
"""
_FILL_MONTHS = """
INSERT INTO transaction_months (organization_id, env, tss_id, month, started)
SELECT t.organization_id, t.env, t.id, ('2020-01-01'::date + n * interval '1 month')::date,
  array_fill(1, ARRAY[31])
FROM tss t JOIN organizations o ON o.id = t.organization_id, generate_series(0, 3) n
WHERE o.managed_by_organization_id = $1
"""


@pytest.fixture
async def fleet_of_4000(grown: World) -> World:
    """A TSS in each of the vendor's shops, with months behind it."""
    till = await Till(grown.vendor_test).open()
    await grown.owner.execute(_FILL_FLEET, till.tss_id, grown.vendor)
    await grown.owner.execute(_FILL_MONTHS, grown.vendor)
    for table in ("organizations", "tss", "transaction_months"):
        await grown.owner.execute(f"ANALYZE {table}")
    return grown


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("filters", [(), ("states",), ("search", "idle_since")])
async def test_a_page_of_the_fleet_walks_organizations_in_list_order(
    fleet_of_4000: World, db: Database, filters: tuple[str, ...], *, is_after: bool
) -> None:
    """Within an organization a few are sorted; never the fleet, and no page costs more."""
    page: Page = fleet._PAGES["root"]  # noqa: SLF001
    compiled = page._compile(frozenset(filters), "cursor", is_after=is_after)  # noqa: SLF001
    values = {"organization_id": fleet_of_4000.vendor, "env": Env.TEST, "limit": 101, "offset": 0}
    values |= {"states": ["CREATED"], "search": "x", "idle_since": 1}
    values |= {"after_at": datetime.now(UTC), "within_at": datetime.now(UTC)}
    values |= {"after_id": UUID(int=7), "within_id": UUID(int=7)}
    arguments = compiled.arguments(compiled.wanted_of(values))
    plan = await _explain(fleet_of_4000, db, compiled.text, arguments)
    for table in ("organizations", "tss"):
        assert f"Seq Scan on {table}" not in plan, plan
    assert "ix_organizations_by_root" in plan
    assert not [
        line
        for line in plan.splitlines()
        if "Sort " in line and "Incremental" not in line and "Key" not in line
    ], plan


async def test_days_are_read_from_the_months_that_are_wanted(
    fleet_of_4000: World, db: Database
) -> None:
    query = overview._MONTHS["root"]  # noqa: SLF001
    compiled: Compiled = inspect.getclosurevars(query).nonlocals["compiled"]
    values = {"organization_id": fleet_of_4000.vendor, "env": Env.TEST}
    values |= {"since": datetime.now(UTC).date()}
    plan = await _explain(fleet_of_4000, db, compiled.text, compiled.arguments(values))
    assert "Seq Scan on transaction_months" not in plan, plan
    conditions = [line for line in plan.splitlines() if "Index Cond" in line]
    assert any("month >= " in line for line in conditions), plan
