"""What an export may ask for, and how far it is, decided without a database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from tillkeeper.core.errors import (
    ParameterMismatch,
    TssDeleted,
    TssEvicted,
    TssIllegalStateToExport,
)
from tillkeeper.core.status import TssState

MOST_RECORDS: Final = 1_000_000
MOST_OPEN: Final = 10
LONGEST_SECONDS: Final = 86_400
"""How long an export may take, waiting included."""
KEPT_SECONDS: Final = 86_400
"""How long its file is kept."""
_EXPORTABLE: Final = (TssState.INITIALIZED, TssState.DISABLED, TssState.DEFECTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What an export is narrowed to: one kind of thing, and never more records than this."""

    client_id: UUID | None = None
    first_transaction: int | None = None
    last_transaction: int | None = None
    start_date: int | None = None
    end_date: int | None = None
    first_counter: int | None = None
    last_counter: int | None = None
    most_records: int = MOST_RECORDS

    def stored(self) -> dict[str, int | str]:
        """Return what is not left open, as a row keeps it."""
        return {
            name: str(value) if isinstance(value, UUID) else value
            for name in self.__slots__
            if (value := getattr(self, name)) is not None
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Filters":
        """Return what a row keeps."""
        client_id = stored.get("client_id")
        rest = {name: value for name, value in stored.items() if name != "client_id"}
        return cls(client_id=None if client_id is None else UUID(client_id), **rest)

    @property
    def by_transaction(self) -> bool:
        """Whether transactions are asked for by their numbers."""
        return self.first_transaction is not None or self.last_transaction is not None


def filters_of(  # noqa: PLR0913 - the parameters of the contract
    *,
    client_id: UUID | None,
    transaction_number: int | None,
    transactions: tuple[int | None, int | None],
    dates: tuple[int | None, int | None],
    counters: tuple[int | None, int | None],
    most_records: int,
) -> Filters:
    """Return the filters; a client alone counts, the others do not go together (contract 1.5)."""
    if client_id is not None:
        return Filters(client_id=client_id, most_records=most_records)
    if transaction_number is not None:
        if transactions != (None, None):
            raise ParameterMismatch("`transaction_number` and a range of numbers: send one of them")
        transactions = (transaction_number, transaction_number)
    ranges = {"transaction numbers": transactions, "dates": dates, "signature counters": counters}
    given = [name for name, bounds in ranges.items() if bounds != (None, None)]
    if len(given) > 1:
        raise ParameterMismatch(f"{' and '.join(given)} do not go together: narrow by one of them")
    for name in given:
        start, end = ranges[name]
        if start is not None and end is not None and start > end:
            raise ParameterMismatch(f"The range of {name} ends before it starts")
    return Filters(
        first_transaction=transactions[0],
        last_transaction=transactions[1],
        start_date=dates[0],
        end_date=dates[1],
        first_counter=counters[0],
        last_counter=counters[1],
        most_records=most_records,
    )


def check_exportable(state: TssState) -> None:
    """Refuse to export a TSS that has signed nothing of its own, or is gone."""
    if state is TssState.DELETED:
        raise TssDeleted
    if state is TssState.EVICTED:
        raise TssEvicted
    if state not in _EXPORTABLE:
        raise TssIllegalStateToExport


def estimated_end(*, started: int, now: int, done: int, total: int) -> int | None:
    """Return when work that goes on as it went will be done."""
    if not 0 < done <= total:
        return None
    return now + (now - started) * (total - done) // done
