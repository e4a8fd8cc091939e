"""If-Match: a change that is made only while the resource is what the client has seen."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tillkeeper.core.errors import Stale
from tillkeeper.core.etags import etag_of
from tillkeeper.core.wire import Reply

Lock = Callable[..., Awaitable[Reply | None]]
"""Reads a resource as a grant's reader sees it and locks it: (grant, **parts of the path)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a client wants to find before it changes anything; no tags: that it is there."""

    tags: frozenset[str] | None
    lock: Lock
    path: Mapping[str, Any]

    async def hold(self, grant: Any) -> None:  # noqa: ANN401 - a Grant, which policy makes above us
        """Lock the resource until the end of the operation; refuse where it is another by now.

        One that is not there is left to the handler, which knows what to say.
        """
        found = await self.lock(grant, **self.path)
        if found is not None and self.tags is not None and etag_of(found) not in self.tags:
            raise Stale
