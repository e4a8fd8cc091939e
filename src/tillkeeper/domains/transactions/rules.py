"""Which revision may follow which, decided without a database."""

import re
from typing import Final
from uuid import UUID

from tillkeeper.core.errors import (
    SchemaViolation,
    TransactionIllegalTypeChange,
    TransactionNoTypeDefined,
    TransactionUpsert,
    Unparsable,
)
from tillkeeper.core.status import TransactionState
from tillkeeper.domains.signing.messages import TransactionOperation

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def parse_reference(text: str) -> UUID | int | None:
    """Read what a path names a transaction by: its number or its id; None is neither."""
    if _NUMBER.fullmatch(text):
        return int(text)
    try:
        return UUID(text)
    except ValueError:
        return None


def reference_to_sign(text: str) -> UUID | int:
    """Read it as the operation that signs does, in words of its own."""
    reference = parse_reference(text)
    if reference is None:
        raise Unparsable("transaction ID", text)
    return reference


def reference_to_read(text: str) -> UUID | int:
    """Read it as every other operation does."""
    reference = parse_reference(text)
    if reference is None:
        raise SchemaViolation("params.tx_id_or_number", 'should match format "uuid" or a number')
    return reference


def check_order(now: TransactionState | None, latest: int, wanted: int | None) -> int:
    """Return the revision that comes next; refuse any other, and any after the end."""
    if now not in (None, TransactionState.ACTIVE):
        raise TransactionUpsert(f"The transaction has ended: it is {now}")
    if wanted not in (None, latest + 1):
        raise TransactionUpsert(f"tx_revision should be {latest + 1}, not {wanted}")
    return latest + 1


def operation_of(revision: int, state: TransactionState) -> TransactionOperation:
    """Return what a revision signs: whichever way a transaction ends, it signs a Finish."""
    if revision == 1:
        if state is not TransactionState.ACTIVE:
            raise TransactionUpsert("A transaction begins with the state ACTIVE")
        return TransactionOperation.START
    if state is TransactionState.ACTIVE:
        return TransactionOperation.UPDATE
    return TransactionOperation.FINISH


def check_type(operation: TransactionOperation, earlier: str | None, given: str) -> str | None:
    """Return the process type from now on: the first one that is given stays to the end.

    A type of blanks is none: tills begin with an empty one.
    """
    if not given:
        if operation is TransactionOperation.FINISH:
            raise TransactionNoTypeDefined
        return earlier
    if earlier is not None and given != earlier:
        raise TransactionIllegalTypeChange(earlier)
    return given
