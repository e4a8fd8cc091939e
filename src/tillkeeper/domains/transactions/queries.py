"""Transactions and their revisions, as they are read."""

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from tillkeeper.access.across import Across
from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import change
from tillkeeper.core.env import Env
from tillkeeper.core.order import Order
from tillkeeper.core.status import ClientState, TransactionState, TssState
from tillkeeper.domains.transactions.events import TransactionLabelled
from tillkeeper.domains.transactions.wire import OrderBy
from tillkeeper.schema import log_messages, transactions, tss, tss_clients
from tillkeeper.sql import Rows, one_or_none

Reference: TypeAlias = UUID | int
"""A transaction as a path names it: by its id, or by its number."""


class Revision(Struct, kw_only=True):
    """A revision of a transaction with all that an answer says of it."""

    organization_id: UUID
    env: Env
    tss_id: UUID
    id: UUID
    number: int
    latest_revision: int
    time_start: int
    metadata: dict[str, str]
    revision: int
    state: TransactionState
    client_id: UUID
    client_serial_number: str
    schema: dict[str, Any]
    operation: str
    signed_at: int
    counter: int
    signature: bytes
    point: bytes

    def __post_init__(self) -> None:
        """Read the state as what it is: the driver knows of text."""
        self.state = TransactionState(self.state)


class Met(Struct, kw_only=True):
    """What a call that signs meets: its client, its transaction, the revision that it names."""

    client_state: ClientState | None
    client_serial_number: str | None
    id: UUID | None
    number: int | None
    state: TransactionState | None
    latest_revision: int | None
    process_type: str | None
    time_start: int | None
    metadata: dict[str, str] | None

    def __post_init__(self) -> None:
        """Read the states as what they are: the driver knows of text."""
        self.client_state = self.client_state and ClientState(self.client_state)
        self.state = self.state and TransactionState(self.state)


class Message(Struct):
    """A signed message."""

    message: bytes


class Labels(Struct):
    """The metadata of a transaction."""

    id: UUID
    metadata: dict[str, str]


_t, _m, _c = transactions.c, log_messages.c, tss_clients.c
_GRANTED = (
    _t.organization_id == bindparam("organization_id", type_=Uuid),
    _t.env == bindparam("env"),
)
_OF_TSS = _t.tss_id == bindparam("tss_id", type_=Uuid)
_BY: dict[type, ColumnElement[bool]] = {
    UUID: _t.id == bindparam("reference", type_=Uuid),
    int: _t.number == bindparam("reference", type_=BigInteger),
}
_LATEST = _m.revision == _t.latest_revision
_WANTED = _m.revision == bindparam("revision", type_=Integer)


def _within(table: Any, tss_id: ColumnElement[Any], *more: ColumnElement[bool]) -> Any:  # noqa: ANN401 - Core's own types
    """Join on the whole key: organization, env and TSS."""
    return and_(
        table.c.organization_id == _t.organization_id,
        table.c.env == _t.env,
        tss_id == _t.tss_id,
        *more,
    )


def _revisions(which: ColumnElement[bool]) -> Rows:
    joined = (
        transactions.join(
            log_messages,
            _within(log_messages, _m.tss_id, _m.transaction_number == _t.number, which),
        )
        .join(tss_clients, _within(tss_clients, _c.tss_id, _c.id == _m.client_id))
        .join(tss, _within(tss, tss.c.id))
    )
    return select(
        _t.organization_id,
        _t.env,
        _t.tss_id,
        _t.id,
        _t.number,
        _t.latest_revision,
        _t.time_start,
        _t.metadata,
        _m.revision,
        _m.state,
        _m.client_id,
        _c.serial_number.label("client_serial_number"),
        _m.schema,
        _m.operation,
        _m.signed_at,
        _m.counter,
        _m.signature,
        tss.c.point,
    ).select_from(joined)


_FIND = {
    (kind, is_latest): one_or_none(
        _revisions(_LATEST if is_latest else _WANTED).where(*_GRANTED, _OF_TSS, by), Revision
    )
    for kind, by in _BY.items()
    for is_latest in (True, False)
}
_FIND_LABELS = {
    kind: one_or_none(select(_t.id, _t.metadata).where(*_GRANTED, _OF_TSS, by), Labels)
    for kind, by in _BY.items()
}
_FIND_MESSAGE = {
    (kind, is_latest): one_or_none(
        select(_m.message)
        .select_from(
            transactions.join(
                log_messages,
                _within(
                    log_messages,
                    _m.tss_id,
                    _m.transaction_number == _t.number,
                    _LATEST if is_latest else _WANTED,
                ),
            )
        )
        .where(*_GRANTED, _OF_TSS, by),
        Message,
    )
    for kind, by in _BY.items()
    for is_latest in (True, False)
}


def _meet(by: ColumnElement[bool]) -> Any:  # noqa: ANN401 - a query
    one = select(literal(1).label("one")).subquery("one")
    client = and_(
        _c.organization_id == bindparam("organization_id", type_=Uuid),
        _c.env == bindparam("env"),
        _c.tss_id == bindparam("tss_id", type_=Uuid),
        _c.id == bindparam("client_id", type_=Uuid),
    )
    joined = one.outerjoin(tss_clients, client).outerjoin(
        transactions, and_(*_GRANTED, _OF_TSS, by)
    )
    return one_or_none(
        select(
            _c.state.label("client_state"),
            _c.serial_number.label("client_serial_number"),
            _t.id,
            _t.number,
            _t.state,
            _t.latest_revision,
            _t.process_type,
            _t.time_start,
            _t.metadata,
        ).select_from(joined),
        Met,
    )


_MEET = {kind: _meet(by) for kind, by in _BY.items()}
_COLUMNS: dict[OrderBy, ColumnElement[Any]] = {by: _t[by] for by in OrderBy}
_LISTS = Across(
    _revisions(_LATEST).where(_t.env == bindparam("env")),
    transactions,
    orders={
        f"{by} {order}": [
            getattr(column, order)() for column in (_COLUMNS[by], _t.tss_id, _t.number)
        ]
        for by in OrderBy
        for order in Order
    },
    tss_id=_OF_TSS,
    client_id=_t.client_id == bindparam("client_id", type_=Uuid),
    states=cast(_t.state, Text) == func.any(bindparam("states", type_=ARRAY(Text))),
    but=cast(tss.c.state, Text) != bindparam("but", type_=Text),
)
_LABEL = change(
    update(transactions)
    .where(*_GRANTED, _OF_TSS, _t.id == bindparam("transaction_id", type_=Uuid))
    .values(metadata=bindparam("new_metadata", type_=JSONB))
    .returning(_t.id, _t.metadata),
    Labels,
)


async def meet(grant: Grant, tss_id: UUID, reference: Reference, client_id: UUID) -> Met:
    """Read what a call that signs is about; its TSS is locked, so that it stays as it is."""
    found: Met | None = await _MEET[type(reference)](
        grant.tx, **grant.scope, tss_id=tss_id, reference=reference, client_id=client_id
    )
    if found is None:
        raise LookupError("a query from one row answers one")
    return found


async def find_revision(
    grant: Grant, tss_id: UUID, reference: Reference, revision: int | None
) -> Revision | None:
    """Find a revision of a transaction; the latest one where none is named."""
    values = {**grant.scope, "tss_id": tss_id, "reference": reference}
    if revision is not None:
        values["revision"] = revision
    return await _FIND[type(reference), revision is None](grant.tx, **values)


async def find_message(
    grant: Grant, tss_id: UUID, reference: Reference, revision: int | None
) -> bytes | None:
    """Find the signed message of a revision; of the latest one where none is named."""
    values = {**grant.scope, "tss_id": tss_id, "reference": reference}
    if revision is not None:
        values["revision"] = revision
    found = await _FIND_MESSAGE[type(reference), revision is None](grant.tx, **values)
    return None if found is None else found.message


async def find_labels(grant: Grant, tss_id: UUID, reference: Reference) -> Labels | None:
    """Find the metadata of a transaction, and its id."""
    values = {**grant.scope, "tss_id": tss_id, "reference": reference}
    return await _FIND_LABELS[type(reference)](grant.tx, **values)


async def list_revisions(
    grant: Grant, *, is_across: bool, order: str, limit: int, offset: int, **filters: object
) -> tuple[list[Revision], int]:
    """List transactions by their latest revisions."""
    but = None if filters.pop("show_deleted") else TssState.DELETED
    return await _LISTS.of(grant, is_across=is_across).by_offset(
        grant.tx,
        Revision,
        order=order,
        limit=limit,
        offset=offset,
        but=but,
        **grant.scope,
        **filters,
    )


async def label_transaction(
    grant: Grant, event: TransactionLabelled, metadata: Mapping[str, str]
) -> None:
    await _LABEL(
        grant,
        event,
        tss_id=event.tss_id,
        transaction_id=event.transaction_id,
        new_metadata=metadata,
    )
