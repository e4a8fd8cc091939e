"""The processes of a run: the load generator and a server per contender, ended with it."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import json

from bench.databases import Estate
from bench.load import Outcome, Plan
from bench.works import AUTH, PAGE, Client, page

_MOST_BYTES = 2**26
_GRACE_SECONDS = 10
_WALK = 5000


class WrongAnswer(Exception):
    """A contender did not do the work: there is nothing to measure."""


class Load:
    """The load generator's other end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, plan: Plan) -> Outcome:
        """Send a plan and wait until all of it is answered."""
        outcome = json.decode(await ask(self._process, plan), type=Outcome)
        if outcome.failure is not None:
            raise WrongAnswer(f"{plan.requests[0].partition(' HTTP')[0]}: {outcome.failure}")
        return outcome

    async def answer(self, client: Client, request: str) -> Any:  # noqa: ANN401 - JSON
        """Send one request and return its answer."""
        outcome = await self.run(Plan(client.port, [request], 1, 1))
        return json.decode(outcome.sample)


@asynccontextmanager
async def start(module: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a module of the bench until the block ends: it ends when its stdin does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_MOST_BYTES,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def ask(process: asyncio.subprocess.Process, message: object) -> bytes:
    """Write a line and read one."""
    if process.stdin is None or process.stdout is None:
        raise WrongAnswer("the process has no pipes")
    process.stdin.write(json.encode(message) + b"\n")
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise WrongAnswer("the process has ended; its reason stands above")
    return line


async def introduce(load: Load, process: asyncio.subprocess.Process, estate: Estate) -> Client:
    """Start serving an estate; return who asks, logged in, with a cursor to the middle."""
    client = Client(
        port=int(await ask(process, estate.job)),
        prefix="/api/v0" if estate.job.kind == "service" else "",
        vendor_id=estate.vendor_id,
        api_key=estate.api_key,
        api_secret=estate.api_secret,
        ids=estate.ids,
    )
    (login,) = AUTH.requests(client)
    client.token = (await load.answer(client, login))["access_token"]
    client.deep_cursor = await _walk(load, client, estate.size // 2)
    return client


async def _walk(load: Load, client: Client, rows: int) -> str:
    """Page as far as some row, and return the cursor that stands there."""
    cursor = ""
    while rows >= PAGE:
        limit = min(rows, _WALK)
        cursor = (await load.answer(client, page(client, limit, f"cursor={cursor}")))["next_cursor"]
        rows -= limit
    return cursor
