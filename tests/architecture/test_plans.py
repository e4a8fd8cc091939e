"""No hot statement walks or sorts a whole table, at whatever size a vendor has grown to."""

from typing import Any
from uuid import UUID

import pytest

from tillkeeper.core.env import Env
from tillkeeper.db.pool import Database
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


async def _explain(world: World, db: Database, text: str, values: list[Any]) -> str:
    """Enter as the vendor's key does, and ask for the plan that every use after the fifth gets."""
    key_id: UUID = world.keys["vendor_test"]["id"]
    enter = "SELECT * FROM enter('key', $1, $2, 'TEST', 0, NULL, NULL, 'narrow', NULL, NULL)"
    async with db.begin() as tx:
        await tx.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")
        assert await tx.fetchrow(enter, key_id, world.vendor)
        rows = await tx.fetch(f"EXPLAIN {text}", *values)
    return "\n".join(row[0] for row in rows)
