"""TSS in the database. Whoever signs locks the row first; digests are read and never shown."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_or_not

from tillkeeper.access.across import Across
from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Change, Event, change
from tillkeeper.core.env import Env
from tillkeeper.core.errors import OrganizationNotFound, TssLocked
from tillkeeper.core.order import Order
from tillkeeper.core.status import TssState
from tillkeeper.db.pool import Tx
from tillkeeper.domains.tss.events import TssCreated
from tillkeeper.domains.tss.rules import Horizons
from tillkeeper.domains.tss.wire import OrderBy
from tillkeeper.schema import log_messages, organizations, tss
from tillkeeper.sql import execute, given, many, one_or_none


class Row(Struct, kw_only=True):
    """A TSS as its row has it."""

    organization_id: UUID
    env: Env
    id: UUID
    state: TssState
    unit: str
    key_version: int
    sealed_key: bytes
    point: bytes
    serial_number: str
    certificate: bytes
    certificate_ends_at: int
    description: str | None
    metadata: dict[str, str]
    puk_digest: str
    sealed_puk: bytes | None
    pin_digest: str | None
    failed_logins: int
    admin_until: int | None
    signature_counter: int
    transaction_counter: int
    registered_clients: int
    active_transactions: int
    last_signed_at: int
    home: str
    skipped: int
    time_creation: int
    time_uninit: int | None
    time_init: int | None
    time_defective: int | None
    time_disable: int | None
    replaces: UUID | None
    is_at_home: bool = True
    """Whether this is the database that it signs in; asked when it is locked."""
    replaced_by: UUID | None = None
    """Not known where the row was locked to sign."""

    def __post_init__(self) -> None:
        """Read the state as what it is: the driver knows of text."""
        self.state = TssState(self.state)


class Owner(Struct):
    """An organization that has a TSS of some id."""

    organization_id: UUID


class Due(Struct, kw_only=True):
    """A TSS whose time may be over."""

    organization_id: UUID
    env: Env
    id: UUID


class Numbers(Struct):
    """How many TSS an organization has, and has made of late."""

    living: int
    recent: int


class InDoubt(Struct):
    """How many TSS wait for a word after a restore, and how many have not signed since."""

    in_doubt: int
    to_say: int


class Counted(Struct):
    """That the counters of a TSS moved."""

    id: UUID


_GRANTED = (
    tss.c.organization_id == bindparam("organization_id", type_=Uuid),
    tss.c.env == bindparam("env"),
)
_THIS = (*_GRANTED, tss.c.id == bindparam("tss_id", type_=Uuid))
_later = tss.alias("later")
REPLACED_BY = (
    select(_later.c.id)
    .where(
        _later.c.organization_id == tss.c.organization_id,
        _later.c.env == tss.c.env,
        _later.c.replaces == tss.c.id,
    )
    .correlate(tss)
    .scalar_subquery()
    .label("replaced_by")
)
"""Which other one names it: read where it is shown, never where it signs."""
_ROW = select(*tss.c, REPLACED_BY)


def _among(name: str) -> ColumnElement[bool]:
    return cast(tss.c.state, Text) == func.any(bindparam(name, type_=ARRAY(Text)))


_FIND = one_or_none(_ROW.where(*_THIS), Row)
_IS_AT_HOME = (tss.c.home == func.signing_home()).label("is_at_home")
_LOCK = one_or_none(select(*tss.c, _IS_AT_HOME).where(*_THIS).with_for_update(key_share=True), Row)
_LIST_OWNERS = many(
    select(tss.c.organization_id)
    .where(tss.c.id == bindparam("tss_id", type_=Uuid), tss.c.env == bindparam("env"))
    .limit(2),
    Owner,
)
_COLUMNS: dict[OrderBy, ColumnElement[Any]] = {by: tss.c[by] for by in OrderBy}
_LISTS = Across(
    _ROW.where(tss.c.env == bindparam("env")),
    tss,
    orders={
        f"{by} {order}": [getattr(_COLUMNS[by], order)(), getattr(tss.c.id, order)()]
        for by in OrderBy
        for order in Order
    },
    states=_among("states"),
    but=cast(tss.c.state, Text) != bindparam("but", type_=Text),
)
_LOCK_ORGANIZATION = execute(
    select(organizations.c.id)
    .where(organizations.c.id == bindparam("organization_id", type_=Uuid))
    .with_for_update(key_share=True)
)
_NUMBERS = one_or_none(
    select(
        func.count().filter(_among("living")).label("living"),
        func.count()
        .filter(tss.c.time_creation > bindparam("since", type_=BigInteger))
        .label("recent"),
    ).where(*_GRANTED),
    Numbers,
)
_INSERT = change(
    insert_or_not(tss)
    .values(
        given(
            *(
                tss.c[name]
                for name in (
                    "organization_id",
                    "env",
                    "id",
                    "state",
                    "unit",
                    "key_version",
                    "sealed_key",
                    "point",
                    "serial_number",
                    "certificate",
                    "certificate_ends_at",
                    "metadata",
                    "puk_digest",
                    "sealed_puk",
                    "time_creation",
                    "replaces",
                )
            )
        )
    )
    .returning(*tss.c),
    Row,
)


_LIST_DUE = many(
    select(
        func.list_due_tss(
            *(bindparam(name, type_=BigInteger) for name in Horizons._fields),
            bindparam("most", type_=Integer),
        ).table_valued(*Due.__struct_fields__)
    ),
    Due,
)


_COUNT_IN_DOUBT = many(
    select(func.count_tss_in_doubt().table_valued(*InDoubt.__struct_fields__)), InDoubt
)


async def count_tss_in_doubt(tx: Tx) -> InDoubt:
    """Count them in all organizations."""
    (found,) = await _COUNT_IN_DOUBT(tx)
    return found


async def list_due_tss(tx: Tx, horizons: Horizons, *, most: int) -> list[Due]:
    """Return TSS whose time may be over, the oldest first."""
    return await _LIST_DUE(tx, **horizons._asdict(), most=most)


async def find_tss(grant: Grant, tss_id: UUID) -> Row | None:
    return await _FIND(grant.tx, **grant.scope, tss_id=tss_id)


async def lock_tss(grant: Grant, tss_id: UUID) -> Row | None:
    """Find it, and let nobody else sign with it until the operation ends."""
    try:
        return await _LOCK(grant.tx, **grant.scope, tss_id=tss_id)
    except asyncpg.LockNotAvailableError as error:
        raise TssLocked from error


async def list_owners(grant: Grant, tss_id: UUID) -> list[UUID]:
    """Return up to two organizations in reach that have a TSS of this id."""
    owners = await _LIST_OWNERS(grant.tx, env=grant.env, tss_id=tss_id)
    return [owner.organization_id for owner in owners]


async def list_tss(
    grant: Grant, *, is_across: bool, order: str, limit: int, offset: int, **filters: object
) -> tuple[list[Row], int]:
    return await _LISTS.of(grant, is_across=is_across).by_offset(
        grant.tx, Row, order=order, limit=limit, offset=offset, **grant.scope, **filters
    )


async def count_tss(grant: Grant, living: Sequence[TssState], since: int) -> Numbers:
    """Count under a lock on the organization: of two who make the last one, the second waits."""
    await _LOCK_ORGANIZATION(grant.tx, organization_id=grant.organization_id)
    found = await _NUMBERS(grant.tx, **grant.scope, living=list(living), since=since)
    if found is None:
        raise OrganizationNotFound(grant.organization_id)
    return found


async def insert_tss(grant: Grant, event: TssCreated, row: Mapping[str, object]) -> Row | None:
    return await _INSERT(grant, event, **row)


@cache
def _update(names: frozenset[str]) -> Change[Row | None]:
    values = {name: bindparam(f"new_{name}", type_=tss.c[name].type) for name in sorted(names)}
    write = update(tss).where(*_THIS).values(values)
    return change(write.returning(*tss.c, REPLACED_BY), Row)


async def update_tss(
    grant: Grant, event: Event, tss_id: UUID, row: Mapping[str, object]
) -> Row | None:
    """Change a TSS that the operation has locked."""
    new = {f"new_{name}": value for name, value in row.items()}
    return await _update(frozenset(row))(grant, event, tss_id=tss_id, **new)


_counted = (
    update(tss)
    .where(*_THIS, tss.c.signature_counter == bindparam("counter_before", type_=BigInteger))
    .values(
        signature_counter=bindparam("counter_after", type_=BigInteger),
        last_signed_at=bindparam("signed_at", type_=BigInteger),
        registered_clients=bindparam("registered_clients", type_=Integer),
        admin_until=bindparam("admin_until", type_=BigInteger),
        # Whatever was left out is said by now: whoever holds a TSS signs that first.
        skipped=0,
    )
    .returning(tss.c.organization_id, tss.c.env, tss.c.id)
    .cte("counted")
)
_signed = select(
    func.unnest(bindparam("counters", type_=ARRAY(BigInteger))).label("counter"),
    func.unnest(bindparam("operations", type_=ARRAY(Text))).label("operation"),
    func.unnest(bindparam("messages", type_=ARRAY(LargeBinary))).label("message"),
    func.unnest(bindparam("file_names", type_=ARRAY(Text))).label("file_name"),
).subquery("signed")
_MESSAGES: dict[str, ColumnElement[Any]] = {
    "organization_id": _counted.c.organization_id,
    "env": _counted.c.env,
    "tss_id": _counted.c.id,
    "counter": _signed.c.counter,
    "signed_at": bindparam("signed_at", type_=BigInteger),
    "operation": _signed.c.operation,
    "message": _signed.c.message,
    "file_name": _signed.c.file_name,
    "actor_id": bindparam("actor_id", type_=Uuid),
    "operation_id": bindparam("operation_id", type_=Text),
}
_APPEND = many(
    insert(log_messages)
    .from_select(
        list(_MESSAGES), select(*_MESSAGES.values()).select_from(_counted.join(_signed, true()))
    )
    .returning(log_messages.c.tss_id.label("id")),
    Counted,
)


async def append_messages(grant: Grant, tss_id: UUID, **signed: Any) -> None:  # noqa: ANN401 - one of each kind
    """Write system logs and move the counter by them, or refuse where it is another by now."""
    written = await _APPEND(
        grant.tx,
        **grant.scope,
        tss_id=tss_id,
        actor_id=grant.op.actor.id,
        operation_id=grant.op.id,
        **signed,
    )
    if not written:
        raise TssLocked
