"""No hot statement walks or sorts a whole table, at whatever size a vendor has grown to."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tillkeeper.core.env import Env
from tillkeeper.core.order import Order
from tillkeeper.db.pool import Database
from tillkeeper.domains.audit import queries as audit
from tillkeeper.domains.organizations import queries
from tillkeeper.sql import Page
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
