"""Billing addresses in the database."""

from collections.abc import Mapping
from functools import cache
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import (
    Boolean,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Change, change
from tillkeeper.core.errors import BillingAddressInUse
from tillkeeper.domains.billing.events import (
    BillingAddressCreated,
    BillingAddressDeleted,
    BillingAddressUpdated,
)
from tillkeeper.domains.billing.wire import BillingAddress, PayerPeriod
from tillkeeper.schema import billing_addresses, organizations, payer_periods
from tillkeeper.sql import Page, differs, given, in_seconds, many, one_or_none


class Owner(Struct):
    """The organization that an address belongs to."""

    organization_id: UUID


class Pointers(Struct):
    """How many organizations point to an address."""

    number: int


_ID = bindparam("address_id", type_=Uuid)
_OWNED = billing_addresses.c.organization_id == bindparam("organization_id")
_owner = organizations.alias("owner")
_ENVS = (
    select(_owner.c.envs)
    .where(_owner.c.id == billing_addresses.c.organization_id)
    .correlate(billing_addresses)
    .scalar_subquery()
)
_WRITTEN = tuple(
    billing_addresses.c[name]
    for name in (
        "recipient",
        "display_name",
        "address_line1",
        "address_line2",
        "zip",
        "town",
        "country_code",
        "vat_id",
    )
)
_SHOWN = (
    billing_addresses.c.id,
    literal("BILLING_ADDRESS", Text).label("type"),
    _ENVS.label("envs"),
    *_WRITTEN,
)
_LIST_ORDER = (billing_addresses.c.created_at, billing_addresses.c.id)
# The walls are wide here: an address list has no organization in its path.
_LISTS = {
    scope: Page(
        select(*_SHOWN)
        .join(organizations, organizations.c.id == billing_addresses.c.organization_id)
        .where(column == bindparam("organization_id", type_=Uuid)),
        orders={
            "asc": list(_LIST_ORDER),
            "desc": [column.desc() for column in _LIST_ORDER],
        },
    )
    for scope, column in (
        ("root", organizations.c.root_organization_id),
        ("main", organizations.c.main_organization_id),
        ("self", organizations.c.id),
    )
}
_FIND_OWNER = one_or_none(
    select(billing_addresses.c.organization_id).where(billing_addresses.c.id == _ID), Owner
)
_FIND = one_or_none(select(*_SHOWN).where(_OWNED, billing_addresses.c.id == _ID), BillingAddress)
_LOCK = one_or_none(
    select(*_SHOWN)
    .where(_OWNED, billing_addresses.c.id == _ID)
    .with_for_update(key_share=True, of=billing_addresses),
    BillingAddress,
)
_ENVS_OF_NEW = (
    select(_owner.c.envs)
    .where(_owner.c.id == bindparam("organization_id", type_=Uuid))
    .scalar_subquery()
)
_INSERT = change(
    insert(billing_addresses)
    .values(
        given(
            billing_addresses.c.organization_id,
            billing_addresses.c.id,
            billing_addresses.c.created_at,
            *_WRITTEN,
        )
    )
    .returning(*_SHOWN[:2], _ENVS_OF_NEW.label("envs"), *_WRITTEN),
    BillingAddress,
)
_DELETE = change(
    delete(billing_addresses)
    .where(_OWNED, billing_addresses.c.id == _ID)
    .returning(billing_addresses.c.organization_id),
    Owner,
)
_COUNT_POINTERS = one_or_none(
    select(
        func.count_pointers_to_address(bindparam("organization_id", type_=Uuid), _ID).label(
            "number"
        )
    ),
    Pointers,
)


async def list_billing_addresses(
    grant: Grant, *, order: str, limit: int, offset: int
) -> tuple[list[BillingAddress], int]:
    actor = grant.op.actor
    scope = "self" if not actor.is_main else "main" if actor.is_administered else "root"
    return await _LISTS[scope].by_offset(
        grant.tx,
        BillingAddress,
        order=order,
        limit=limit,
        offset=offset,
        organization_id=grant.organization_id,
    )


async def find_owner(grant: Grant, address_id: UUID) -> Owner | None:
    """Find whose address it is, within the walls."""
    return await _FIND_OWNER(grant.tx, address_id=address_id)


async def find_billing_address(grant: Grant, address_id: UUID) -> BillingAddress | None:
    values = {"organization_id": grant.organization_id, "address_id": address_id}
    return await _FIND(grant.tx, **values)


async def lock_billing_address(grant: Grant, address_id: UUID) -> BillingAddress | None:
    """Find it, and keep it as it is until the operation ends."""
    values = {"organization_id": grant.organization_id, "address_id": address_id}
    return await _LOCK(grant.tx, **values)


async def insert_billing_address(
    grant: Grant, event: BillingAddressCreated, row: Mapping[str, object]
) -> BillingAddress | None:
    """Insert an address, or return None where its organization was deleted in between."""
    new = {"id": event.billing_address_id, "created_at": grant.op.now, **row}
    try:
        return await _INSERT(grant, event, **new)
    except asyncpg.ForeignKeyViolationError:
        return None


@cache
def _update(names: frozenset[str]) -> Change[BillingAddress | None]:
    columns = [billing_addresses.c[name] for name in sorted(names)]
    values = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in columns}
    return change(
        update(billing_addresses)
        .where(_OWNED, billing_addresses.c.id == _ID, differs(values, billing_addresses))
        .values(values)
        .returning(*_SHOWN),
        BillingAddress,
    )


async def update_billing_address(
    grant: Grant, event: BillingAddressUpdated, row: Mapping[str, object]
) -> BillingAddress | None:
    new = {f"new_{name}": value for name, value in row.items()}
    return await _update(frozenset(row))(grant, event, address_id=event.billing_address_id, **new)


async def delete_billing_address(grant: Grant, event: BillingAddressDeleted) -> bool:
    try:
        return await _DELETE(grant, event, address_id=event.billing_address_id) is not None
    except asyncpg.ForeignKeyViolationError as error:
        raise BillingAddressInUse from error


async def count_pointers(grant: Grant, address_id: UUID) -> int:
    values = {"organization_id": grant.organization_id, "address_id": address_id}
    found = await _COUNT_POINTERS(grant.tx, **values)
    return found.number if found else 0


_PERIODS_AT_MOST = 1000
_READER = bindparam("reader_id", type_=Uuid)
_periods = payer_periods.c
# As `billing_options` shows its payer: to itself, to who has named it, and above either.
_SEES_PAYER = or_(
    _periods.bill_to_organization == _READER,
    _periods.named_by_organization_id == _READER,
    func.reaches(_READER, _periods.bill_to_organization, type_=Boolean),
    func.reaches(_READER, _periods.named_by_organization_id, type_=Boolean),
)


_LIST_PERIODS = many(
    select(
        in_seconds(_periods.starts_at).label("starts_at"),
        in_seconds(_periods.ends_at).label("ends_at"),
        _periods.bill_to_organization,
        _periods.withhold_billing,
    )
    # Where nobody was named is left out too: it would tell when one who is not shown had ended.
    .where(_periods.organization_id == bindparam("organization_id", type_=Uuid), _SEES_PAYER)
    .order_by(_periods.starts_at.desc())
    .limit(_PERIODS_AT_MOST),
    PayerPeriod,
)


async def list_payer_periods(grant: Grant) -> list[PayerPeriod]:
    """Return who paid for the granted organization, newest first, as far as the reader may know."""
    return await _LIST_PERIODS(
        grant.tx, organization_id=grant.organization_id, reader_id=grant.reader_id
    )
