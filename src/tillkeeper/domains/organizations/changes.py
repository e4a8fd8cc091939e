"""Writing organizations: every statement records itself."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, array
from sqlalchemy.dialects.postgresql import insert as upsert

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Change, Happened, bulk_insert, change, record_many
from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    BillingAddressInUse,
    BillingAddressNotFound,
    ExternalIdConflict,
    OrganizationHasChildren,
    OrganizationIsPayer,
    OrganizationNotFound,
    PayerCircle,
    UserNotFound,
)
from tillkeeper.domains.agreements.events import OrganizationHandedOver
from tillkeeper.domains.agreements.queries import AT_MOST_SECONDS
from tillkeeper.domains.organizations.columns import REACHED, READER, WRITTEN, shown_to
from tillkeeper.domains.organizations.events import (
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationEnvEnabled,
    OrganizationStatusChanged,
    OrganizationUpdated,
)
from tillkeeper.domains.organizations.wire import Organization
from tillkeeper.schema import ENV, organizations
from tillkeeper.sql import differs, execute, given


class Changed(Struct):
    """The row that was written."""

    id: UUID


_ID = bindparam("organization_id", type_=Uuid)
_NEW_ID = bindparam("id", type_=Uuid)
_WRITTEN = (
    *WRITTEN,
    *(
        organizations.c[name]
        for name in (
            "contact_person_id",
            "contact_person_is_above",
            "gln",
            "withhold_billing",
            "bill_to_organization",
            "payer_named_by_organization_id",
            "managed_configuration",
            "billing_address_organization_id",
            "billing_address_id",
            "metadata",
        )
    ),
)
_BORN = (
    organizations.c.envs,
    organizations.c.created_at,
    organizations.c.created_by_user,
    organizations.c.created_by_organization_id,
)
_main = organizations.alias("main")

# The walls close round the new organization in the statement that writes it: its own trail, and
# whatever the operation adds to it, belong to it.
_opened = select(
    func.set_config("tillkeeper.organization_id", cast(_NEW_ID, Text), true()).label("one"),
    func.set_config("tillkeeper.across", cast(_NEW_ID, Text), true()).label("two"),
).cte("opened")
_RETURNED = (*shown_to(READER), organizations.c.id.label("trail_organization_id"))


def _insert_below(relation: str, *above: ColumnElement[bool]) -> Change[Organization | None]:
    """Compile an insert below the granted organization; whoever reaches that one reaches it.

    The row above is locked as the foreign key locks it: a handover of that moment waits. What has
    to be true `above` is asked once more of the row that is locked.
    """
    row = given(*_WRITTEN, *_BORN) | {
        "id": _NEW_ID,
        relation: _main.c.id,
        "reached_by": func.array_prepend(_NEW_ID, _main.c.reached_by),
    }
    source = (
        select(*row.values())
        .select_from(_main.join(_opened, true()))
        .where(_main.c.id == _ID, *above)
        .with_for_update(read=True, key_share=True, of=_main)
    )
    return change(
        upsert(organizations)
        .from_select(list(row), source)
        .on_conflict_do_nothing()
        .returning(*_RETURNED),
        Organization,
    )


_INSERT_MANAGED = _insert_below("managed_by_organization_id")
_INSERT_ADMINISTERED = _insert_below(
    "administered_by_organization_id", _main.c.administered_by_organization_id.is_(None)
)
_FIRST = given(*_WRITTEN, *_BORN) | {
    "id": _NEW_ID,
    "reached_by": array([_NEW_ID]),
}
_INSERT_FIRST = change(
    insert(organizations)
    .from_select(list(_FIRST), select(*_FIRST.values()).select_from(_opened))
    .returning(*_RETURNED),
    Organization,
)


async def insert_managed(
    grant: Grant, event: OrganizationCreated, row: Mapping[str, object]
) -> Organization | None:
    """Insert a managed one; None where the external_id is taken or the manager has gone."""
    return await _insert(_INSERT_MANAGED, grant, event, row)


async def insert_administered(
    grant: Grant, event: OrganizationCreated, row: Mapping[str, object]
) -> Organization | None:
    """Insert an administered main one; None as above."""
    return await _insert(_INSERT_ADMINISTERED, grant, event, row)


async def _insert(
    statement: Change[Organization | None],
    grant: Grant,
    event: OrganizationCreated,
    row: Mapping[str, object],
) -> Organization | None:
    try:
        return await statement(
            grant, event, id=event.organization_id, reader_id=grant.reader_id, **row
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise _gone(error, row) from error


def _gone(error: asyncpg.ForeignKeyViolationError, row: Mapping[str, Any]) -> Exception:
    """Name what was there when it was checked, and was deleted before it could be pointed to."""
    match error.constraint_name:
        case "fk_organizations_bill_to_organization":
            return OrganizationNotFound(row["bill_to_organization"])
        case "fk_organizations_billing_address":
            return BillingAddressNotFound(row["billing_address_id"])
        case "fk_organizations_contact_person_id":
            return UserNotFound(row["contact_person_id"])
        case _:
            return error


async def insert_first(
    grant: Grant, event: OrganizationCreated, row: Mapping[str, object]
) -> Organization | None:
    """Insert a main organization that nobody administers: the operator's alone."""
    return await _insert(_INSERT_FIRST, grant, event, row)


@cache
def _update(names: frozenset[str]) -> Change[Organization | None]:
    columns = [organizations.c[name] for name in sorted(names)]
    values = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in columns}
    return change(
        update(organizations)
        .where(organizations.c.id == _ID, REACHED, differs(values, organizations))
        .values(values)
        .returning(*shown_to(READER)),
        Organization,
    )


async def update_organization(
    grant: Grant, event: OrganizationUpdated, row: Mapping[str, object]
) -> Organization | None:
    """Change the given columns; None where they hold the values already."""
    new = {f"new_{name}": value for name, value in row.items()}
    try:
        return await _update(frozenset(row))(grant, event, reader_id=grant.reader_id, **new)
    except asyncpg.UniqueViolationError as error:
        raise ExternalIdConflict from error
    except asyncpg.ForeignKeyViolationError as error:
        raise _gone(error, row) from error
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "no_payer_circle":
            raise
        raise PayerCircle from error


_SET_STATUS = _update(frozenset({"status", "status_reason", "grace_ends_at", "purge_at"}))


async def set_status(
    grant: Grant, event: OrganizationStatusChanged, row: Mapping[str, object]
) -> Organization | None:
    new = {f"new_{name}": value for name, value in row.items()}
    return await _SET_STATUS(grant, event, reader_id=grant.reader_id, **new)


_ENABLE_LIVE = change(
    update(organizations)
    .where(organizations.c.id == _ID, REACHED, organizations.c.envs == [Env.TEST])
    .values(envs=bindparam("envs", type_=ARRAY(ENV)))
    .returning(organizations.c.id),
    Changed,
)
_DELETE = change(
    delete(organizations)
    .where(organizations.c.id == _ID, organizations.c.is_delete_protected.is_(False))
    .returning(organizations.c.id),
    Changed,
)
_PURGE = change(
    delete(organizations)
    .where(
        organizations.c.id == _ID,
        organizations.c.is_delete_protected.is_(False),
        organizations.c.purge_at <= func.now(),
        organizations.c.envs == [Env.TEST],
    )
    .returning(organizations.c.id),
    Changed,
)


async def enable_live(grant: Grant, event: OrganizationEnvEnabled) -> bool:
    """Enable LIVE; False where it is by now, or out of reach."""
    new = {"envs": [Env.TEST, Env.LIVE], "reader_id": grant.reader_id}
    try:
        return await _ENABLE_LIVE(grant, event, **new) is not None
    except asyncpg.UniqueViolationError as error:
        raise ExternalIdConflict from error


async def purge_organization(grant: Grant, event: OrganizationDeleted) -> bool:
    """Delete it if its deletion is still due, it is in TEST alone, and nobody leans on it."""
    try:
        return await _PURGE(grant, event) is not None
    except asyncpg.ForeignKeyViolationError:
        return False


async def delete_organization(grant: Grant, event: OrganizationDeleted) -> bool:
    """Delete it with its keys, members and addresses; its audit stays."""
    try:
        return await _DELETE(grant, event) is not None
    except asyncpg.ForeignKeyViolationError as error:
        match error.constraint_name:
            case "fk_organizations_billing_address":
                raise BillingAddressInUse from error
            case "fk_organizations_bill_to_organization":
                raise OrganizationIsPayer from error
            case _:
                raise OrganizationHasChildren from error


_HAND_OVER = execute(select(func.hand_over(_ID)), at_most_seconds=AT_MOST_SECONDS)


async def hand_over(grant: Grant, event: OrganizationHandedOver) -> None:
    """End the administration of the granted organization, for it and all it manages."""
    await _HAND_OVER(grant.tx, organization_id=grant.organization_id)
    name = "administered_by_organization_id"
    gone: dict[str, object] = {name: grant.reader_id}
    happened = Happened(grant.organization_id, event, before=gone, after={name: None})
    await record_many(grant, [happened])


_BULK = (*_WRITTEN, organizations.c.id, organizations.c.created_at)
_wanted = (
    func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
    .table_valued(*(column(each.name, each.type) for each in _BULK), name="wanted")
    .render_derived(with_types=True)
)
_BULK_ROW = {each.name: _wanted.c[each.name] for each in _BULK} | {
    "envs": bindparam("envs", type_=ARRAY(ENV)),
    "created_by_user": bindparam("created_by_user", type_=Uuid),
    "created_by_organization_id": bindparam("created_by_organization_id", type_=Uuid),
    "managed_by_organization_id": _main.c.id,
    "reached_by": func.array_prepend(_wanted.c.id, _main.c.reached_by),
}
_INSERT_MANY = bulk_insert(
    upsert(organizations)
    .from_select(
        list(_BULK_ROW),
        select(*_BULK_ROW.values())
        .select_from(_main.join(_wanted, true()))
        .where(_main.c.id == _ID)
        .with_for_update(read=True, key_share=True, of=_main),
    )
    .on_conflict_do_nothing()
    .returning(*shown_to(READER)),
    Organization,
)


async def insert_many_managed(
    grant: Grant, rows: Sequence[Mapping[str, object]], *, envs: list[Env]
) -> list[Organization]:
    """Insert many below the granted organization in one statement, and record each.

    Returns those that were inserted: one whose external_id is taken is left out.
    """
    created = await _INSERT_MANY(
        grant.tx,
        rows=rows,
        organization_id=grant.organization_id,
        envs=envs,
        created_by_user=grant.op.actor.id,
        created_by_organization_id=grant.op.actor.organization_id,
        reader_id=grant.reader_id,
    )
    happened = [
        Happened(
            each.id,
            OrganizationCreated(
                organization_id=each.id,
                name=each.name,
                parent_organization_id=grant.organization_id,
            ),
            after=after,
        )
        for each, after in created
    ]
    await record_many(grant, happened)
    return [each for each, _ in created]
