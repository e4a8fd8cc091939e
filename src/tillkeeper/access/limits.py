"""Rate limits: cells in the database, and what this process may spend of them without asking.

Asking at every request would cost as much as the request. So a process leases a part of a cell,
spends it in memory and returns what is left; an exhausted cell refuses until its time. Nothing kept
here allows more than the cell does: docs/decisions/0016 has the sums.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from secrets import token_hex
from typing import NamedTuple
from uuid import UUID

from tillkeeper.access.cells import lease_cell
from tillkeeper.core.errors import RateLimited
from tillkeeper.core.rates import Lane, Rate
from tillkeeper.db.pool import Database

_MOST_AT_ONCE, _MOST_LEASES = 250, 100_000
_SHARES = 4
_NS = 1_000_000_000
Headers = list[tuple[bytes, bytes]]


class Cell(NamedTuple):
    """Who is counted in which lane."""

    lane: Lane
    subject: UUID | str

    @property
    def digest(self) -> bytes:
        """Its name in the database: what was typed as a login stays out of there."""
        return blake2b(f"{self.lane} {self.subject}".encode(), digest_size=16).digest()


@dataclass(slots=True)
class Lease:
    """What this process may still spend of a cell, and what the cell had left besides."""

    cell: Cell
    rate: Rate
    left: int = 0
    ends_at: float = 0.0
    room: int = 0
    full_at: float = 0.0
    refused_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever asks the database: one at a time."""
    policy: bytes = b""
    """An item of RateLimit-Policy, and the beginning of one of RateLimit: worked out once."""
    name: str = ""

    def __post_init__(self) -> None:
        self.name = f'"{self.cell.lane}"'
        self.policy = f"{self.name};q={self.rate.burst};w={self.rate.window_seconds}".encode()

    def take(self, now: float) -> bool:
        """Spend one, if there is one."""
        if self.left < 1 or now >= self.ends_at:
            return False
        self.left -= 1
        return True

    def told(self, now: float) -> str:
        """Return an item of the header RateLimit."""
        if self.refused_until > now and not self.left:
            return f"{self.name};r=0;t={math.ceil(self.refused_until - now)}"
        full_in = math.ceil(self.full_at - now) if self.full_at > now else 0
        return f"{self.name};r={self.left + self.room};t={full_in}"


@dataclass(frozen=True)
class Limits:
    """The limits of one process; without any rates there are none."""

    rates: Mapping[Lane, Rate] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    life_seconds: float = 5.0
    """How long a lease may be spent."""
    holder: str = field(default_factory=lambda: token_hex(8))
    _leases: dict[Cell, Lease] = field(default_factory=dict)

    def leases_of(self, *cells: Cell) -> list[Lease]:
        """Return the leases of those cells that are limited; empty ones where they are new."""
        if not self.rates:
            return []
        found = [self._leases.get(cell) or self._begin(cell) for cell in cells]
        return [lease for lease in found if lease is not None]

    async def spend(self, db: Database, *leases: Lease) -> None:
        """Count one request in each cell; in none, and raise RateLimited, where one is out.

        Raises Overloaded where the database cannot be asked: what is unknown is not allowed.
        """
        now = self.clock()
        for number, lease in enumerate(leases):
            if not lease.take(now):
                try:
                    await self._renew(db, lease)
                except BaseException:
                    for other in leases[:number]:
                        other.left += 1
                    raise

    def headers(self, leases: Sequence[Lease]) -> Headers:
        """Return what an answer says about these cells: RateLimit and RateLimit-Policy."""
        if not leases:
            return []
        now = self.clock()
        policy = b", ".join([lease.policy for lease in leases])
        known = [lease.told(now) for lease in leases if lease.ends_at or lease.refused_until]
        told = [(b"ratelimit", ", ".join(known).encode())] if known else []
        return [(b"ratelimit-policy", policy), *told]

    def _begin(self, cell: Cell) -> Lease | None:
        rate = self.rates.get(cell.lane)
        if rate is None:
            return None
        if len(self._leases) >= _MOST_LEASES:
            # The oldest one. What it held is lost, which is no more than it was granted.
            del self._leases[next(iter(self._leases))]
        lease = self._leases[cell] = Lease(cell, rate)
        return lease

    async def _renew(self, db: Database, lease: Lease) -> None:
        """Spend one of a new lease. Whoever waited for the lock may find one, or a refusal."""
        cell, rate = lease.cell, lease.rate
        async with lease.lock:
            now = self.clock()
            if lease.take(now):
                return
            if lease.refused_until > now:
                raise RateLimited(cell.lane, rate, lease.refused_until - now, is_first=False)
            # Zero before it is sent: an answer that is lost must not give the same back twice.
            given_back, lease.left = lease.left, 0
            # What expires unspent is lost, so it is less than what refills in the meantime.
            life_ns = max(round(self.life_seconds * _NS), rate.interval_ns)
            leased = await lease_cell(
                db,
                rate,
                cell=cell.digest,
                holder=self.holder,
                given_back=given_back,
                most=max(1, min(_MOST_AT_ONCE, life_ns // rate.interval_ns // _SHARES)),
                life_ns=life_ns,
            )
            # Counted from before the question, so it ends here before it ends there.
            lease.ends_at, lease.full_at = now + life_ns / _NS, now + leased.full_in_ns / _NS
            # What came back in the meantime is lost: the database holds it for nobody any more.
            lease.left, lease.room = leased.granted, leased.room
            if not lease.take(now):
                wait_seconds = leased.wait_ns / _NS
                lease.refused_until = now + wait_seconds
                raise RateLimited(cell.lane, rate, wait_seconds, is_first=leased.is_first_refusal)
