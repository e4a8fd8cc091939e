"""How the TEST rows of every noun are wiped: a new noun with an env adds itself here.

A test compares this with the tables: each one with an env is named by a wipe or kept with a reason.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tillkeeper.access.policy import Grant
from tillkeeper.domains.test_data import queries
from tillkeeper.domains.test_data.queries import Wiped


@dataclass(frozen=True, slots=True)
class Wipe:
    """One noun: which tables it empties of TEST rows, and how, so many at the most.

    It records what it deletes for the organization that it was deleted from.
    """

    noun: str
    tables: frozenset[str]
    run: Callable[[Grant, str | None, int], Awaitable[Wiped]]


WIPES: Final = (
    # From below: what belongs to an organization that goes need not be wiped one by one.
    Wipe("organizations", frozenset({"organizations"}), queries.wipe_organizations),
    Wipe("api_keys", frozenset({"api_keys", "key_uses"}), queries.wipe_api_keys),
    Wipe("kept_answers", frozenset({"kept_answers"}), queries.wipe_kept_answers),
)
KEPT: Final[Mapping[str, str]] = {
    "audit_rows": "what happened stays known, and is sealed",
    "outbox_rows": "what happened is announced, the wiping too",
}
