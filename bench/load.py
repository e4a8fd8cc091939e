"""The load generator, a process of its own: a plan per line on stdin, its outcome on stdout.

A fixed number of requests over kept connections, each of which asks again when it is answered.
"""

import asyncio
import re
import sys
import time
from itertools import count, cycle
from typing import cast

import uvloop
from msgspec import Struct, json

UNIQUE = "%UNIQUE%"
"""Eight characters of a request that become eight others each time it is sent."""

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_UNIQUE = UNIQUE.encode()
_numbers = count(1)


class Plan(Struct):
    """What to send, in turn, to a port of this machine."""

    port: int
    requests: list[str]
    count: int
    concurrency: int


class Outcome(Struct):
    """How it went; any status but 200 ends the plan."""

    seconds: float
    p50_ms: float
    p99_ms: float
    sample: str
    failure: str | None = None


class Caller(asyncio.Protocol):
    """One connection; it asks the next question of its plan when the last one is answered."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._plan: Running
        self._buffer = b""
        self._wanted = 0
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        if hasattr(self, "_plan"):
            self._plan.fail("the connection was lost")

    def start(self, plan: "Running") -> None:
        self._plan = plan
        self._ask()

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._wanted:
            end = self._buffer.find(b"\r\n\r\n")
            found = _LENGTH.search(self._buffer, 0, end) if end >= 0 else None
            if found is None:
                return
            self._wanted = end + 4 + int(found[1])
        if len(self._buffer) >= self._wanted:
            answer, self._buffer, self._wanted = self._buffer, b"", 0
            self._plan.note(time.perf_counter() - self._started, answer)
            self._ask()

    def _ask(self) -> None:
        request = self._plan.take()
        if request is not None:
            self._started = time.perf_counter()
            self._transport.write(request)


class Running:
    """A plan on its way."""

    def __init__(self, plan: Plan) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.spent: list[float] = []
        self.sample = b""
        self._left = self._count = plan.count
        self._requests = cycle([request.encode() for request in plan.requests])
        self._is_unique = UNIQUE in plan.requests[0]

    def take(self) -> bytes | None:
        """Return the next request, or None when all are sent."""
        if not self._left:
            return None
        self._left -= 1
        request = next(self._requests)
        if self._is_unique:
            return request.replace(_UNIQUE, b"%08x" % next(_numbers))
        return request

    def note(self, seconds: float, answer: bytes) -> None:
        """Keep what an answer took; the last one ends the plan."""
        self.spent.append(seconds)
        self.sample = self.sample or answer
        if not answer.startswith(b"HTTP/1.1 200"):
            self.fail(answer[:1000].decode("latin-1"))
        elif len(self.spent) == self._count and not self.done.done():
            self.done.set_result(None)

    def fail(self, why: str) -> None:
        """End the plan."""
        self._left = 0
        if not self.done.done():
            self.done.set_result(why)


async def run(plan: Plan, callers: dict[int, list[Caller]]) -> Outcome:
    """Send all of a plan and return its latencies."""
    kept = callers.setdefault(plan.port, [])
    while len(kept) < plan.concurrency:
        loop = asyncio.get_running_loop()
        kept.append((await loop.create_connection(Caller, "127.0.0.1", plan.port))[1])
    running = Running(plan)
    started = time.perf_counter()
    for caller in kept[: plan.concurrency]:
        caller.start(running)
    failure = await running.done
    if failure is not None:  # What the others still wait for belongs to no plan.
        for caller in callers.pop(plan.port):
            caller.close()
    seconds = time.perf_counter() - started
    spent = sorted(running.spent) or [0.0]
    return Outcome(
        seconds=seconds,
        p50_ms=spent[len(spent) // 2] * 1e3,
        p99_ms=spent[len(spent) * 99 // 100] * 1e3,
        sample=running.sample.partition(b"\r\n\r\n")[2].decode(),
        failure=failure,
    )


def main() -> None:
    """Run plans until stdin ends."""
    callers: dict[int, list[Caller]] = {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin.buffer:
            outcome = runner.run(run(json.decode(line, type=Plan), callers))
            sys.stdout.buffer.write(json.encode(outcome) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
