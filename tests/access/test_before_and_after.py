"""What an audit row says was there before is what the change replaced, whoever else was writing."""

import asyncio
from itertools import pairwise

import asyncpg

from world import Connection, World

OLD_AND_NEW = (
    "SELECT before->>'name' AS old, after->>'name' AS new FROM audit_rows "
    "WHERE organization_id = $1 AND event = 'organization.updated'"
)


async def test_a_change_that_waited_tells_what_it_replaced_not_what_it_first_saw(
    world: World, owner_url: str
) -> None:
    """Without the lock in the statement that writes, `before` would read Shop."""
    rival = await asyncpg.connect(owner_url)
    async with rival.transaction():
        rename = "UPDATE organizations SET name = 'Rival' WHERE id = $1"
        await rival.execute(rename, world.shop)
        patch = world.vendor_live.patch(f"/organizations/{world.shop}", json={"name": "Mine"})
        waiting = asyncio.create_task(patch)
        await wait_until_queued(world.owner, rival)
    assert (await waiting).status_code == 200
    await rival.close()
    row = await world.owner.fetchrow(OLD_AND_NEW, world.shop)
    assert row is not None
    assert tuple(row) == ("Rival", "Mine")


async def wait_until_queued(owner: Connection, holder: Connection) -> None:
    """Return once somebody waits for the holder."""
    queued = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
    async with asyncio.timeout(0.9):
        # The database rings no bell for those who wait, so it is asked again and again.
        while not await owner.fetchval(queued, holder.get_server_pid()):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_changes_of_the_same_moment_follow_from_one_another(world: World) -> None:
    names = [f"Name {n}" for n in range(24)]
    path = f"/organizations/{world.shop}"
    answers = await asyncio.gather(
        *(world.vendor_live.patch(path, json={"name": name}) for name in names)
    )
    changed = [answer for answer in answers if answer.status_code == 200]
    rows = await world.owner.fetch(OLD_AND_NEW, world.shop)
    steps = {row["old"]: row["new"] for row in rows}
    assert len(rows) == len(steps) == len(changed)
    chain = ["Shop"]
    while chain[-1] in steps:
        chain.append(steps[chain[-1]])
    assert len(chain) == len(rows) + 1
    assert all(one != other for one, other in pairwise(chain))
