"""The load generator, a process of its own: a plan per line on stdin, its outcome on stdout.

A fixed number of requests over kept connections, each of which asks again when it is answered. So
many of them in a row may be one piece of work, which one connection does from its first to its
last.
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
"""Eight characters of a request that become eight others for each piece of work."""

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_UNIQUE = UNIQUE.encode()
_numbers = count(1)


class Plan(Struct):
    """What to send, in turn, to a port of this machine: so many pieces of so many calls each."""

    port: int
    requests: list[str]
    count: int
    concurrency: int
    calls: int = 1


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
        self._place = 0
        self._rest: list[bytes] = []
        self._buffer = b""
        self._wanted = 0
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        if hasattr(self, "_plan"):
            self._plan.fail("the connection was lost")

    def start(self, plan: "Running", place: int) -> None:
        self._plan, self._place, self._rest = plan, place, []
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
            self._plan.note(time.perf_counter() - self._started, answer, is_last=not self._rest)
            self._ask()

    def _ask(self) -> None:
        self._rest = self._rest or self._plan.take(self._place)
        if self._rest:
            self._started = time.perf_counter()
            self._transport.write(self._rest.pop(0))


class Running:
    """A plan on its way."""

    def __init__(self, plan: Plan) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.spent: list[float] = []
        self.sample = b""
        self._left = plan.count
        self._answers = plan.count * plan.calls
        requests = [request.encode() for request in plan.requests]
        self._pieces = [
            requests[at : at + plan.calls] for at in range(0, len(requests), plan.calls)
        ]
        self._next = cycle(self._pieces)
        self._is_kept = plan.calls > 1
        self._is_unique = UNIQUE in plan.requests[0]

    def take(self, place: int) -> list[bytes]:
        """Return the requests of the next piece, or none when all are sent.

        Where a piece has several each connection keeps to its own piece.
        """
        if not self._left:
            return []
        self._left -= 1
        piece = self._pieces[place % len(self._pieces)] if self._is_kept else next(self._next)
        if self._is_unique:
            number = b"%08x" % next(_numbers)
            return [request.replace(_UNIQUE, number) for request in piece]
        return list(piece)

    def note(self, seconds: float, answer: bytes, *, is_last: bool) -> None:
        """Keep what an answer took; the last one ends the plan."""
        self.spent.append(seconds)
        if is_last:
            self.sample = self.sample or answer
        if not answer.startswith(b"HTTP/1.1 200"):
            self.fail(answer[:1000].decode("latin-1"))
        elif len(self.spent) == self._answers and not self.done.done():
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
    for place, caller in enumerate(kept[: plan.concurrency]):
        caller.start(running, place)
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
