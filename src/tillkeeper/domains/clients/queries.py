"""Clients in the database."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, Uuid, bindparam, cast, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from tillkeeper.access.across import Across
from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import change
from tillkeeper.core.env import Env
from tillkeeper.core.order import Order
from tillkeeper.core.status import ClientState, TssState
from tillkeeper.domains.clients.events import ClientCreated, ClientUpdated
from tillkeeper.domains.clients.wire import OrderBy
from tillkeeper.schema import tss, tss_clients
from tillkeeper.schema.tss import CLIENT_STATE
from tillkeeper.sql import execute, given, one_or_none


class Row(Struct, kw_only=True):
    """A client as its row has it."""

    organization_id: UUID
    env: Env
    id: UUID
    tss_id: UUID
    state: ClientState
    serial_number: str
    metadata: dict[str, str]
    time_creation: int
    time_update: int | None
    replaces: UUID | None
    replaced_by: UUID | None = None

    def __post_init__(self) -> None:
        """Read the state as what it is: the driver knows of text."""
        self.state = ClientState(self.state)


class Found(Struct):
    """Something is there."""

    id: UUID


_GRANTED = (
    tss_clients.c.organization_id == bindparam("organization_id", type_=Uuid),
    tss_clients.c.env == bindparam("env"),
)
_ID = tss_clients.c.id == bindparam("client_id", type_=Uuid)
_OF_TSS = tss_clients.c.tss_id == bindparam("tss_id", type_=Uuid)
_SERIAL = tss_clients.c.serial_number == bindparam("serial_number", type_=Text)
_later = tss_clients.alias("later")
_REPLACED_BY = (
    select(_later.c.id)
    .where(
        _later.c.organization_id == tss_clients.c.organization_id,
        _later.c.env == tss_clients.c.env,
        _later.c.replaces == tss_clients.c.id,
    )
    .correlate(tss_clients)
    .scalar_subquery()
    .label("replaced_by")
)
_ROW = select(*tss_clients.c, _REPLACED_BY)
_FIND = one_or_none(_ROW.where(*_GRANTED, _ID), Row)
_LOCK = execute(select(tss_clients.c.id).where(*_GRANTED, _ID).with_for_update(key_share=True))
_FIND_SERIAL = one_or_none(select(tss_clients.c.id).where(*_GRANTED, _OF_TSS, _SERIAL), Found)
_COLUMNS: dict[OrderBy, ColumnElement[Any]] = {by: tss_clients.c[by] for by in OrderBy}
_LISTS = Across(
    _ROW.where(tss_clients.c.env == bindparam("env")),
    tss_clients,
    orders={
        f"{by} {order}": [getattr(_COLUMNS[by], order)(), getattr(tss_clients.c.id, order)()]
        for by in OrderBy
        for order in Order
    },
    tss_id=_OF_TSS,
    serial_number=_SERIAL,
    state=cast(tss_clients.c.state, Text) == bindparam("state", type_=Text),
    but=select(tss.c.id)
    .where(
        tss.c.organization_id == tss_clients.c.organization_id,
        tss.c.env == tss_clients.c.env,
        tss.c.id == tss_clients.c.tss_id,
        cast(tss.c.state, Text) != bindparam("but", type_=Text),
    )
    .exists(),
)
_INSERT = change(
    insert(tss_clients)
    .values(
        given(
            *(
                tss_clients.c[name]
                for name in (
                    "organization_id",
                    "env",
                    "id",
                    "tss_id",
                    "state",
                    "serial_number",
                    "metadata",
                    "time_creation",
                    "replaces",
                )
            )
        )
    )
    .on_conflict_do_nothing()
    .returning(*tss_clients.c),
    Row,
)
_UPDATE = change(
    update(tss_clients)
    .where(*_GRANTED, _ID)
    .values(
        state=bindparam("new_state", type_=CLIENT_STATE),
        metadata=bindparam("new_metadata", type_=JSONB),
        time_update=bindparam("now", type_=BigInteger),
    )
    .returning(*tss_clients.c, _REPLACED_BY),
    Row,
)


async def find_client(grant: Grant, client_id: UUID) -> Row | None:
    """Find it on whichever TSS: who wants it on a certain one compares."""
    return await _FIND(grant.tx, **grant.scope, client_id=client_id)


async def find_to_replace(grant: Grant, client_id: UUID) -> Row | None:
    """Find it under a lock: of two who would replace it, the second sees that the first has."""
    await _LOCK(grant.tx, **grant.scope, client_id=client_id)
    return await find_client(grant, client_id)


async def is_serial_taken(grant: Grant, tss_id: UUID, serial_number: str) -> bool:
    values = {**grant.scope, "tss_id": tss_id, "serial_number": serial_number}
    return await _FIND_SERIAL(grant.tx, **values) is not None


async def list_clients(
    grant: Grant, *, is_across: bool, order: str, limit: int, offset: int, **filters: object
) -> tuple[list[Row], int]:
    but = None if filters.pop("show_deleted") else TssState.DELETED
    return await _LISTS.of(grant, is_across=is_across).by_offset(
        grant.tx, Row, order=order, limit=limit, offset=offset, but=but, **grant.scope, **filters
    )


async def insert_client(
    grant: Grant, event: ClientCreated, row: Mapping[str, object]
) -> Row | None:
    """Insert a client, or return None where its id is taken by now."""
    return await _INSERT(grant, event, **row)


async def update_client(
    grant: Grant, event: ClientUpdated, *, state: ClientState, metadata: Mapping[str, str]
) -> Row | None:
    now = int(grant.op.now.timestamp())
    new = {"new_state": state, "new_metadata": metadata, "now": now}
    return await _UPDATE(grant, event, client_id=event.client_id, **new)
