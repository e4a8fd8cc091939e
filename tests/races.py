"""Two at once, in an order of our choosing: a third connection holds the row that both want."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import httpx

from world import ADDRESS, Connection, Json, said


@asynccontextmanager
async def held(holder: Connection, statement: str, *values: object) -> AsyncGenerator[None]:
    """Hold rows; they are let go on the way out, when those who want them wait already."""
    async with holder.transaction():
        assert await holder.fetch(statement, *values)
        yield


async def wait_until(owner: Connection, holder: Connection, *, waiting: int) -> None:
    """Return once so many connections are queued, directly or not, behind the holder's."""
    queued = (
        "WITH RECURSIVE behind (pid) AS ("
        "  SELECT $1::int UNION SELECT a.pid FROM pg_stat_activity a, behind b"
        "  WHERE b.pid = ANY (pg_blocking_pids(a.pid))) SELECT count(*) - 1 FROM behind"
    )
    async with asyncio.timeout(0.9):
        # The database rings no bell for those who wait, so it is asked again and again.
        while await owner.fetchval(queued, holder.get_server_pid()) < waiting:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def together(
    requests: Sequence[Awaitable[httpx.Response]],
) -> Counter[tuple[int, str | None]]:
    return Counter(said(answer) for answer in await asyncio.gather(*requests))


def managed_by(organization_id: UUID, **fields: object) -> Json:
    return {"managed_by_organization_id": str(organization_id), "name": "Till"} | ADDRESS | fields
