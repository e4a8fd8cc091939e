"""Writing a signature: counters, transaction and message in one statement, or none of them."""

from datetime import date
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as insert_or_add

from tillkeeper.access.policy import Grant
from tillkeeper.core.days import DAYS_AT_MOST
from tillkeeper.core.errors import TssLocked
from tillkeeper.schema import log_messages, transaction_months, transactions, tss
from tillkeeper.schema.tss import TRANSACTION_STATE
from tillkeeper.sql import Query, many


class Written(Struct):
    """The counter under which a message was written."""

    counter: int


_COUNTER = bindparam("counter", type_=BigInteger)
_NUMBER = bindparam("number", type_=BigInteger)
_REVISION = bindparam("revision", type_=Integer)
_STATE = bindparam("state", type_=TRANSACTION_STATE)
_CLIENT = bindparam("client_id", type_=Uuid)
_SIGNED_AT = bindparam("signed_at", type_=BigInteger)
_ENDED_AT = bindparam("ended_at", type_=BigInteger)
_TYPE = bindparam("process_type", type_=Text)
_LABELS = bindparam("metadata", type_=JSONB)


def _counted(**more: ColumnElement[Any]) -> CTE:
    """Move the counters by one signature; where somebody else has moved them, write nothing."""
    return (
        update(tss)
        .where(
            tss.c.organization_id == bindparam("organization_id", type_=Uuid),
            tss.c.env == bindparam("env"),
            tss.c.id == bindparam("tss_id", type_=Uuid),
            tss.c.signature_counter == _COUNTER - 1,
        )
        .values(
            signature_counter=_COUNTER,
            last_signed_at=_SIGNED_AT,
            active_transactions=tss.c.active_transactions + bindparam("more_active", type_=Integer),
            **more,
        )
        .returning(tss.c.organization_id, tss.c.env, tss.c.id)
        .cte("counted")
    )


def _signing(counted: CTE, written: CTE, *besides: CTE) -> Query[list[Written]]:
    row: dict[str, ColumnElement[Any]] = {
        "organization_id": counted.c.organization_id,
        "env": counted.c.env,
        "tss_id": counted.c.id,
        "counter": _COUNTER,
        "signed_at": _SIGNED_AT,
        "operation": bindparam("operation", type_=Text),
        "message": bindparam("message", type_=LargeBinary),
        "file_name": bindparam("file_name", type_=Text),
        "actor_id": bindparam("actor_id", type_=Uuid),
        "operation_id": bindparam("operation_id", type_=Text),
        "transaction_number": written.c.number,
        "revision": _REVISION,
        "state": _STATE,
        "client_id": _CLIENT,
        "schema": bindparam("schema", type_=JSONB),
        "signature": bindparam("signature", type_=LargeBinary),
    }
    # Where the transaction is not written there is no message, and `_sure` refuses all of it.
    message = insert(log_messages).from_select(
        list(row), select(*row.values()).select_from(counted.join(written, _same(counted, written)))
    )
    return many(message.returning(log_messages.c.counter).add_cte(*besides), Written)


def _same(counted: CTE, written: CTE) -> ColumnElement[bool]:
    same: ColumnElement[bool] = written.c.tss_id == counted.c.id
    return same


def _start() -> Query[list[Written]]:
    counted = _counted(transaction_counter=_NUMBER)
    row: dict[str, ColumnElement[Any]] = {
        "organization_id": counted.c.organization_id,
        "env": counted.c.env,
        "tss_id": counted.c.id,
        "number": _NUMBER,
        "id": bindparam("transaction_id", type_=Uuid),
        "client_id": _CLIENT,
        "state": _STATE,
        "latest_revision": _REVISION,
        "process_type": _TYPE,
        "time_start": _SIGNED_AT,
        "metadata": _LABELS,
    }
    started = insert(transactions).from_select(list(row), select(*row.values()))
    written = started.returning(transactions.c.tss_id, transactions.c.number).cte("written")
    return _signing(counted, written, _added_to_day(counted, written))


def _added_to_day(counted: CTE, written: CTE) -> CTE:
    """Count a transaction among those of its day."""
    day = bindparam("day_of_month", type_=Integer)
    row: dict[str, ColumnElement[Any]] = {
        "organization_id": counted.c.organization_id,
        "env": counted.c.env,
        "tss_id": counted.c.id,
        "month": bindparam("month", type_=Date),
        "started": bindparam("first_of_month", type_=ARRAY(Integer)),
    }
    joined = select(*row.values()).select_from(counted.join(written, _same(counted, written)))
    added = insert_or_add(transaction_months).from_select(list(row), joined)
    so_far = transaction_months.c.started
    before, after = so_far[1 : day - 1], so_far[day + 1 : DAYS_AT_MOST]
    one_more = before.op("||")(so_far[day] + 1).op("||")(after)
    return added.on_conflict_do_update(
        index_elements=list(transaction_months.primary_key), set_={"started": one_more}
    ).cte("added_to_day")


def _go_on() -> Query[list[Written]]:
    counted = _counted()
    changed = (
        update(transactions)
        .where(
            transactions.c.organization_id == counted.c.organization_id,
            transactions.c.env == counted.c.env,
            transactions.c.tss_id == counted.c.id,
            transactions.c.number == _NUMBER,
            transactions.c.latest_revision == _REVISION - 1,
        )
        .values(
            client_id=_CLIENT,
            state=_STATE,
            latest_revision=_REVISION,
            process_type=_TYPE,
            time_end=_ENDED_AT,
            metadata=_LABELS,
        )
        .returning(transactions.c.tss_id, transactions.c.number)
        .cte("written")
    )
    return _signing(counted, changed)


_START, _GO_ON = _start(), _go_on()


async def start_transaction(
    grant: Grant,
    tss_id: UUID,
    day: date,
    **signed: Any,  # noqa: ANN401 - one of each kind
) -> None:
    """Write the first revision of a transaction, and count it among those of its local day."""
    first = [int(number == day.day) for number in range(1, DAYS_AT_MOST + 1)]
    counted = {"month": day.replace(day=1), "day_of_month": day.day, "first_of_month": first}
    _sure(await _START(grant.tx, **_of(grant, tss_id), **counted, **signed))


async def continue_transaction(grant: Grant, tss_id: UUID, **signed: Any) -> None:  # noqa: ANN401
    """Write the next revision of a transaction."""
    _sure(await _GO_ON(grant.tx, **_of(grant, tss_id), **signed))


def _of(grant: Grant, tss_id: UUID) -> dict[str, object]:
    who = {"actor_id": grant.op.actor.id, "operation_id": grant.op.id}
    return {**grant.scope, **who, "tss_id": tss_id}


def _sure(written: list[Written]) -> None:
    """Refuse, and so roll back, what met other counters than it has signed."""
    if not written:
        raise TssLocked
