"""Changes that record themselves: a row, its audit row and its outbox row in one statement."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import asyncpg
from asyncpg import Record
from msgspec import Struct
from sqlalchemy import ColumnElement, Table, Text, Uuid, bindparam, func, insert, select, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from tillkeeper.access.documents import Write, is_told, telling, told
from tillkeeper.access.operation import Actor, Asked, House, Operation
from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import AccessDenied, Overloaded, Refusal
from tillkeeper.core.ids import mint_row_id
from tillkeeper.db.pool import Tx
from tillkeeper.logs import log
from tillkeeper.schema import ENV, audit_rows, outbox_rows
from tillkeeper.sql import Compiled, Query, execute

S = TypeVar("S", bound=Struct)
Result_co = TypeVar("Result_co", covariant=True)


class Event(Struct, frozen=True, tag_field="event"):
    """What happened, in the past tense: `api_key.created`; a field `api_key_id` says to which."""

    @classmethod
    def event_name(cls) -> str:
        """Return what the event is called."""
        return str(cls.__struct_config__.tag)

    @classmethod
    def target_kind(cls) -> str:
        """Return the noun that it happened to."""
        return cls.event_name().partition(".")[0]

    @property
    def target_id(self) -> UUID:
        """Return the id of what it happened to."""
        found: UUID = getattr(self, f"{self.target_kind()}_id")
        return found


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
    "address": bindparam("trail_address", type_=Text),
    "agent": bindparam("trail_agent", type_=Text),
    "target_kind": bindparam("trail_target_kind", type_=Text),
}
_ONE: dict[str, ColumnElement[Any]] = {
    "organization_id": bindparam("trail_organization_id", type_=Uuid),
    "id": bindparam("trail_id", type_=Uuid),
    "details": bindparam("trail_details", type_=JSONB),
}
_EVENT = _ONE | _HAPPENED
_AUDIT = _EVENT | _WHO | {"target_id": bindparam("trail_target_id", type_=Uuid)}


def change(statement: Write, into: type[S]) -> Change[S | None]:
    """Compile a write. When it changes nothing, nothing is recorded and the result is None.

    The event belongs to the granted organization, unless the statement returns a column
    `trail_organization_id`: then to that one. The audit row tells what was there before and after.
    """
    changed = telling(statement).cte("changed")
    own = changed.c.get("trail_organization_id")
    audited, announced = (
        insert(table).from_select(list(row), select(*row.values()).select_from(changed))
        for table, row in (
            (table, row if own is None else row | {"organization_id": own})
            for table, row in ((audit_rows, _AUDIT | told(changed)), (outbox_rows, _EVENT))
        )
    )
    shown = [column for column in changed.c if column is not own and not is_told(column.name)]
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
_OF_TARGETS = {
    "target_id": _unnested("trail_target_ids", Uuid),
    "before": _unnested("trail_befores", JSONB(none_as_null=True)),
    "after": _unnested("trail_afters", JSONB(none_as_null=True)),
}


def _record_many(row: dict[str, ColumnElement[Any]], table: Table) -> Query[None]:
    return execute(insert(table).from_select(list(row), select(*row.values())))


_AUDIT_MANY = _record_many(_MANY | _HAPPENED | _WHO | _OF_TARGETS, audit_rows)
_ANNOUNCE_MANY = _record_many(_MANY | _HAPPENED, outbox_rows)


class Happened(NamedTuple):
    """One event of a bulk write: to which organization, and what it changed where that is known."""

    organization_id: UUID
    event: Event
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


def bulk_insert(statement: Write, into: type[S]) -> Query[list[tuple[S, dict[str, Any]]]]:
    """Compile an insert of many rows, each returned with what the audit may repeat of it."""
    compiled = Compiled(telling(statement))

    async def run(tx: Tx, /, **values: object) -> list[tuple[S, dict[str, Any]]]:
        rows = await tx.fetch(compiled.text, *compiled.arguments(values))
        return [_apart(row, into) for row in rows]

    return run


def _apart(row: Record, into: type[S]) -> tuple[S, dict[str, Any]]:
    shown = {name: value for name, value in row.items() if not is_told(name)}
    documents = [value for name, value in row.items() if is_told(name)]
    return into(**shown), {name: value for name, value in documents[0].items() if value is not None}


async def record_many(grant: Grant, happened: Sequence[Happened]) -> None:
    """Record what a bulk write has done, all of one kind.

    Two statements for any number, after the write: the walls look the organizations up, and a
    statement does not see the rows that it inserts.
    """
    if not happened:
        return
    many = {
        "trail_organization_ids": [each.organization_id for each in happened],
        "trail_ids": [mint_row_id() for _ in happened],
        "trail_details": [each.event for each in happened],
    }
    targets = {
        "trail_target_ids": [each.event.target_id for each in happened],
        "trail_befores": [each.before for each in happened],
        "trail_afters": [each.after for each in happened],
    }
    kind = type(happened[0].event)
    who = _recorded(grant.op, grant.env)
    shared = {"trail_event": kind.event_name(), "trail_env": grant.env, "trail_at": grant.op.now}
    await _AUDIT_MANY(
        grant.tx, **many, **targets, **who | shared, trail_target_kind=kind.target_kind()
    )
    await _ANNOUNCE_MANY(grant.tx, **many, **shared)


def recorded_as(grant: Grant, event: Event) -> dict[str, object]:
    """Return what rows about an event say, for a door that writes them beyond the grant's walls."""
    said = _recorded(grant.op, grant.env) | _happened(event)
    return {name.removeprefix("trail_"): value for name, value in said.items()}


_WALLS_OF_ASKER = [
    func.set_config(f"tillkeeper.{name}", bindparam(name, type_=Text), true()).is_not(None)
    for name in ("actor_of", "env")
]
_RECORD_REFUSAL = execute(
    insert(audit_rows).from_select(list(_AUDIT), select(*_AUDIT.values()).where(*_WALLS_OF_ASKER))
)


async def record_refusal(house: House, op: Operation | Asked, refusal: Refusal) -> None:
    """Keep a no in the audit of who asked, in a transaction of its own.

    Where even that fails the no still stands, and the log says that the audit lacks it.
    """
    actor = op.actor
    details = {"code": refusal.code or "none", "status": str(refusal.status)}
    about = op.target.organization_id if op.target is not None else None
    if isinstance(refusal, AccessDenied):
        details["right"], about = refusal.right, refusal.organization_id
    try:
        async with house.db.lend() as tx:
            await _RECORD_REFUSAL(
                tx,
                **_recorded(op, actor.env) | {"trail_outcome": "refused"},
                trail_organization_id=actor.organization_id,
                trail_id=mint_row_id(),
                trail_event="access.refused",
                trail_details=details,
                trail_target_kind=None if about is None else "organization",
                trail_target_id=about,
                actor_of=str(actor.organization_id),
                env=actor.env,
            )
    except (Overloaded, asyncpg.PostgresError) as error:
        log.error("audit.refusal_lost", request_id=op.id, reason=type(error).__name__)


def _recorded(op: Operation | Asked, env: object) -> dict[str, object]:
    actor: Actor = op.actor
    return {
        "trail_env": env,
        "trail_at": op.now,
        "trail_operation_id": op.id,
        "trail_actor_kind": actor.kind,
        "trail_actor_id": actor.id,
        "trail_actor_organization_id": actor.organization_id,
        "trail_outcome": "done",
        "trail_address": op.address,
        "trail_agent": op.agent,
    }


def _happened(event: Event) -> dict[str, object]:
    return {
        "trail_id": mint_row_id(),
        "trail_event": event.event_name(),
        "trail_details": event,
        "trail_target_kind": event.target_kind(),
        "trail_target_id": event.target_id,
    }
