"""Turns: what can only be done one after another waits here, before it holds a connection."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tillkeeper.core.errors import TssLocked

_WAIT_SECONDS = 5
_WAITING_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Turns:
    """The queues of one process. Across processes the lock on the row decides.

    Sixteen tills on one TSS would otherwise hold sixteen connections, of which fifteen wait for
    the lock of the first.
    """

    _queues: dict[Hashable, "deque[asyncio.Future[None]]"] = field(default_factory=dict)

    @asynccontextmanager
    async def take(self, key: Hashable) -> AsyncGenerator[None]:
        """Wait for the turn, first come first served; refuse where too many wait, or too long."""
        if key in self._queues:
            await self._wait(key)
        else:
            self._queues[key] = deque()
        try:
            yield
        finally:
            self._pass_on(key)

    def is_idle(self) -> bool:
        """Tell whether nobody has a turn."""
        return not self._queues

    async def _wait(self, key: Hashable) -> None:
        queue = self._queues[key]
        if len(queue) >= _WAITING_AT_MOST:
            raise TssLocked
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await turn
        except BaseException as error:
            # The turn may have come in the same moment: it goes to the next one.
            if turn.done() and not turn.cancelled():
                self._pass_on(key)
            if isinstance(error, TimeoutError):
                raise TssLocked from None
            raise

    def _pass_on(self, key: Hashable) -> None:
        """Give the turn to the next who still waits; without one the queue is gone."""
        queue = self._queues[key]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[key]
