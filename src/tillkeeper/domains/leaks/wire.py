"""Found secrets on the wire."""

from typing import Annotated, Literal

from msgspec import Meta

from tillkeeper.core.wire import Reply, Request


class LeakReport(Request, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=100_000)]
    """What was found: a secret by itself, or the text that it stands in."""


class LeakReceipt(Reply, kw_only=True):
    """The same for secrets that work, that no longer do and that never did."""

    recognized: int
    """How many texts have the shape and checksum of a secret; anybody can tell that."""
    type: Literal["LEAK_RECEIPT"]
