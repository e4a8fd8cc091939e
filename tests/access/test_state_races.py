"""Two changes of one organization: the second decides by what the first has left."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from races import held, wait_until
from world import Connection, World, said

OK = (200, None)
FIRST: dict[str, tuple[Callable[[World, str], Any], tuple[int, str | None]]] = {
    "became LIVE": (
        lambda w, path: w.vendor_live.post(f"{path}/enable-env", json={"env": "LIVE"}),
        (409, "E_ORGANIZATION_IS_LIVE"),
    ),
    "was protected": (
        lambda w, path: w.vendor_test.patch(path, json={"delete_protection": True}),
        (409, "E_ORGANIZATION_PROTECTED"),
    ),
    "was deleted": (
        lambda w, path: w.vendor_test.delete(path),
        (404, "E_ORGANIZATION_NOT_FOUND"),
    ),
}
MARKED = {"status": "pending_deletion"}
SECOND: dict[str, Callable[[World, str], Any]] = {
    "deleted": lambda w, path: w.vendor_test.delete(path),
    "marked for deletion": lambda w, path: w.vendor_test.post(f"{path}/status", json=MARKED),
}


async def in_turn(
    world: World, holder: Connection, of: str, *begun: Callable[[World, str], Any]
) -> list[tuple[int, str | None]]:
    """Let them queue for the organization's row, and return what they were told."""
    tasks: list[Awaitable[httpx.Response]] = []
    row = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, row, UUID(of)):
        for number, begin in enumerate(begun, start=1):
            tasks.append(asyncio.ensure_future(begin(world, f"/organizations/{of}")))
            await wait_until(world.owner, holder, waiting=number)
    return [said(answer) for answer in await asyncio.gather(*tasks)]


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", FIRST)
async def test_what_may_not_be_deleted_any_more_stays(
    world: World, holder: Connection, first: str, second: str
) -> None:
    """Fails without `lock_whole_organization` in `delete_organization`: it deletes what has become
    LIVE since policy saw it, and says of what was protected that it is not there."""
    shop = (await world.create_shop())["_id"]
    begin, expected = FIRST[first]
    told = await in_turn(world, holder, shop, begin, SECOND[second])
    assert told == [OK, expected]
    there = "SELECT count(*) FROM organizations WHERE id = $1 AND status = 'active'"
    assert await world.owner.fetchval(there, UUID(shop)) == (first != "was deleted")


async def test_an_env_is_enabled_once(world: World, holder: Connection) -> None:
    """Fails without `envs == [Env.TEST]` in `_ENABLE_LIVE`: it happens, and is recorded, twice."""
    shop = (await world.create_shop())["_id"]
    begin, _ = FIRST["became LIVE"]
    assert await in_turn(world, holder, shop, begin, begin) == [OK, OK]
    assert await world.events(shop) == ["organization.created", "organization.env_enabled"]


async def test_who_pays_is_not_changed_from_below_behind_the_back_of_who_decides(
    world: World, holder: Connection
) -> None:
    """Fails without `lock_organization` in `_check_sight_of_payer`: from below nobody is seen who
    pays, and what was decided above in the same moment is taken back."""
    payer = {"bill_to_organization": str(world.vendor), "withhold_billing": True}
    told = await in_turn(
        world,
        holder,
        str(world.enterprise),
        lambda w, path: w.vendor_live.patch(path, json={"billing_options": payer}),
        lambda w, path: w.enterprise_live.patch(
            path, json={"billing_options": {"gln": "4012345678901"}}
        ),
    )
    assert told == [OK, (403, "E_ACCESS_DENIED")]
    paying = "SELECT bill_to_organization FROM organizations WHERE id = $1"
    assert await world.owner.fetchval(paying, world.enterprise) == world.vendor
