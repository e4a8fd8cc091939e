"""Exports in the database, and the messages that go into them."""

from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from tillkeeper.access.across import Across
from tillkeeper.access.policy import Grant
from tillkeeper.core.env import Env
from tillkeeper.core.order import Order
from tillkeeper.core.status import ExportState, TssState
from tillkeeper.db.pool import Tx
from tillkeeper.domains.exports.rules import Filters
from tillkeeper.domains.exports.wire import OrderBy
from tillkeeper.schema import exports, log_messages, transactions, tss
from tillkeeper.schema.exports import EXPORT_STATE
from tillkeeper.sql import many, one_or_none


class Row(Struct, kw_only=True):
    """An export as its row has it."""

    organization_id: UUID
    env: Env
    tss_id: UUID
    id: UUID
    state: ExportState
    filters: dict[str, Any]
    metadata: dict[str, str]
    upto_counter: int
    fence: int
    done_upto: int
    exception: str | None
    file_path: str | None
    time_request: int
    time_start: int | None
    time_end: int | None
    time_expiration: int | None
    time_error: int | None

    def __post_init__(self) -> None:
        """Read the state as what it is: the driver knows of text."""
        self.state = ExportState(self.state)


class Open(Struct):
    """What is under way on a TSS."""

    number: int
    has_same: bool


class Due(Struct, kw_only=True):
    """An export that a chore has to look at."""

    organization_id: UUID
    env: Env
    tss_id: UUID
    id: UUID
    is_file: bool


class Message(Struct):
    """A signed message as an archive holds it."""

    counter: int
    signed_at: int
    file_name: str
    message: bytes


class Yes(Struct):
    """Whether something is there."""

    is_so: bool


EXPORT, _m = exports.c, log_messages.c
_GRANTED = (
    EXPORT.organization_id == bindparam("organization_id", type_=Uuid),
    EXPORT.env == bindparam("env"),
    EXPORT.tss_id == bindparam("tss_id", type_=Uuid),
)
THIS = (*_GRANTED, EXPORT.id == bindparam("export_id", type_=Uuid))


def in_state(state: ExportState) -> ColumnElement[Any]:
    """Return a state as the column compares and takes it."""
    return cast(state.value, EXPORT_STATE)


IS_OPEN = or_(
    *(EXPORT.state == in_state(state) for state in (ExportState.PENDING, ExportState.WORKING))
)
_FIND = one_or_none(select(*EXPORT).where(*THIS), Row)
_OPEN = one_or_none(
    select(
        func.count().label("number"),
        func.coalesce(
            func.bool_or(EXPORT.filters == bindparam("filters", type_=JSONB)), False
        ).label("has_same"),
    ).where(*_GRANTED, IS_OPEN),
    Open,
)
_LISTS = Across(
    select(*EXPORT)
    .where(EXPORT.env == bindparam("env"))
    .join(
        tss,
        (tss.c.organization_id == EXPORT.organization_id)
        & (tss.c.env == EXPORT.env)
        & (tss.c.id == EXPORT.tss_id),
    ),
    exports,
    orders={
        f"{by} {order}": [getattr(EXPORT[by], order)(), getattr(EXPORT.id, order)()]
        for by in OrderBy
        for order in Order
    },
    tss_id=EXPORT.tss_id == bindparam("tss_id", type_=Uuid),
    states=cast(EXPORT.state, Text) == func.any(bindparam("states", type_=ARRAY(Text))),
    but=cast(tss.c.state, Text) != bindparam("but", type_=Text),
)
NOW = bindparam("now", type_=BigInteger)

_LIST_DUE = many(
    select(
        func.list_due_exports(
            NOW, bindparam("asked_before", type_=BigInteger), bindparam("most", type_=Integer)
        ).table_valued(*Due.__struct_fields__)
    ),
    Due,
)
_OF_TSS = (
    _m.organization_id == bindparam("organization_id", type_=Uuid),
    _m.tss_id == bindparam("tss_id", type_=Uuid),
    _m.env == bindparam("env"),
)


def _unless_null(name: str, kind: Any, compared: ColumnElement[bool]) -> ColumnElement[bool]:  # noqa: ANN401 - Core's own types
    return bindparam(name, type_=kind).is_(None) | compared


# Windows over the counter, not pages of what passes: each statement looks at so many rows at most,
# however few of them the filters let through.
_WINDOW = many(
    select(_m.counter, _m.signed_at, _m.file_name, _m.message)
    .where(
        *_OF_TSS,
        _m.counter > bindparam("after", type_=BigInteger),
        _m.counter <= bindparam("upto", type_=BigInteger),
        _unless_null("client_id", Uuid, _m.client_id == bindparam("client_id", type_=Uuid)),
        _unless_null(
            "start_date", BigInteger, _m.signed_at >= bindparam("start_date", type_=BigInteger)
        ),
        _unless_null(
            "end_date", BigInteger, _m.signed_at <= bindparam("end_date", type_=BigInteger)
        ),
    )
    .order_by(_m.counter),
    Message,
)
_WINDOW_OF_TRANSACTIONS = many(
    select(_m.counter, _m.signed_at, _m.file_name, _m.message)
    .where(
        *_OF_TSS,
        _m.transaction_number > bindparam("after", type_=BigInteger),
        _m.transaction_number <= bindparam("upto", type_=BigInteger),
        _m.counter <= bindparam("upto_counter", type_=BigInteger),
    )
    .order_by(_m.transaction_number, _m.revision),
    Message,
)
_HAS_TRANSACTIONS = one_or_none(
    select(
        exists()
        .where(
            transactions.c.organization_id == bindparam("organization_id", type_=Uuid),
            transactions.c.env == bindparam("env"),
            transactions.c.tss_id == bindparam("tss_id", type_=Uuid),
            transactions.c.number.between(
                bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger)
            ),
        )
        .label("is_so")
    ),
    Yes,
)


async def find_export(grant: Grant, tss_id: UUID, export_id: UUID) -> Row | None:
    return await _FIND(grant.tx, **grant.scope, tss_id=tss_id, export_id=export_id)


async def count_open(grant: Grant, tss_id: UUID, filters: Filters) -> Open:
    """Count what is under way on a TSS that the operation has locked."""
    found = await _OPEN(grant.tx, **grant.scope, tss_id=tss_id, filters=filters.stored())
    if found is None:
        raise LookupError("an aggregate answers one row")
    return found


async def has_transactions(grant: Grant, tss_id: UUID, first: int, last: int) -> bool:
    found = await _HAS_TRANSACTIONS(grant.tx, **grant.scope, tss_id=tss_id, first=first, last=last)
    return found is not None and found.is_so


async def list_exports(
    grant: Grant, *, is_across: bool, order: str, limit: int, offset: int, **filters: object
) -> tuple[list[Row], int]:
    but = None if filters.pop("show_deleted") else TssState.DELETED
    return await _LISTS.of(grant, is_across=is_across).by_offset(
        grant.tx,
        Row,
        order=order,
        limit=limit,
        offset=offset,
        but=but,
        **grant.scope,
        **filters,
    )


async def list_due(tx: Tx, *, now: int, asked_before: int, most: int) -> list[Due]:
    """Return files whose time is over, and exports that were asked for too long ago."""
    return await _LIST_DUE(tx, now=now, asked_before=asked_before, most=most)


async def list_window(
    grant: Grant, tss_id: UUID, after: int, upto: int, filters: Filters
) -> list[Message]:
    """Return the messages of a window of signature counters that pass the filters."""
    return await _WINDOW(
        grant.tx,
        **grant.scope,
        tss_id=tss_id,
        after=after,
        upto=upto,
        client_id=filters.client_id,
        start_date=filters.start_date,
        end_date=filters.end_date,
    )


async def list_window_of_transactions(
    grant: Grant, tss_id: UUID, after: int, upto: int, upto_counter: int
) -> list[Message]:
    """Return the messages of a window of transaction numbers."""
    return await _WINDOW_OF_TRANSACTIONS(
        grant.tx, **grant.scope, tss_id=tss_id, after=after, upto=upto, upto_counter=upto_counter
    )
