"""Which way a list runs."""

from enum import StrEnum


class Order(StrEnum):
    """Ascending or descending, as the wire spells it."""

    ASC = "asc"
    DESC = "desc"
