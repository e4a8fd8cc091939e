"""The fleet: TSS of an organization and of all below it, organization by organization."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from tillkeeper.access.policy import Grant
from tillkeeper.core.paging import Cursor
from tillkeeper.domains.fleet.scopes import WHOLE, of_organization, scope_of
from tillkeeper.domains.fleet.wire import FleetTss
from tillkeeper.domains.tss.queries import REPLACED_BY
from tillkeeper.schema import organizations, tss
from tillkeeper.sql import Page

_TIME = TIMESTAMP(timezone=True)
_AFTER_AT = cast(extract("epoch", bindparam("after_at", type_=_TIME)), BigInteger)
_WITHIN = (bindparam("within_at", type_=_TIME), bindparam("within_id", type_=Uuid))
_ORGANIZATION = (organizations.c.created_at, organizations.c.id)
_ORDER = (*_ORGANIZATION, tss.c.time_creation, tss.c.id)
# The first half walks the index of organizations, the second stays within one of them.
_AFTER = and_(
    tuple_(*_ORGANIZATION) >= tuple_(*_WITHIN),
    tuple_(*_ORDER) > tuple_(*_WITHIN, _AFTER_AT, bindparam("after_id", type_=Uuid)),
)
_SEARCHED = func.lower(bindparam("search", type_=Text))
_FILTERS: dict[str, Any] = {
    "states": cast(tss.c.state, Text) == func.any(bindparam("states", type_=ARRAY(Text))),
    "organization": organizations.c.id == bindparam("organization", type_=Uuid),
    "search": or_(
        func.strpos(func.lower(tss.c.description), _SEARCHED) > 0,
        func.strpos(tss.c.serial_number, _SEARCHED) > 0,
    ),
    "expiring_before": tss.c.certificate_ends_at < bindparam("expiring_before", type_=BigInteger),
    "idle_since": func.greatest(tss.c.last_signed_at, tss.c.time_creation)
    < bindparam("idle_since", type_=BigInteger),
}
_ROWS = select(
    tss.c.id,
    literal("FLEET_TSS", Text).label("type"),
    tss.c.organization_id,
    organizations.c.name.label("organization_name"),
    tss.c.state,
    tss.c.serial_number,
    tss.c.description,
    tss.c.registered_clients.label("number_registered_clients"),
    tss.c.signature_counter,
    tss.c.transaction_counter,
    tss.c.certificate_ends_at,
    func.nullif(tss.c.last_signed_at, 0).label("last_signed_at"),
    tss.c.time_creation,
    tss.c.replaces,
    REPLACED_BY,
    organizations.c.created_at.label("within_at"),
    organizations.c.id.label("within_id"),
    func.to_timestamp(tss.c.time_creation, type_=_TIME).label("created_at"),
).select_from(organizations.join(tss, of_organization(tss)))
_PAGES = {
    scope: Page(_ROWS.where(whole), orders={"cursor": _ORDER}, after=_AFTER, **_FILTERS)
    for scope, whole in WHOLE.items()
}


async def list_fleet(
    grant: Grant, after: Cursor | None, *, limit: int, **filters: object
) -> tuple[list[FleetTss], Cursor | None]:
    """Return what follows the cursor: TSS in the order of organizations, and of time in each."""
    return await _PAGES[scope_of(grant)].by_cursor(
        grant.tx, FleetTss, limit=limit, after=after, **grant.scope, **filters
    )
