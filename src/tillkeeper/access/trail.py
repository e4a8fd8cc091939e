"""Changes that record themselves: a row, its audit row and its outbox row in one statement."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Text, Uuid, bindparam, func, insert, select, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from tillkeeper.access.operation import Actor, House, Operation
from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import AccessDenied, Refusal
from tillkeeper.core.ids import mint_row_id
from tillkeeper.schema import ENV, audit_rows, outbox_rows
from tillkeeper.sql import Compiled, execute

S = TypeVar("S", bound=Struct)
Result_co = TypeVar("Result_co", covariant=True)
Write: TypeAlias = (
    ReturningInsert[*tuple[Any, ...]]
    | ReturningUpdate[*tuple[Any, ...]]
    | ReturningDelete[*tuple[Any, ...]]
)


class Event(Struct, frozen=True, tag_field="event"):
    """What happened, in the past tense: `api_key.created`."""


class Change(Protocol[Result_co]):
    """A compiled write. It cannot be called without the grant and the event it is recorded by."""

    async def __call__(self, grant: Grant, event: Event, /, **values: object) -> Result_co:
        """Write and record."""
        ...


_TIME = TIMESTAMP(timezone=True)
_HAPPENED: dict[str, ColumnElement[Any]] = {
    "env": bindparam("trail_env", type_=ENV),
    "at": bindparam("trail_at", type_=_TIME),
    "event": bindparam("trail_event", type_=Text),
}
_WHO: dict[str, ColumnElement[Any]] = {
    "operation_id": bindparam("trail_operation_id", type_=Text),
    "actor_kind": bindparam("trail_actor_kind", type_=Text),
    "actor_id": bindparam("trail_actor_id", type_=Uuid),
    "actor_organization_id": bindparam("trail_actor_organization_id", type_=Uuid),
    "outcome": bindparam("trail_outcome", type_=Text),
}
_ONE: dict[str, ColumnElement[Any]] = {
    "organization_id": bindparam("trail_organization_id", type_=Uuid),
    "id": bindparam("trail_id", type_=Uuid),
    "details": bindparam("trail_details", type_=JSONB),
}
_EVENT = _ONE | _HAPPENED
_AUDIT = _EVENT | _WHO


def change(statement: Write, into: type[S]) -> Change[S | None]:
    """Compile a write. When it changes nothing, nothing is recorded and the result is None.

    The event belongs to the granted organization, unless the statement returns a column
    `trail_organization_id`: then to that one.
    """
    changed = statement.cte("changed")
    own = changed.c.get("trail_organization_id")
    audited, announced = (
        insert(table).from_select(list(row), select(*row.values()).select_from(changed))
        for table, row in (
            (table, row if own is None else row | {"organization_id": own})
            for table, row in ((audit_rows, _AUDIT), (outbox_rows, _EVENT))
        )
    )
    shown = [column for column in changed.c if column is not own]
    write = Compiled(select(*shown).add_cte(audited.cte("audited"), announced.cte("announced")))

    async def run(grant: Grant, event: Event, /, **values: object) -> S | None:
        recorded = _recorded(grant.op, grant.env) | _happened(event)
        if own is None:
            recorded["trail_organization_id"] = grant.organization_id
        every = write.wanted_of(grant.scope) | values | recorded
        row = await grant.tx.fetchrow(write.text, *write.arguments(every))
        return None if row is None else into(**row)

    return run


def _unnested(name: str, kind: Any) -> Any:  # noqa: ANN401 - Core's own types
    return func.unnest(bindparam(name, type_=ARRAY(kind)))


_MANY: dict[str, ColumnElement[Any]] = {
    "organization_id": _unnested("trail_organization_ids", Uuid),
    "id": _unnested("trail_ids", Uuid),
    "details": _unnested("trail_details", JSONB),
}
_RECORD_MANY = [
    execute(insert(table).from_select(list(row), select(*row.values())))
    for table, row in ((audit_rows, _MANY | _HAPPENED | _WHO), (outbox_rows, _MANY | _HAPPENED))
]


async def record_many(grant: Grant, events: Sequence[tuple[UUID, Event]]) -> None:
    """Record what a bulk write has done: pairs of organization and event, all of one kind.

    Two statements for any number, after the write: the walls look the organizations up, and a
    statement does not see the rows that it inserts.
    """
    if not events:
        return
    many = {
        "trail_organization_ids": [organization_id for organization_id, _ in events],
        "trail_ids": [mint_row_id() for _ in events],
        "trail_details": [event for _, event in events],
    }
    happened = {"trail_event": events[0][1].__struct_config__.tag}
    audit, outbox = _RECORD_MANY
    who = _recorded(grant.op, grant.env)
    await audit(grant.tx, **many, **happened, **who)
    await outbox(
        grant.tx,
        **many,
        **happened,
        **{name: who[name] for name in ("trail_env", "trail_at")},
    )


_WALLS_OF_ASKER = [
    func.set_config(f"tillkeeper.{name}", bindparam(name, type_=Text), true()).is_not(None)
    for name in ("actor_of", "env")
]
_RECORD_REFUSAL = execute(
    insert(audit_rows).from_select(list(_AUDIT), select(*_AUDIT.values()).where(*_WALLS_OF_ASKER))
)


async def record_refusal(house: House, op: Operation, refusal: Refusal) -> None:
    """Keep a no in the audit of who asked, in a transaction of its own."""
    actor = op.actor
    details = {"code": refusal.code or "none", "status": str(refusal.status)}
    if isinstance(refusal, AccessDenied):
        details["right"] = refusal.right
    async with house.db.lend() as tx:
        await _RECORD_REFUSAL(
            tx,
            **_recorded(op, actor.env) | {"trail_outcome": "refused"},
            trail_organization_id=actor.organization_id,
            trail_id=mint_row_id(),
            trail_event="access.refused",
            trail_details=details,
            actor_of=str(actor.organization_id),
            env=actor.env,
        )


def _recorded(op: Operation, env: object) -> dict[str, object]:
    actor: Actor = op.actor
    return {
        "trail_env": env,
        "trail_at": op.now,
        "trail_operation_id": op.id,
        "trail_actor_kind": actor.kind,
        "trail_actor_id": actor.id,
        "trail_actor_organization_id": actor.organization_id,
        "trail_outcome": "done",
    }


def _happened(event: Event) -> dict[str, object]:
    return {
        "trail_id": mint_row_id(),
        "trail_event": event.__struct_config__.tag,
        "trail_details": event,
    }
