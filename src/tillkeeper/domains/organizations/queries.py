"""Reading organizations."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Uuid,
    any_,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from tillkeeper.access.operation import Operation
from tillkeeper.access.policy import Grant
from tillkeeper.access.queries import ENTERED_READER, ENTERED_WITHIN, Opening
from tillkeeper.core.env import Env
from tillkeeper.core.errors import OrganizationNotFound
from tillkeeper.core.order import Order
from tillkeeper.core.paging import Cursor
from tillkeeper.core.status import KeyReach, OrganizationType
from tillkeeper.db.pool import Tx
from tillkeeper.domains.organizations.columns import REACHED, READER, shown_to
from tillkeeper.domains.organizations.wire import OrderBy, Organization
from tillkeeper.schema import ENV, memberships, organizations
from tillkeeper.schema.billing import billing_addresses
from tillkeeper.sql import Page, many, one_or_none

_TREE_AT_MOST = 10_000


class Listed(Struct, kw_only=True):
    """One row of the tree."""

    id: UUID
    type: OrganizationType
    envs: list[Env]
    name: str
    external_id: str | None
    parent_organization_id: UUID | None


class Payer(Struct, kw_only=True):
    """The organization that a bill would go to."""

    is_main: bool
    is_live: bool


class Found(Struct):
    """Something is there."""

    id: UUID


class Needed(Struct):
    """What still leans on an organization."""

    has_children: bool
    is_payer: bool


class Parents(Struct, kw_only=True):
    """Who manages an organization, who pays for it, and whether it may be deleted."""

    managed_by_organization_id: UUID | None
    bill_to_organization: UUID | None
    payer_named_by_organization_id: UUID | None
    is_delete_protected: bool


class Answer(Struct):
    """A door's yes or no."""

    is_so: bool


_ID = bindparam("organization_id", type_=Uuid)
# As in the walls: a CASE keeps the planner from taking an env for something rare.
_IN_ENV = case((bindparam("env", type_=ENV) == any_(organizations.c.envs), true()), else_=false())

OPENING = Opening(
    select(*shown_to(ENTERED_READER)).where(organizations.c.id == ENTERED_WITHIN), Organization
)
_READ = select(*shown_to(READER)).where(organizations.c.id == _ID, _IN_ENV, REACHED)
_GET = one_or_none(_READ, Organization)
_LOCK = one_or_none(_READ.with_for_update(key_share=True, of=organizations), Organization)
_LOCK_WHOLE = one_or_none(_READ.with_for_update(of=organizations), Organization)


async def get_organization(grant: Grant) -> Organization:
    """Return it, from what the route's opening has read where there was one."""
    if grant.op.opened is not None:
        opened: Organization = grant.op.opened
        return opened
    found = await _GET(grant.tx, **grant.scope, reader_id=grant.reader_id)
    if found is None:
        raise OrganizationNotFound(grant.organization_id)
    return found


async def lock_organization(grant: Grant) -> Organization | None:
    """Read it as `get_organization` does, and keep it as it is until the operation ends."""
    return await _LOCK(grant.tx, **grant.scope, reader_id=grant.reader_id)


async def lock_whole_organization(grant: Grant) -> Organization | None:
    """Read and keep it, and let nothing new lean on it, until the operation ends."""
    return await _LOCK_WHOLE(grant.tx, **grant.scope, reader_id=grant.reader_id)


_LIST_DUE = many(
    select(func.list_due_purges(bindparam("most", type_=Integer)).table_valued("id")), Found
)


async def list_due_purges(tx: Tx, *, most: int) -> list[UUID]:
    """Return organizations whose deletion is due, the longest due first."""
    return [found.id for found in await _LIST_DUE(tx, most=most)]


_LIST_ORDER = (organizations.c.created_at, organizations.c.id)
_ORDERS = {
    f"{by} {order}": [getattr(organizations.c[by], order)(), organizations.c.id]
    for by in OrderBy
    for order in Order
} | {
    "asc": list(_LIST_ORDER),
    "desc": [column.desc() for column in _LIST_ORDER],
    "cursor": list(_LIST_ORDER),
}
# Whose list it is decides by which index it is walked: the topmost organization's, a main one's
# below an administrator, or a single row.
_SCOPES = {
    "root": organizations.c.root_organization_id,
    "main": organizations.c.main_organization_id,
    "self": organizations.c.id,
}
_MANAGER = bindparam("managed_by", type_=Uuid)
_NEAREST = bindparam("manager", type_=Uuid)


def _unguessed(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Keep the planner from multiplying guesses: a CASE is taken for one row in two."""
    return case((condition, true()), else_=false())


def _list_by(index: ColumnElement[bool], *conditions: ColumnElement[bool]) -> Page:
    """Compile lists that walk one index in list order, and filter what they meet."""
    return Page(
        select(*shown_to(READER), organizations.c.created_at).where(
            index, *map(_unguessed, conditions), _IN_ENV
        ),
        orders=_ORDERS,
        after=tuple_(*_LIST_ORDER)
        > tuple_(
            bindparam("after_at", type_=TIMESTAMP(timezone=True)),
            bindparam("after_id", type_=Uuid),
        ),
        type=_unguessed(organizations.c.type == bindparam("type")),
        external_id=organizations.c.external_id == bindparam("external_id"),
        tax_number=organizations.c.tax_number == bindparam("tax_number"),
        listed=organizations.c.id == any_(bindparam("listed", type_=ARRAY(Uuid))),
        manager=_unguessed(
            or_(
                organizations.c.id == _NEAREST,
                organizations.c.managed_by_organization_id == _NEAREST,
            )
        ),
        wanted_env=_unguessed(bindparam("wanted_env", type_=ENV) == any_(organizations.c.envs)),
    )


_LISTS = {scope: _list_by(column == _ID) for scope, column in _SCOPES.items()}
_LISTS_OF_MANAGER = {
    scope: _list_by(
        organizations.c.parent_organization_id == _MANAGER,
        organizations.c.managed_by_organization_id == _MANAGER,
        column == _ID,
    )
    for scope, column in _SCOPES.items()
}


def _scope_of(grant: Grant) -> str:
    actor = grant.op.actor
    if not actor.is_main:
        return "self"
    return "main" if actor.is_administered else "root"


def _list_of(grant: Grant, filters: Mapping[str, object]) -> Page:
    lists = _LISTS if filters.get("managed_by") is None else _LISTS_OF_MANAGER
    return lists[_scope_of(grant)]


def _values(grant: Grant, filters: dict[str, object]) -> dict[str, Any]:
    return {**grant.scope, **filters, **_reach_of(grant), "reader_id": grant.reader_id}


def _reach_of(grant: Grant) -> dict[str, object]:
    """Return the filters of a key that reaches less than its organization; None is no filter."""
    actor = grant.op.actor
    match actor.reach:
        case KeyReach.SELF:
            return {"listed": [actor.organization_id]}
        case KeyReach.LISTED:
            return {"listed": [*actor.listed, actor.organization_id]}
        case KeyReach.MANAGED:
            return {"manager": actor.organization_id}
        case KeyReach.ALL:
            return {}


async def list_organizations(
    grant: Grant, *, order: str, limit: int, offset: int, **filters: object
) -> tuple[list[Organization], int]:
    """Return a page of what the granted organization reaches, and how many there are."""
    values = _values(grant, filters)
    return await _list_of(grant, filters).by_offset(
        grant.tx, Organization, order=order, limit=limit, offset=offset, **values
    )


async def list_organizations_after(
    grant: Grant, after: Cursor | None, *, limit: int, **filters: object
) -> tuple[list[Organization], Cursor | None]:
    """Return what follows the cursor, and the cursor of the last row."""
    page = _list_of(grant, filters)
    return await page.by_cursor(
        grant.tx, Organization, limit=limit, after=after, **_values(grant, filters)
    )


async def count_organizations(grant: Grant, **filters: object) -> int:
    return await _list_of(grant, filters).count(grant.tx, **_values(grant, filters))


_TREE = many(
    select(
        organizations.c.id,
        organizations.c.type,
        organizations.c.envs,
        organizations.c.name,
        organizations.c.external_id,
        organizations.c.parent_organization_id,
    )
    .where(
        or_(
            organizations.c.id == _ID,
            organizations.c.parent_organization_id == _ID,
            organizations.c.root_organization_id == _ID,
        ),
        _IN_ENV,
    )
    .order_by(*_LIST_ORDER)
    .limit(_TREE_AT_MOST + 1),
    Listed,
)


async def list_tree(grant: Grant) -> tuple[list[Listed], bool]:
    """Return the organization and all below it, oldest first, and whether there would be more."""
    rows = await _TREE(grant.tx, **grant.scope)
    return rows[:_TREE_AT_MOST], len(rows) > _TREE_AT_MOST


_FIND_PAYER = one_or_none(
    select(
        func.find_payer(READER, bindparam("payer_id", type_=Uuid)).table_valued(
            "is_main", "is_live"
        )
    ),
    Payer,
)
_IS_LIVE = one_or_none(
    select(func.is_live(bindparam("other", type_=Uuid), type_=Boolean).label("is_so")), Answer
)
_IS_MANNED = one_or_none(select(func.is_manned(_ID, type_=Boolean).label("is_so")), Answer)
_IS_NEEDED = one_or_none(
    select(func.is_needed(_ID).table_valued("has_children", "is_payer")), Needed
)
_FIND_PARENTS = one_or_none(
    select(
        organizations.c.managed_by_organization_id,
        organizations.c.bill_to_organization,
        organizations.c.payer_named_by_organization_id,
        organizations.c.is_delete_protected,
    ).where(organizations.c.id == _ID),
    Parents,
)


async def find_payer(op: Operation, payer_id: UUID) -> Payer | None:
    """Find a payer that the actor reaches, in whatever env and behind whatever narrow wall."""
    return await _FIND_PAYER(op.tx, reader_id=op.actor.organization_id, payer_id=payer_id)


async def is_live(op: Operation, organization_id: UUID) -> bool:
    """Tell of a manager or payer whether it is LIVE, and nothing else."""
    answer = await _IS_LIVE(op.tx, other=organization_id)
    return answer is not None and answer.is_so


async def is_manned(grant: Grant) -> bool:
    """Tell whether somebody of its own could go on with the organization."""
    answer = await _IS_MANNED(grant.tx, organization_id=grant.organization_id)
    return answer is not None and answer.is_so


async def find_needed(grant: Grant) -> Needed:
    found = await _IS_NEEDED(grant.tx, organization_id=grant.organization_id)
    return found or Needed(has_children=False, is_payer=False)


async def find_parents(grant: Grant) -> Parents:
    found = await _FIND_PARENTS(grant.tx, organization_id=grant.organization_id)
    if found is None:
        raise OrganizationNotFound(grant.organization_id)
    return found


_FIND_MEMBER = one_or_none(
    select(memberships.c.organization_id.label("id"))
    .where(
        memberships.c.user_id == bindparam("user_id", type_=Uuid),
        memberships.c.organization_id.in_(
            [bindparam("one", type_=Uuid), bindparam("other", type_=Uuid)]
        ),
    )
    .order_by(memberships.c.organization_id != bindparam("first", type_=Uuid))
    .limit(1),
    Found,
)
_FIND_ADDRESS = one_or_none(
    select(billing_addresses.c.organization_id.label("id"))
    .where(billing_addresses.c.id == bindparam("address_id", type_=Uuid))
    .limit(1),
    Found,
)


async def find_member(op: Operation, user_id: UUID, of: UUID) -> Found | None:
    """Find which organization a person belongs to: this one first, else the actor's own."""
    actor_organization = op.actor.organization_id
    return await _FIND_MEMBER(op.tx, user_id=user_id, one=of, other=actor_organization, first=of)


async def find_address(op: Operation, address_id: UUID) -> Found | None:
    """Find which organization within the walls a billing address belongs to."""
    return await _FIND_ADDRESS(op.tx, address_id=address_id)


class Number(Struct):
    """How many."""

    number: int


_COUNTS = {
    scope: one_or_none(
        select(func.count().label("number")).select_from(
            select(organizations.c.id)
            .where(column == _ID, _IN_ENV)
            .limit(bindparam("most"))
            .subquery()
        ),
        Number,
    )
    for scope, column in _SCOPES.items()
}


async def count_reached(grant: Grant, *, most: int) -> int:
    """Count what the granted organization reaches, up to a number: the cost does not grow."""
    found = await _COUNTS[_scope_of(grant)](grant.tx, **grant.scope, most=most)
    return found.number if found else 0
