"""Who used which key when: counted in memory, written in batches, so that no request writes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tillkeeper.core.env import Env

_MOST = 100_000


class Used(NamedTuple):
    """A key, and by its generation which of its secrets the token was bought with."""

    organization_id: UUID
    env: Env
    key_id: UUID
    generation: int


@dataclass(slots=True)
class Use:
    """What is known since the last writing."""

    count: int
    at: datetime
    address: str | None


@dataclass(frozen=True, slots=True)
class Uses:
    """The counter of one process; beyond so many keys between two writings it counts no others."""

    _by_key: dict[Used, Use] = field(default_factory=dict)

    def count(self, used: Used, at: datetime, address: str | None) -> None:
        """Count one request."""
        use = self._by_key.get(used)
        if use is None:
            if len(self._by_key) < _MOST:
                self._by_key[used] = Use(1, at, address)
            return
        use.count += 1
        use.at, use.address = at, address

    def take(self) -> dict[Used, Use]:
        """Return what was counted, and begin anew."""
        taken = dict(self._by_key)
        self._by_key.clear()
        return taken

    def put_back(self, taken: dict[Used, Use]) -> None:
        """Count again what could not be written; what came in the meantime is later."""
        for used, use in taken.items():
            if newer := self._by_key.get(used):
                newer.count += use.count
            elif len(self._by_key) < _MOST:
                self._by_key[used] = use
