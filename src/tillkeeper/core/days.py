"""Days as registers have them: local ones, wherever the service runs."""

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

DAYS_AT_MOST: Final = 31
"""How many a month has."""
_ZONE: Final = ZoneInfo("Europe/Berlin")


def local_day(seconds: int) -> date:
    """Return the day of a moment: one has 23 to 25 hours."""
    return datetime.fromtimestamp(seconds, _ZONE).date()
