"""Who uses a key, since when, and who still uses its old secret."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tillkeeper.access.operation import House
from tillkeeper.access.operator import write_uses
from tillkeeper.access.uses import Used, Uses
from tillkeeper.core.env import Env
from world import World

NEW = {"last_used_at", "last_used_ip", "request_count"}


async def shown(world: World) -> dict[str, Any]:
    await write_uses(world.house)
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}"
    key: dict[str, Any] = (await world.vendor_live.get(path)).json()
    return key


async def test_a_key_that_nobody_used_shows_no_use(world: World) -> None:
    assert not NEW & set(await shown(world))


async def test_requests_are_counted_with_their_time_and_address(world: World) -> None:
    before = int(time.time())
    for _ in range(3):
        await world.shop_live.get("/me")
    await world.shop_live.get(f"/organizations/{world.vendor}")
    key = await shown(world)
    assert (key["request_count"], key["last_used_ip"]) == (4, "127.0.0.1")
    assert before <= key["last_used_at"] <= time.time()
    assert "previous_secret_last_used_at" not in key
    await world.shop_live.get("/me")
    assert (await shown(world))["request_count"] == 5


async def test_a_dead_key_is_not_in_use(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}"
    await world.vendor_live.patch(path, json={"status": "disabled"})
    assert (await world.shop_live.get("/me")).status_code == 401
    assert "request_count" not in await shown(world)


async def test_using_a_key_does_not_make_stale_what_was_read_of_it(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}"
    tag = (await world.vendor_live.get(path)).headers["etag"]
    await world.shop_live.get("/me")
    await shown(world)
    changed = await world.vendor_live.patch(
        path, json={"metadata": {"a": "b"}}, headers={"if-match": tag}
    )
    assert changed.status_code == 200


async def test_who_still_uses_the_old_secret_is_known(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}/rotate"
    rotated = (await world.vendor_live.post(path, json={})).json()
    again = await world.log_in(api_key=rotated["key"], api_secret=rotated["secret"])
    await again.get("/me")
    assert "previous_secret_last_used_at" not in await shown(world)
    await world.shop_live.get("/me")
    key = await shown(world)
    assert (key["request_count"], key["previous_secret_last_used_ip"]) == (2, "127.0.0.1")
    assert key["previous_secret_last_used_at"] <= key["last_used_at"]


async def test_keys_are_found_by_their_use_and_their_end(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys"
    soon = int(time.time()) + 86_400
    wanted = {"name": "ends-soon", "status": "enabled", "expires_at": soon}
    await world.vendor_live.post(path, json=wanted)
    long_ago = "UPDATE api_keys SET created_at = now() - interval '1 year' WHERE id = $1"
    await world.owner.execute(long_ago, world.keys["shop_live"]["id"])
    hour_ago = int(time.time()) - 3600

    async def names(**params: int) -> list[str]:
        answer = await world.vendor_live.get(path, params=params)
        assert answer.json()["count"] == len(answer.json()["data"])
        return [each["name"] for each in answer.json()["data"]]

    assert await names(unused_since=hour_ago) == ["first-key"]
    assert await names(expiring_before=soon + 1) == ["ends-soon"]
    assert await names(expiring_before=soon) == []
    await world.shop_live.get("/me")
    await write_uses(world.house)
    assert await names(unused_since=hour_ago) == []


async def test_processes_that_write_at_once_lose_nothing(world: World, house: House) -> None:
    for _ in range(10):
        await world.shop_live.get("/me")
        await world.vendor_live.get("/me")
    counted = house.uses.take()
    houses = [House(house.db, house.keyring, house.passwords, house.unit) for _ in range(4)]
    for each in houses:
        each.uses.put_back(dict(counted))
    await asyncio.gather(*(write_uses(each) for each in houses))
    assert (await shown(world))["request_count"] == 40


async def test_what_cannot_be_written_is_counted_on(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.shop_live.get("/me")
    with monkeypatch.context() as broken:
        broken.setattr("tillkeeper.access.operator._COUNT_USES", None)
        with pytest.raises(TypeError):
            await write_uses(house)
    await world.shop_live.get("/me")
    assert (await shown(world))["request_count"] == 2


async def test_uses_of_a_key_that_is_gone_are_left_out(world: World, house: House) -> None:
    await world.shop_live.get("/me")
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}"
    assert (await world.vendor_live.delete(path)).status_code == 200
    await write_uses(house)
    rows = "SELECT count(*) FROM key_uses WHERE organization_id = $1"
    assert await world.owner.fetchval(rows, world.shop) == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tillkeeper.access.uses._MOST", 2)
    uses = Uses()
    for _ in range(5):
        uses.count(Used(uuid4(), Env.TEST, uuid4(), 0), datetime.now(UTC), None)
    assert len(uses.take()) == 2
    assert uses.take() == {}
