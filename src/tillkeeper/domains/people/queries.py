"""People in the database: what an organization knows of them is its membership row."""

from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import Text, Uuid, bindparam, delete, literal, select
from sqlalchemy.dialects.postgresql import insert

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import change
from tillkeeper.core.errors import OrganizationNotFound
from tillkeeper.core.order import Order
from tillkeeper.core.status import Role
from tillkeeper.domains.people.events import UserAdded, UserRemoved
from tillkeeper.domains.people.wire import OrderBy, User, UserInvite
from tillkeeper.schema import memberships, organizations
from tillkeeper.sql import Page, given, many, one_or_none


class Person(Struct):
    """Somebody with an address, member or not."""

    id: UUID


class Membership(Struct):
    """What decides whether somebody may be removed."""

    user_id: UUID
    role: Role


_GRANTED = memberships.c.organization_id == bindparam("organization_id")
_ENVS = (
    select(organizations.c.envs)
    .where(organizations.c.id == bindparam("organization_id", type_=Uuid))
    .scalar_subquery()
)
_SHOWN = (
    memberships.c.user_id.label("id"),
    literal("USER", Text).label("type"),
    _ENVS.label("envs"),
    memberships.c.email,
    memberships.c.first_name,
    memberships.c.last_name,
    memberships.c.role,
)
_LIST = Page(
    select(*_SHOWN).where(_GRANTED),
    orders={
        f"{by} {order}": [getattr(memberships.c[by], order)(), memberships.c.user_id]
        for by in OrderBy
        for order in Order
    },
)
_INSERT = change(
    insert(memberships)
    .values(
        given(
            memberships.c.organization_id,
            memberships.c.user_id,
            memberships.c.role,
            memberships.c.email,
            memberships.c.first_name,
            memberships.c.last_name,
            memberships.c.created_at,
        )
    )
    .on_conflict_do_nothing()
    .returning(*_SHOWN),
    User,
)
_FIND = one_or_none(
    select(memberships.c.user_id, memberships.c.role).where(
        _GRANTED, memberships.c.user_id == bindparam("user_id", type_=Uuid)
    ),
    Membership,
)
_LOCK = one_or_none(
    select(*_SHOWN)
    .where(_GRANTED, memberships.c.user_id == bindparam("user_id", type_=Uuid))
    .with_for_update(key_share=True, of=memberships),
    User,
)
_LOCK_OWNERS = many(
    select(memberships.c.user_id, memberships.c.role)
    .where(_GRANTED, memberships.c.role == bindparam("owner", Role.OWNER))
    .order_by(memberships.c.user_id)
    .with_for_update(),
    Membership,
)
_DELETE = change(
    delete(memberships)
    .where(_GRANTED, memberships.c.user_id == bindparam("user_id", type_=Uuid))
    .returning(memberships.c.user_id.label("id")),
    Person,
)


async def list_users(
    grant: Grant, *, order: str, limit: int, offset: int
) -> tuple[list[User], int]:
    return await _LIST.by_offset(
        grant.tx,
        User,
        order=order,
        limit=limit,
        offset=offset,
        organization_id=grant.organization_id,
    )


async def insert_user(grant: Grant, event: UserAdded, wanted: UserInvite) -> User | None:
    """Insert a membership, or return None when the person has one."""
    try:
        return await _INSERT(
            grant,
            event,
            user_id=event.user_id,
            role=event.role,
            email=wanted.email,
            first_name=wanted.first_name,
            last_name=wanted.last_name,
            created_at=grant.op.now,
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise OrganizationNotFound(grant.organization_id) from error


async def find_membership(grant: Grant, user_id: UUID) -> Membership | None:
    return await _FIND(grant.tx, organization_id=grant.organization_id, user_id=user_id)


async def lock_user(grant: Grant, user_id: UUID) -> User | None:
    """Find somebody as the list shows them, and keep the membership until the operation ends."""
    return await _LOCK(grant.tx, organization_id=grant.organization_id, user_id=user_id)


async def lock_owners(grant: Grant) -> list[Membership]:
    """Lock the owners, so that two removals of the same moment see each other."""
    return await _LOCK_OWNERS(grant.tx, organization_id=grant.organization_id)


async def delete_user(grant: Grant, event: UserRemoved) -> bool:
    return await _DELETE(grant, event, user_id=event.user_id) is not None
