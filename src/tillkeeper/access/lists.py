"""Paging as every list has it: the parameters, and cursors bound to who asks and for what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from litestar.params import QueryParameter
from msgspec import json

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import SchemaViolation
from tillkeeper.core.order import Order
from tillkeeper.core.paging import Cursor, open_cursor, seal_cursor

Limit5000 = Annotated[int, QueryParameter(ge=1, le=5000)]
Limit100 = Annotated[int, QueryParameter(ge=1, le=100)]
Offset = Annotated[
    int, QueryParameter(ge=0, le=1_000_000, description="For more, page by `cursor`.")
]
# The bounds of `Seconds` said again: those of a body's type do not hold for a query.
Moment = Annotated[int | None, QueryParameter(ge=0, le=253_402_300_799)]
Cursored = Annotated[
    str | None,
    QueryParameter(max_length=200, description="Empty for the first page, then `next_cursor`."),
]


@dataclass(frozen=True, slots=True)
class CursorPage:
    """Where this page begins, and how the next one is named."""

    after: Cursor | None
    _key: bytes
    _bound_to: bytes

    def seal(self, last: Cursor | None) -> str | None:
        """Name the page after the last row."""
        return None if last is None else seal_cursor(self._key, last, self._bound_to)


def seal_page(grant: Grant, kind: str, cursor: str, filters: Mapping[str, object]) -> CursorPage:
    """Open a cursor that was sealed for this actor's organization, env and filters."""
    asked = json.encode([kind, grant.reader_id, grant.env, filters], order="sorted")
    keyring = grant.op.keyring
    keys = [keyring.derive("cursor", version) for version in keyring.oldest_first]
    after = open_cursor(keys, cursor, asked) if cursor else None
    return CursorPage(after, keyring.derive("cursor"), asked)


def check_cursored(order_by: object, order: Order, offset: int) -> None:
    """Refuse what a list by cursor cannot do: it runs from the oldest on."""
    if order_by is not None or order is not Order.ASC or offset:
        raise SchemaViolation(
            "params.cursor", "should stand without order_by, order=desc and offset"
        )
