"""Money as process data has it: two decimals, exact sums, rounded once.

Half a cent is rounded away from zero, as tills round what they print.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

CASH, NON_CASH = "Bar", "Unbar"

_CENT: Final = Decimal("0.01")
_EURO: Final = "EUR"
# An amount has 40 characters at the most, and a body holds less than 10^5 of them.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)


def sum_to_the_cent(amounts: Sequence[str]) -> str:
    """Return a sum with two decimals; it never reads -0.00."""
    if not amounts:
        return "0.00"
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, Decimal(amount))
    return f"{_EXACT.add(total.quantize(_CENT, context=_EXACT), Decimal(0)):f}"


def paid(amount: str, how: str, currency_code: str) -> str:
    """Return a payment: euros go without saying."""
    text = f"{sum_to_the_cent([amount])}:{how}"
    currency = currency_code.upper()
    return text if currency == _EURO else f"{text}:{currency}"
