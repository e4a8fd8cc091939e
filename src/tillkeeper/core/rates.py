"""How often is often enough: so many at once, and then so many a second."""

import math
from dataclasses import dataclass
from enum import StrEnum

_NS = 1_000_000_000
_MOST = 1_000_000
_LONGEST_WINDOW_SECONDS = 86_400


class Lane(StrEnum):
    """What is counted by itself."""

    ACTOR = "actor"
    """A key or a person, with a token that is genuine."""
    ORGANIZATION = "organization"
    """All keys and people of an organization together."""
    BULK = "bulk"
    """What creates many things at once, per organization and apart from everything else."""
    ADDRESS = "address"
    """A network that shows no genuine token."""
    LOGIN = "login"
    """Failures to log in with one key or mail address."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A burst, and the time after which one more is allowed; whole numbers, so sums are exact."""

    burst: int
    interval_ns: int

    @classmethod
    def parse(cls, text: str) -> "Rate | None":
        """Read `100/500`: 100 a second, 500 at once; None for `0`. Raise ValueError for others."""
        if text.strip() == "0":
            return None
        first, _, second = text.partition("/")
        try:
            per_second, burst = float(first), int(second)
        except ValueError:
            raise ValueError(f"{text!r} is no rate: write 100/500, or 0 for none") from None
        if not (0 < per_second <= _MOST and 1 <= burst <= _MOST):
            raise ValueError(f"{text!r} is out of bounds: both are above 0, a million at most")
        if burst / per_second > _LONGEST_WINDOW_SECONDS:
            raise ValueError(f"{text!r} needs more than a day to refill: raise the first number")
        return cls(burst, round(_NS / per_second))

    @property
    def window_seconds(self) -> int:
        """How long an exhausted burst takes to be whole again."""
        return math.ceil(self.burst * self.interval_ns / _NS)

    def __str__(self) -> str:
        return f"{self.burst} at once, then {_NS / self.interval_ns:g} a second"
