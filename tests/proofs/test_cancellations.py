"""T33: half of all requests are broken off at random moments.

Whoever waits gets their own answer, every connection comes back in step, and what was broken off
was done whole or not at all: asked again with its Idempotency-Key it is done once.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field, replace
from random import Random
from uuid import uuid4

import pytest
import uvicorn
from msgspec import json

from amounts import AMOUNTS, record_figure
from asgi import Answered, call
from tillkeeper.app import make_service
from tillkeeper.db.pool import Database
from tillkeeper.surfaces.http.edge import Edge
from world import World

AT_ONCE, SIZE, WRITES = 12, 8, 0.3
pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Wish:
    """One request: who asks for what, and until when they wait."""

    who: str
    name: str
    is_write: bool
    patience_seconds: float | None

    @property
    def of(self) -> str:
        return self.who.rpartition("_")[0]


@dataclass
class Storm:
    """A service with a pool of its own, and everybody who asks it."""

    world: World
    database: Database
    app: Edge
    dice: Random = field(default_factory=lambda: Random(33))  # noqa: S311
    usual_seconds: float = 0

    def draw(self) -> Wish:
        """Half of them wait for less or little more than is usual: so they leave at any point."""
        patience = None
        if self.usual_seconds and self.dice.random() < 0.5:
            patience = self.dice.uniform(0, 1.5 * self.usual_seconds)
        who, name = self.dice.choice(sorted(self.world.keys)), f"k-{uuid4().hex[:20]}"
        return Wish(who, name, self.dice.random() < WRITES, patience)

    def parts(self, wish: Wish) -> tuple[str, str, dict[str, str] | None]:
        path = f"/api/v0/organizations/{self.world.ids[wish.of]}"
        if not wish.is_write:
            return "GET", path, None
        return "POST", f"{path}/api-keys", {"name": wish.name, "status": "enabled"}

    def token(self, wish: Wish) -> str:
        header: str = self.world.clients[wish.who].headers["authorization"]
        return header.removeprefix("Bearer ")

    async def ask(self, wish: Wish) -> Answered:
        method, path, body = self.parts(wish)
        raw = [(b"idempotency-key", wish.name.encode())] if wish.is_write else []
        return await call(self.app, method, path, token=self.token(wish), body=body, raw=raw)

    def is_theirs(self, wish: Wish, answer: Answered) -> bool:
        """Whether an answer belongs to who asked, and to what they asked."""
        if wish.is_write:
            env = wish.who.rpartition("_")[2].upper()
            return answer.status == 200 and (answer.body["name"], answer.body["_envs"]) == (
                wish.name,
                [env],
            )
        return answer.status == 200 and answer.body["_id"] == str(self.world.ids[wish.of])

    async def get_used(self) -> None:
        """Find out how long an answer takes here, when so many ask at once."""
        gate, spent = asyncio.Semaphore(AT_ONCE), []

        async def run(wish: Wish) -> None:
            async with gate:
                started = time.perf_counter()
                await self.ask(wish)
                spent.append(time.perf_counter() - started)

        await asyncio.gather(*(run(self.draw()) for _ in range(AT_ONCE * 8)))
        self.usual_seconds = sum(spent) / len(spent)

    async def settle(self) -> None:
        """Wait until every connection is back and no transaction is left open."""
        async with asyncio.timeout(10):
            # The database rings no bell, so it is asked again and again.
            while await self._is_busy():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _is_busy(self) -> bool:
        login = "usename = 'tillkeeper_app_tests' AND state <> 'idle'"
        busy = f"SELECT count(*) FROM pg_stat_activity WHERE {login}"  # noqa: S608 - ours
        return not self.database.is_idle() or bool(await self.world.owner.fetchval(busy))

    async def judge(self, wishes: list[Wish]) -> int:
        """Ask again what was to be written: all is there once, and recorded once."""
        written = [wish for wish in wishes if wish.is_write]
        wrong = 0
        for wish in written:
            wrong += not self.is_theirs(wish, await self.ask(replace(wish, patience_seconds=None)))
        rows = await self.world.owner.fetch(_WRITTEN, [wish.name for wish in written])
        return wrong + abs(len(rows) - len(written)) + sum(tuple(row) != (1, 1, 1) for row in rows)


_WRITTEN = """
SELECT count(*), (SELECT count(*) FROM audit_rows a WHERE a.target_id = min(k.id::text)::uuid),
  (SELECT count(*) FROM outbox_rows o WHERE o.details ->> 'api_key_id' = min(k.id::text))
FROM api_keys k WHERE k.name = ANY ($1) GROUP BY k.name
"""


@pytest.fixture
async def storm(world: World, serving_url: str) -> AsyncGenerator[Storm]:
    database = await Database.open(serving_url, size=SIZE)
    app = make_service(replace(world.house, db=database))
    opened = Storm(world, database, app)
    await opened.get_used()
    yield opened
    await database.close()


async def test_who_waits_is_answered_and_who_leaves_leaves_nothing_half_done(storm: Storm) -> None:
    """Fails without `_drop` in `_connect`, without `_give_back` in `lend`, and where neither `lend`
    drops nor `begin` rolls back what was broken off (db/pool.py)."""
    wishes = [storm.draw() for _ in range(AMOUNTS.cancellations)]
    gate, left, wrong = asyncio.Semaphore(AT_ONCE), 0, 0

    async def run(wish: Wish) -> None:
        nonlocal left, wrong
        async with gate:
            try:
                async with asyncio.timeout(wish.patience_seconds):
                    answer = await storm.ask(wish)
            except TimeoutError:
                left += 1
            else:
                wrong += not storm.is_theirs(wish, answer)

    await asyncio.gather(*map(run, wishes))
    await storm.settle()
    again = [storm.draw() for _ in range(SIZE * 8)]
    answers = await asyncio.gather(*map(storm.ask, again))
    wrong += sum(not storm.is_theirs(w, a) for w, a in zip(again, answers, strict=True))
    wrong += await storm.judge(wishes)
    assert storm.database.is_idle()
    assert left > len(wishes) // 20
    figure = f"{len(wishes)} requests, {left} broken off"
    record_figure("Cancellation: answers, connections and changes", figure, wrong)
    assert wrong == 0


class _Server(uvicorn.Server):
    """Leaves signals to the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(app: Edge) -> AsyncGenerator[int]:
    """Serve on a port of its own, as `tillkeeper serve` does."""
    server = _Server(
        uvicorn.Config(app, port=0, http="httptools", ws="none", lifespan="off", log_config=None)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells no other way
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def over_a_socket(storm: Storm, port: int, wish: Wish) -> Answered | None:
    """Send, and read to the end or close the connection in the middle of it."""
    method, path, body = storm.parts(wish)
    content = b"" if body is None else json.encode(body)
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: test",
        "connection: close",
        f"authorization: Bearer {storm.token(wish)}",
        f"content-length: {len(content)}",
        *([f"idempotency-key: {wish.name}", "content-type: application/json"] if body else []),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        async with asyncio.timeout(wish.patience_seconds):
            answer = await reader.read()
    except TimeoutError:
        writer.transport.abort()
        return None
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    head, _, content = answer.partition(b"\r\n\r\n")
    return Answered(int(head.split()[1]), {}, content)


async def test_closed_connections_leave_nothing_half_done(storm: Storm) -> None:
    """The server goes on with what was begun; its answer must reach nobody else."""
    wishes = [storm.draw() for _ in range(AMOUNTS.cancellations // 2)]
    gate, left, wrong = asyncio.Semaphore(AT_ONCE), 0, 0

    async def run(port: int, wish: Wish) -> None:
        nonlocal left, wrong
        async with gate:
            answer = await over_a_socket(storm, port, wish)
        left += answer is None
        wrong += answer is not None and not storm.is_theirs(wish, answer)

    async with listening(storm.app) as port:
        await asyncio.gather(*(run(port, wish) for wish in wishes))
        await storm.settle()
        whole = [replace(storm.draw(), patience_seconds=None) for _ in range(SIZE * 4)]
        await asyncio.gather(*(run(port, wish) for wish in whole))
    wrong += await storm.judge(wishes)
    assert left > len(wishes) // 20
    figure = f"{len(wishes)} requests, {left} connections closed"
    record_figure("Cancellation: closed connections", figure, wrong)
    assert wrong == 0
