"""Whoever has a key learns in time, and once, that it ends."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tillkeeper.domains.api_keys.jobs import announce_ends
from world import Json, World

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


async def create_key(world: World, lives: timedelta, *, age: timedelta = timedelta()) -> Json:
    """Create a key of the shop that lives so long, so long ago."""
    wanted = {"name": "ends", "status": "enabled", "expires_at": seconds(NOW + 1000 * DAY)}
    path = f"/organizations/{world.shop}/api-keys"
    created: Json = (await world.vendor_live.post(path, json=wanted)).json()
    times = "UPDATE api_keys SET created_at = $2, expires_at = $3 WHERE id = $1::text::uuid"
    await world.owner.execute(times, created["_id"], NOW - age, NOW - age + lives)
    return created


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


async def announced(world: World) -> list[Any]:
    """Return what was announced of the shop's keys, oldest first: days left, 0 at the end."""
    rows = await world.owner.fetch(
        "SELECT event, details, at FROM outbox_rows WHERE organization_id = $1 AND event IN "
        "('api_key.expiring', 'api_key.expired') ORDER BY at, id",
        world.shop,
    )
    assert all("name" in row["details"] and "api_key_id" in row["details"] for row in rows)
    ends = {row["event"]: row["details"] for row in rows}
    assert "days" not in ends.get("api_key.expired", {})
    return [row["details"].get("days", 0) for row in rows]


async def test_each_notice_is_given_once_at_its_time(world: World) -> None:
    key = await create_key(world, 100 * DAY)
    for after, expected in (
        (69.9, []),
        (70, [30]),
        (92, [30]),
        (93, [30, 7]),
        (98.9, [30, 7]),
        (99, [30, 7, 1]),
        (99.9, [30, 7, 1]),
        (100, [30, 7, 1, 0]),
        (500, [30, 7, 1, 0]),
    ):
        for _ in range(2):
            await announce_ends(world.house, now=NOW + after * DAY)
        assert await announced(world) == expected, after
    row = await world.owner.fetchrow(
        "SELECT * FROM audit_rows WHERE organization_id = $1 AND event = 'api_key.expiring' "
        "ORDER BY at LIMIT 1",
        world.shop,
    )
    assert row is not None
    assert (str(row["target_id"]), row["actor_kind"]) == (key["_id"], "system")
    assert (row["env"], row["at"]) == ("LIVE", NOW + 70 * DAY)
    expected_details = {"api_key_id": key["_id"], "name": "ends", "days": 30}
    assert row["details"].items() >= expected_details.items()
    assert row["details"]["expires_at"] == seconds(NOW + 100 * DAY)


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        (timedelta(hours=1), [0]),
        (2 * DAY, [1, 0]),
        (10 * DAY, [7, 1, 0]),
        (31 * DAY, [30, 7, 1, 0]),
    ],
)
async def test_what_was_due_before_the_key_was_made_is_no_news(
    world: World, lives: timedelta, expected: list[int]
) -> None:
    await create_key(world, lives)
    for hours in range(0, int(lives / timedelta(hours=1)) + 6, 5):
        await announce_ends(world.house, now=NOW + timedelta(hours=hours))
    assert await announced(world) == expected


async def test_of_notices_that_were_missed_the_last_is_given(world: World) -> None:
    await create_key(world, 100 * DAY)
    await announce_ends(world.house, now=NOW + 95 * DAY)
    assert await announced(world) == [7]
    await announce_ends(world.house, now=NOW + 200 * DAY)
    assert await announced(world) == [7, 0]


async def test_another_end_is_announced_anew(world: World) -> None:
    key = await create_key(world, 100 * DAY, age=95 * DAY)
    path = f"/organizations/{world.shop}/api-keys/{key['_id']}"
    await announce_ends(world.house, now=NOW)
    later = {"expires_at": seconds(NOW + 200 * DAY)}
    assert (await world.vendor_live.patch(path, json=later)).status_code == 200
    await announce_ends(world.house, now=NOW)
    assert await announced(world) == [7]
    await announce_ends(world.house, now=NOW + 171 * DAY)
    assert await announced(world) == [7, 30]
    await world.vendor_live.patch(path, json={"expires_at": None})
    await announce_ends(world.house, now=NOW + 1000 * DAY)
    sooner = {"expires_at": seconds(NOW + DAY / 2)}
    await world.vendor_live.patch(path, json=sooner)
    await announce_ends(world.house, now=NOW)
    assert sorted(await announced(world)) == [1, 7, 30]


async def test_a_change_that_keeps_the_end_announces_nothing_again(world: World) -> None:
    key = await create_key(world, 100 * DAY, age=95 * DAY)
    await announce_ends(world.house, now=NOW)
    for body in ({"metadata": {"a": "b"}}, {"expires_at": seconds(NOW + 5 * DAY)}):
        path = f"/organizations/{world.shop}/api-keys/{key['_id']}"
        assert (await world.vendor_live.patch(path, json=body)).status_code == 200
        await announce_ends(world.house, now=NOW)
    assert await announced(world) == [7]


async def test_workers_that_announce_at_once_announce_once(world: World) -> None:
    """Fails without `notice_stage < stage` in `_RECORD`: every worker has the key on its list."""
    await create_key(world, 100 * DAY)
    for after in (75, 95, 99.5, 101):
        at = NOW + after * DAY
        await asyncio.gather(*(announce_ends(world.house, now=at) for _ in range(4)))
    assert await announced(world) == [30, 7, 1, 0]


async def test_of_a_disabled_key_nothing_is_said_until_it_is_enabled(world: World) -> None:
    key = await create_key(world, 100 * DAY)
    path = f"/organizations/{world.shop}/api-keys/{key['_id']}"
    await world.vendor_live.patch(path, json={"status": "disabled"})
    await announce_ends(world.house, now=NOW + 75 * DAY)
    assert await announced(world) == []
    await world.vendor_live.patch(path, json={"status": "enabled"})
    await announce_ends(world.house, now=NOW + 95 * DAY)
    assert await announced(world) == [7]


@pytest.mark.parametrize("status", ["suspended", "archived"])
async def test_an_end_stands_whatever_its_organization_is_at_the_moment(
    world: World, status: str
) -> None:
    await create_key(world, 100 * DAY)
    rest = "UPDATE organizations SET status = $2, grace_ends_at = now() WHERE id = $1"
    await world.owner.execute(rest, world.shop, status)
    await announce_ends(world.house, now=NOW + 75 * DAY)
    assert await announced(world) == [30]


async def test_a_key_without_an_end_is_not_spoken_of(world: World) -> None:
    await announce_ends(world.house, now=NOW + 5000 * DAY)
    assert await announced(world) == []


async def test_more_than_one_list_is_worked_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillkeeper.domains.api_keys.jobs._AT_ONCE", 2)
    end = "UPDATE api_keys SET created_at = $1, expires_at = $2 WHERE organization_id = ANY ($3)"
    await world.owner.execute(end, NOW - 60 * DAY, NOW + DAY, list(world.ids.values()))
    assert await announce_ends(world.house, now=NOW) >= 2 * len(world.ids)


_FILL = """
INSERT INTO api_keys (organization_id, env, id, key, secret_digest, name, status, metadata,
  created_at, created_by_user, created_by_organization_id, expires_at)
SELECT $1, 'TEST', id, 'test_' || id, sha256(id::text::bytea), id::text, 'enabled', '{}',
  $2::timestamptz, $1, $1, $2::timestamptz + interval '100 days'
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 5000)) n
"""


async def test_the_list_walks_its_index_and_no_keys_that_are_not_due(world: World) -> None:
    await world.owner.execute(_FILL, world.shop, NOW)
    await world.owner.execute("ANALYZE api_keys")
    body = "SELECT prosrc FROM pg_proc WHERE proname = 'list_due_notices'"
    text = re.sub(r"\bat\b", "$1::timestamptz", await world.owner.fetchval(body))
    text = re.sub(r"\bmost\b", "$2::integer", text)
    for at in (NOW, NOW + 65 * DAY):
        rows = await world.owner.fetch(f"EXPLAIN (ANALYZE) {text}", at, 500)
        plan = "\n".join(row[0] for row in rows)
        assert plan.count("ix_api_keys_by_notice") == 4
        assert "Seq Scan" not in plan
        assert "Rows Removed" not in plan
    await world.owner.execute("DELETE FROM api_keys WHERE name = id::text")
