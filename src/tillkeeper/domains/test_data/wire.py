"""The TEST data of an organization on the wire."""

from typing import Literal

from tillkeeper.core.wire import Reply


class TestDataDeletion(Reply, kw_only=True):
    """What one call has deleted."""

    __test__ = False

    type: Literal["TEST_DATA_DELETION"]
    deleted: dict[str, int]
    """How many, noun by noun; what belonged to a deleted organization is not counted again."""
    has_more: bool
    """Whether something is left for the next call."""
