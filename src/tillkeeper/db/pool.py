"""One pool per process, one transaction per operation."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from msgspec import json

from tillkeeper.core.env import Env
from tillkeeper.core.errors import Overloaded

Tx: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_CONNECT_SECONDS = 5
_COMMAND_SECONDS = 4
_WAIT_SECONDS = 1
_ENVS = {env.value: env for env in Env}
_log = logging.getLogger("tillkeeper.pool")
# Somebody else was in the way: the connection is fine, the client may try again.
_AGAIN = (
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.QueryCanceledError,
)
# The database is away or the connection is broken. A backend that ends while its connection lies
# idle is noticed as an internal error of the driver, before the socket is seen to be closed.
_BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    ConnectionError,
    TimeoutError,
)


class Database:
    """Lends connections, first come first served, to the login that owns nothing.

    asyncpg's own pool costs 30 µs a loan and resets each connection afterwards. Here every
    setting is local to its transaction, so there is nothing to reset; a connection whose
    operation was cancelled or broken off is closed instead of being lent again.
    """

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self._idle: list[Tx] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._free = size
        self._size = size

    @classmethod
    async def open(cls, url: str, *, size: int = 10) -> "Database":
        """Open the pool and its first connection, so that a wrong address is known at once."""
        database = cls(url, size)
        database._idle.append(await database._connect())
        return database

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[Tx]:
        """Commit on the way out, roll back on an exception."""
        async with self.lend() as connection:
            await connection.execute("BEGIN")
            try:
                yield connection
            except BaseException:
                await _roll_back(connection)
                raise
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def rehearse(self) -> AsyncGenerator[Tx]:
        """Roll back on the way out, whatever happens; what a COMMIT would refuse is refused."""
        async with self.lend() as connection:
            await connection.execute("BEGIN")
            try:
                yield connection
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            finally:
                await _roll_back(connection)

    @asynccontextmanager
    async def lend(self) -> AsyncGenerator[Tx]:
        """Lend a connection outside any transaction: each statement commits by itself."""
        await self._take()
        connection = None
        try:
            connection = self._idle.pop() if self._idle else await self._connect()
            yield connection
        except (asyncio.CancelledError, GeneratorExit):
            # What the server still sends belongs to nobody: never lend this one again.
            _drop(connection)
            raise
        except _AGAIN as error:
            raise Overloaded from error
        except _BROKEN as error:
            _log.warning("connection.dropped: %s", type(error).__name__)
            _drop(connection)
            raise Overloaded from error
        finally:
            if connection is not None and not connection.is_closed():
                self._idle.append(connection)
            self._give_back()

    def is_idle(self) -> bool:
        """Tell whether every connection is back."""
        return self._free == self._size

    async def close(self) -> None:
        """Close what is idle; whoever still works keeps its connection to the end."""
        while self._idle:
            await self._idle.pop().close(timeout=_CONNECT_SECONDS)

    async def _take(self) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        patience = asyncio.get_running_loop().call_later(_WAIT_SECONDS, turn.cancel)
        try:
            await turn
        except asyncio.CancelledError:
            # Whoever gave one back in the moment that patience ended has taken the turn out of the
            # queue already: it ended all the same.
            is_too_late = turn.cancelled()
            self._leave(turn)
            if is_too_late and not _is_being_cancelled():
                raise Overloaded from None
            raise
        finally:
            patience.cancel()

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        """Step out of the queue; a turn that had come in the same moment goes to the next."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn.done() and not turn.cancelled():
            self._give_back()

    def _give_back(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _connect(self) -> Tx:
        try:
            connection: Tx = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_SECONDS,
                command_timeout=_COMMAND_SECONDS,
                # Statements are few and long: each stays prepared for as long as its connection.
                statement_cache_size=500,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
            )
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
            raise Overloaded from error
        try:
            await teach_types(connection)
        except BaseException:
            # Nobody else knows of it yet: whoever leaves now would leave it open for good.
            _drop(connection)
            raise
        return connection


def _is_being_cancelled() -> bool:
    """Tell whether somebody wants the whole request to end, not its waiting alone."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _roll_back(connection: Tx) -> None:
    """End the transaction; a connection that cannot even do that is not lent again."""
    if connection.is_closed():
        return
    try:
        await connection.execute("ROLLBACK")
    except _BROKEN:
        connection.terminate()


def _drop(connection: "Tx | None") -> None:
    if connection is not None:
        connection.terminate()


async def teach_types(connection: Tx) -> None:
    """Let a connection speak jsonb and Env."""
    await connection.set_type_codec(
        "env", schema="public", encoder=str, decoder=_ENVS.__getitem__, format="text"
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + json.encode(value),
        decoder=lambda data: json.decode(data[1:]),
        format="binary",
    )
