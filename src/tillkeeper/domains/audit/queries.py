"""The audit in the database, as each reader may see it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from tillkeeper.access.policy import Grant
from tillkeeper.core.env import Env
from tillkeeper.core.ids import row_ids_from
from tillkeeper.core.order import Order
from tillkeeper.core.paging import Cursor
from tillkeeper.schema import audit_rows
from tillkeeper.sql import Page


class Row(Struct, kw_only=True):
    """A row as far as the reader sees it; what comes from above has no actor."""

    id: UUID
    organization_id: UUID
    env: Env
    at: datetime
    event: str
    outcome: str
    actor_kind: str | None
    actor_id: UUID | None
    actor_organization_id: UUID | None
    address: str | None
    agent: str | None
    operation_id: str | None
    target_kind: str | None
    target_id: UUID | None
    details: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


_LATE_AT_MOST = timedelta(hours=1)
"""A row's id is minted after its operation began, and never this much later."""
_READER = bindparam("reader_id", type_=Uuid)
_TIME = TIMESTAMP(timezone=True)
_columns = audit_rows.c
IS_SEEN = or_(
    _columns.actor_organization_id == _READER,
    _columns.actor_organization_id == _columns.organization_id,
    func.reaches(_READER, _columns.actor_organization_id, type_=Boolean),
)
"""Whether the reader may know who it was."""


def sighted(document: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a recorded document without what points above the reader."""
    return func.audit_sight(document, _READER, _columns.organization_id, type_=JSONB)


def _origin(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return case((IS_SEEN, column)).label(name)


_SHOWN: tuple[ColumnElement[Any], ...] = (
    _columns.id,
    _columns.organization_id,
    _columns.env,
    _columns.at,
    _columns.event,
    _columns.outcome,
    *(
        _origin(_columns[name], name)
        for name in (
            "actor_kind",
            "actor_id",
            "actor_organization_id",
            "address",
            "agent",
            "operation_id",
        )
    ),
    _columns.target_kind,
    _columns.target_id,
    *(sighted(_columns[name]).label(name) for name in ("details", "before", "after")),
)
GRANTED = (
    _columns.organization_id == bindparam("organization_id", type_=Uuid),
    _columns.env == bindparam("env"),
)
# Ids are version 7, and an index is in their order. Where an answer hides a field, filtering by
# it would tell.
_FILTERS: dict[str, ColumnElement[bool]] = {
    "event": _columns.event == bindparam("event"),
    "outcome": _columns.outcome == bindparam("outcome"),
    "actor_id": and_(_columns.actor_id == bindparam("actor_id", type_=Uuid), IS_SEEN),
    "target_id": _columns.target_id == bindparam("target_id", type_=Uuid),
    "request_id": and_(_columns.operation_id == bindparam("request_id"), IS_SEEN),
    "since": _columns.at >= bindparam("since", type_=_TIME),
    "from_id": _columns.id >= bindparam("from_id", type_=Uuid),
    "until": _columns.at < bindparam("until", type_=_TIME),
    "to_id": _columns.id < bindparam("to_id", type_=Uuid),
}


def _page(order: ColumnElement[Any], after: ColumnElement[bool]) -> Page:
    rows = select(*_SHOWN, _columns.at.label("created_at")).where(*GRANTED)
    return Page(rows, orders={"cursor": [order]}, after=after, **_FILTERS)


_AFTER_ID = bindparam("after_id", type_=Uuid)
_PAGES = {
    Order.ASC: _page(_columns.id.asc(), _columns.id > _AFTER_ID),
    Order.DESC: _page(_columns.id.desc(), _columns.id < _AFTER_ID),
}


async def list_audit_rows(
    grant: Grant,
    after: Cursor | None,
    *,
    order: Order,
    limit: int,
    **filters: Any,  # noqa: ANN401 - one of each kind
) -> tuple[list[Row], Cursor | None]:
    """Return a page of what happened to the granted organization in the granted env."""
    since: datetime | None = filters["since"]
    until: datetime | None = filters["until"]
    window = {
        "from_id": row_ids_from(since) if since else None,
        "to_id": row_ids_from(until + _LATE_AT_MOST) if until else None,
    }
    values = {**grant.scope, **filters, **window, "reader_id": grant.reader_id}
    return await _PAGES[order].by_cursor(grant.tx, Row, limit=limit, after=after, **values)
