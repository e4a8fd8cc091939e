"""One contender in a process of its own: what to serve on stdin, its port on stdout."""

import asyncio
import socket
import sys
from typing import Any, Literal

import asyncpg
import uvicorn
import uvloop
from msgspec import Struct, json

from bench.baseline import Baseline
from tillkeeper.access.limits import Limits
from tillkeeper.access.operation import House
from tillkeeper.app import make_service
from tillkeeper.core.passwords import Passwords
from tillkeeper.core.rates import Lane, Rate
from tillkeeper.core.secrets import Keyring
from tillkeeper.db.pool import Database

POOL_SIZE = 10


class Job(Struct):
    """What to serve, on which database."""

    kind: Literal["service", "baseline"]
    url: str
    pepper: bytes


def make_house(database: Database, pepper: bytes) -> House:
    """Return a house as the service's own start makes it, limited to more than it can answer."""
    keyring = Keyring({1: pepper})
    limits = Limits(dict.fromkeys(Lane, Rate(1_000_000, 1000)))
    return House(database, keyring, Passwords(keyring), limits=limits)


async def serve(job: Job) -> None:
    """Serve on a free port of this machine until stdin ends."""
    config = uvicorn.Config(
        await _make_app(job),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=600,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop, server)
    print(listener.getsockname()[1], flush=True)
    await server.serve(sockets=[listener])


def _stop(server: uvicorn.Server) -> None:
    server.force_exit = server.should_exit = True


async def _make_app(job: Job) -> Any:  # noqa: ANN401 - ASGI
    if job.kind == "baseline":
        connections = [await asyncpg.connect(job.url) for _ in range(POOL_SIZE)]
        return Baseline(connections, job.pepper)
    return make_service(make_house(await Database.open(job.url, size=POOL_SIZE), job.pepper))


def main() -> None:
    """Read the job and do it."""
    job = json.decode(sys.stdin.buffer.readline(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(job))


if __name__ == "__main__":
    main()
