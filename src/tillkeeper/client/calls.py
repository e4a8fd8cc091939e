"""From a path and a body to a typed answer, and from pages to one walk."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from tillkeeper.client.connection import Call, Connection, Params
from tillkeeper.client.wire import Page

T = TypeVar("T")
Body = Mapping[str, object] | Struct
Filter = str | UUID | Sequence[str] | None

_CURSOR_LIMIT = 1000
_OFFSET_LIMIT = 100


class Calls:
    """The three ways of asking."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, path: str, into: type[T], params: Params | None = None) -> T:
        """Ask, and change nothing."""
        return await self._connection.call(Call("GET", path, params=params), into)

    async def change(
        self,
        method: str,
        path: str,
        into: type[T],
        body: Body | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> T:
        """Change something once, however often the request has to be sent."""
        content = None if body is None else msgspec.json.encode(plain(body))
        key = idempotency_key or str(uuid4())
        return await self._connection.call(Call(method, path, None, content, key), into)

    async def by_cursor(
        self, path: str, into: type[Page[T]], filters: Mapping[str, Filter]
    ) -> AsyncIterator[T]:
        """Walk a list that may change meanwhile: nothing is shown twice."""
        params = {**_params(filters), "limit": str(_CURSOR_LIMIT), "cursor": ""}
        while True:
            page = await self.read(path, into, params)
            for each in page.data:
                yield each
            if not page.has_more or not page.next_cursor:
                return
            params["cursor"] = page.next_cursor

    async def by_offset(
        self, path: str, into: type[Page[T]], filters: Mapping[str, Filter]
    ) -> AsyncIterator[T]:
        """Walk a short list; one that shrinks meanwhile may hide an entry."""
        params = {**_params(filters), "limit": str(_OFFSET_LIMIT)}
        seen = 0
        while True:
            page = await self.read(path, into, {**params, "offset": str(seen)})
            for each in page.data:
                yield each
            seen += len(page.data)
            if len(page.data) < _OFFSET_LIMIT or seen == page.count:
                return


def plain(body: Body) -> object:
    """Return what msgspec encodes, of any mapping."""
    return body if isinstance(body, Struct) else dict(body)


def _params(filters: Mapping[str, Filter]) -> dict[str, str | Sequence[str]]:
    given = ((name, value) for name, value in filters.items() if value is not None)
    return {
        name: str(value) if isinstance(value, str | UUID) else list(value) for name, value in given
    }
