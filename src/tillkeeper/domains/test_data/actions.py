"""Deleting what is in TEST."""

from tillkeeper.access.policy import Grant
from tillkeeper.domains.test_data.wipes import WIPES
from tillkeeper.domains.test_data.wire import TestDataDeletion

_AT_ONCE = 500


async def delete_test_data(grant: Grant, label: str | None) -> TestDataDeletion:
    """Delete a portion of the TEST data that the granted organization reaches, noun by noun.

    All of it in one transaction, which is why there are portions: ask again while there is more.
    """
    deleted: dict[str, int] = {}
    left, has_more = _AT_ONCE, False
    for wipe in WIPES:
        wiped = await wipe.run(grant, label, left)
        deleted[wipe.noun] = wiped.count
        left -= wiped.count
        has_more = has_more or wiped.has_more
    return TestDataDeletion(type="TEST_DATA_DELETION", deleted=deleted, has_more=has_more)
