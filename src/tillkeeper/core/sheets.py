"""CSV that no spreadsheet takes for formulas."""

from typing import Final

CSV: Final = "text/csv; charset=utf-8; header=present"
# The full-width twins count too: some programs read them alike.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def harmless(cell: object) -> str:
    """Quote what a spreadsheet would run."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULAS) else text
