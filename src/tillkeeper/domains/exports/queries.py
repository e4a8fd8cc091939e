"""Exports in the database, and the messages that go into them."""

from collections.abc import Mapping
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
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from tillkeeper.access.across import Across
from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import change
from tillkeeper.core.env import Env
from tillkeeper.core.order import Order
from tillkeeper.core.status import ExportState, TssState
from tillkeeper.db.pool import Tx
from tillkeeper.domains.exports.events import (
    ExportCancelled,
    ExportCompleted,
    ExportCreated,
    ExportExpired,
    ExportFailed,
    ExportUpdated,
)
from tillkeeper.domains.exports.rules import KEPT_SECONDS, Filters
from tillkeeper.domains.exports.wire import OrderBy
from tillkeeper.schema import exports, log_messages, transactions, tss
from tillkeeper.schema.exports import EXPORT_STATE
from tillkeeper.sql import given, many, one_or_none


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


_e, _m = exports.c, log_messages.c
_GRANTED = (
    _e.organization_id == bindparam("organization_id", type_=Uuid),
    _e.env == bindparam("env"),
    _e.tss_id == bindparam("tss_id", type_=Uuid),
)
_THIS = (*_GRANTED, _e.id == bindparam("export_id", type_=Uuid))


def _as(state: ExportState) -> ColumnElement[Any]:
    return cast(state.value, EXPORT_STATE)


_IS_OPEN = or_(*(_e.state == _as(state) for state in (ExportState.PENDING, ExportState.WORKING)))
_FIND = one_or_none(select(*_e).where(*_THIS), Row)
_OPEN = one_or_none(
    select(
        func.count().label("number"),
        func.coalesce(func.bool_or(_e.filters == bindparam("filters", type_=JSONB)), False).label(
            "has_same"
        ),
    ).where(*_GRANTED, _IS_OPEN),
    Open,
)
_LISTS = Across(
    select(*_e)
    .where(_e.env == bindparam("env"))
    .join(
        tss,
        (tss.c.organization_id == _e.organization_id)
        & (tss.c.env == _e.env)
        & (tss.c.id == _e.tss_id),
    ),
    exports,
    orders={
        f"{by} {order}": [getattr(_e[by], order)(), getattr(_e.id, order)()]
        for by in OrderBy
        for order in Order
    },
    tss_id=_e.tss_id == bindparam("tss_id", type_=Uuid),
    states=cast(_e.state, Text) == func.any(bindparam("states", type_=ARRAY(Text))),
    but=cast(tss.c.state, Text) != bindparam("but", type_=Text),
)
_INSERT = change(
    insert(exports)
    .values(
        given(
            _e.organization_id,
            _e.env,
            _e.tss_id,
            _e.id,
            _e.state,
            _e.filters,
            _e.metadata,
            _e.upto_counter,
            _e.time_request,
        )
    )
    .on_conflict_do_nothing()
    .returning(*_e),
    Row,
)
_LABEL = change(
    update(exports)
    .where(*_THIS)
    .values(metadata=bindparam("new_metadata", type_=JSONB))
    .returning(*_e),
    Row,
)
_NOW = bindparam("now", type_=BigInteger)

_CANCEL = change(
    update(exports)
    .where(*_THIS, _IS_OPEN)
    .values(state=_as(ExportState.CANCELLED), time_end=_NOW)
    .returning(*_e),
    Row,
)
_MINE = (
    *_THIS,
    _e.fence == bindparam("fence", type_=Integer),
    _e.state == _as(ExportState.WORKING),
)
_TAKE = many(
    update(exports)
    .where(*_THIS, _IS_OPEN)
    .values(
        state=_as(ExportState.WORKING),
        fence=_e.fence + 1,
        done_upto=0,
        time_start=func.coalesce(_e.time_start, _NOW),
    )
    .returning(*_e),
    Row,
)
_GO_ON = many(
    update(exports)
    .where(*_MINE)
    .values(done_upto=bindparam("counter", type_=BigInteger))
    .returning(*_e),
    Row,
)
_COMPLETE = change(
    update(exports)
    .where(*_MINE)
    .values(
        state=_as(ExportState.COMPLETED),
        file_path=bindparam("new_file_path", type_=Text),
        time_end=_NOW,
        time_expiration=_NOW + KEPT_SECONDS,
    )
    .returning(*_e),
    Row,
)
_FAIL = change(
    update(exports)
    .where(*_THIS, _IS_OPEN)
    .values(
        state=_as(ExportState.ERROR),
        exception=bindparam("new_exception", type_=Text),
        time_error=_NOW,
    )
    .returning(*_e),
    Row,
)
_EXPIRE = change(
    update(exports).where(*_THIS, _e.file_path.is_not(None)).values(file_path=None).returning(*_e),
    Row,
)
_LIST_DUE = many(
    select(
        func.list_due_exports(
            _NOW, bindparam("asked_before", type_=BigInteger), bindparam("most", type_=Integer)
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


async def insert_export(
    grant: Grant, event: ExportCreated, row: Mapping[str, object]
) -> Row | None:
    """Insert an export, or return None where the TSS has one of this id."""
    return await _INSERT(grant, event, **row)


async def label_export(
    grant: Grant, event: ExportUpdated, metadata: Mapping[str, str]
) -> Row | None:
    return await _LABEL(
        grant, event, tss_id=event.tss_id, export_id=event.export_id, new_metadata=metadata
    )


async def cancel_export(grant: Grant, event: ExportCancelled, now: int) -> Row | None:
    """Cancel an export that is under way; whoever makes it notices at its next window."""
    return await _CANCEL(grant, event, tss_id=event.tss_id, export_id=event.export_id, now=now)


async def take_export(grant: Grant, tss_id: UUID, export_id: UUID, now: int) -> Row | None:
    """Take an export that waits, or that somebody began and did not finish: theirs ends."""
    taken = await _TAKE(grant.tx, **grant.scope, tss_id=tss_id, export_id=export_id, now=now)
    return taken[0] if taken else None


async def go_on(grant: Grant, taken: Row, counter: int) -> bool:
    """Note how far it is; tell whether it is still this worker's, and still wanted."""
    mine = {"tss_id": taken.tss_id, "export_id": taken.id, "fence": taken.fence}
    return bool(await _GO_ON(grant.tx, **grant.scope, **mine, counter=counter))


async def complete_export(
    grant: Grant, event: ExportCompleted, taken: Row, *, path: str, now: int
) -> Row | None:
    """Complete an export that is still this worker's."""
    return await _COMPLETE(
        grant,
        event,
        tss_id=taken.tss_id,
        export_id=taken.id,
        fence=taken.fence,
        new_file_path=path,
        now=now,
    )


async def fail_export(grant: Grant, event: ExportFailed, now: int) -> Row | None:
    """End an export that is under way with what went wrong."""
    return await _FAIL(
        grant,
        event,
        tss_id=event.tss_id,
        export_id=event.export_id,
        new_exception=event.exception,
        now=now,
    )


async def expire_export(grant: Grant, event: ExportExpired) -> Row | None:
    """Forget the file of an export."""
    return await _EXPIRE(grant, event, tss_id=event.tss_id, export_id=event.export_id)


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
