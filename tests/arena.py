"""Sixteen connections, and as many requests at once as they carry, in an order left to chance."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from uuid import UUID

from asgi import Answered, call
from tillkeeper.access.operation import House
from tillkeeper.app import make_service
from tillkeeper.db.pool import Database
from tillkeeper.surfaces.http.edge import Edge
from world import Json, World

CONNECTIONS = 16
Said = tuple[int, str | None]
Attempt = Callable[[], Awaitable[Answered]]


@dataclass
class Arena:
    """A service of its own over the world's database, and dice."""

    world: World
    house: House
    app: Edge
    dice: Random = field(default_factory=lambda: Random(15))  # noqa: S311

    def token(self, character: str) -> str:
        """What a character's client carries."""
        header: str = self.world.clients[character].headers["authorization"]
        return header.removeprefix("Bearer ")

    def ask(
        self, character: str, method: str, path: str, body: Json | None = None, **headers: str
    ) -> Attempt:
        """Prepare a request; `if_match="x"` becomes a header."""
        raw = [(name.replace("_", "-").encode(), h.encode()) for name, h in headers.items()]
        token, path = self.token(character), f"/api/v0{path}"
        return lambda: call(self.app, method, path, token=token, body=body, raw=raw)

    async def at_once(self, attempts: Sequence[Attempt]) -> list[Answered]:
        """Let all loose, so many at a time as there are connections; answers in their order."""
        gate = asyncio.Semaphore(CONNECTIONS)

        async def run(attempt: Attempt) -> Answered:
            async with gate:
                return await attempt()

        order = self.dice.sample(range(len(attempts)), len(attempts))
        tasks = {number: asyncio.create_task(run(attempts[number])) for number in order}
        return [await tasks[number] for number in range(len(attempts))]

    async def both(self, one: Attempt, other: Attempt) -> tuple[Said, Said]:
        """Let two loose against each other, either first, a little apart or not at all."""
        told: dict[bool, Said] = {}

        async def run(attempt: Attempt, *, is_one: bool) -> None:
            for _ in range(self.dice.randrange(12)):
                await asyncio.sleep(0)
            told[is_one] = (await attempt()).said

        racers = [run(one, is_one=True), run(other, is_one=False)]
        self.dice.shuffle(racers)
        await asyncio.gather(*racers)
        return told[True], told[False]

    async def shop(self, **columns: object) -> UUID:
        """Make one more shop of the vendor's, in TEST, with these columns set afterwards."""
        made = UUID((await self.world.create_shop())["_id"])
        for name, value in columns.items():
            change = f"UPDATE organizations SET {name} = $2 WHERE id = $1"  # noqa: S608 - ours
            await self.world.owner.execute(change, made, value)
        return made

    async def there(self, table: str, where: str, *values: object) -> int:
        """Count rows, as the owner sees them."""
        query = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608 - ours
        number: int = await self.world.owner.fetchval(query, *values)
        return number


def said_of(answers: Sequence[Answered]) -> Counter[Said]:
    return Counter(answer.said for answer in answers)


@asynccontextmanager
async def open_arena(world: World, serving_url: str) -> AsyncGenerator[Arena]:
    database = await Database.open(serving_url, size=CONNECTIONS)
    house = replace(world.house, db=database)
    yield Arena(world, house, make_service(house))
    assert database.is_idle()
    await database.close()
