"""A key or a person as the reader sees them, with all that their access hangs on."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    Integer,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, TIMESTAMP

from tillkeeper.access.identity import Credential
from tillkeeper.access.operation import Operation
from tillkeeper.access.queries import Entered, enter, look_around
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, KeyStatus, OrganizationStatus, Role
from tillkeeper.schema import ENV, api_keys, memberships, organizations
from tillkeeper.sql import many, one_or_none

_MOMENT = TIMESTAMP(timezone=True)


class Known(Struct, kw_only=True):
    """A key, or a person in one of their organizations."""

    id: UUID
    kind: str
    organization_id: UUID
    env: Env | None
    """Of a key; people choose theirs when they log in."""
    label: str
    since: datetime
    role: Role | None
    status: KeyStatus | None
    not_before: datetime | None
    expires_at: datetime | None
    allowed_ips: list[IPv4Network | IPv6Network] | None
    generation: int
    previous_ends_at: datetime | None
    permissions: list[str] | None
    reach: KeyReach
    listed: list[UUID] | None
    is_main: bool
    is_administered: bool
    envs: list[Env]
    """Of the organization that they act for, as the rest of these."""
    own_status: OrganizationStatus
    """The strictest of itself and all above."""
    is_in_grace: bool
    """Whether every suspension of itself and above has a grace that lasts."""
    now: datetime
    """What the database takes for the present in this operation."""


class Place(Struct, kw_only=True):
    """The organization that is asked about, and where it stands below another."""

    id: UUID
    envs: list[Env]
    is_managed: bool
    status: OrganizationStatus
    """The strictest of itself and all above."""
    own_status: OrganizationStatus
    distance: int | None
    """How many steps below; None where it is not below at all."""


_ID = bindparam("principal", type_=Uuid)
_OF = bindparam("organization_id", type_=Uuid)
_above = organizations.alias("above")
_OF_OWN = (
    organizations.c.managed_by_organization_id.is_(None).label("is_main"),
    organizations.c.administered_by_organization_id.is_not(None).label("is_administered"),
    organizations.c.envs,
    func.effective_status(organizations.c.id, type_=Text).label("own_status"),
    # Whoever reads is alive: the grace of a suspension above them, which they do not see, lasts.
    select(func.coalesce(func.bool_and(_above.c.grace_ends_at > func.now()), true()))
    .where(
        _above.c.id == any_(organizations.c.reached_by),
        _above.c.status == OrganizationStatus.SUSPENDED,
    )
    .scalar_subquery()
    .label("is_in_grace"),
    func.now().label("now"),
)
_KEYS = (
    select(
        api_keys.c.id,
        literal("key", Text).label("kind"),
        api_keys.c.organization_id,
        api_keys.c.env,
        api_keys.c.name.label("label"),
        api_keys.c.created_at.label("since"),
        cast(null(), memberships.c.role.type).label("role"),
        api_keys.c.status,
        api_keys.c.not_before,
        api_keys.c.expires_at,
        api_keys.c.allowed_ips,
        api_keys.c.generation,
        api_keys.c.previous_ends_at,
        api_keys.c.permissions,
        cast(api_keys.c.reach, Text).label("reach"),
        api_keys.c.reach_organization_ids.label("listed"),
        *_OF_OWN,
    )
    .join(organizations, organizations.c.id == api_keys.c.organization_id)
    .where(api_keys.c.id == _ID, or_(_OF.is_(None), api_keys.c.organization_id == _OF))
)
_PEOPLE = (
    select(
        memberships.c.user_id.label("id"),
        literal("user", Text).label("kind"),
        memberships.c.organization_id,
        cast(null(), ENV).label("env"),
        memberships.c.email.label("label"),
        memberships.c.created_at.label("since"),
        memberships.c.role,
        cast(null(), api_keys.c.status.type).label("status"),
        cast(null(), _MOMENT).label("not_before"),
        cast(null(), _MOMENT).label("expires_at"),
        cast(null(), ARRAY(CIDR)).label("allowed_ips"),
        literal(0, Integer).label("generation"),
        cast(null(), _MOMENT).label("previous_ends_at"),
        cast(null(), ARRAY(Text)).label("permissions"),
        literal("all", Text).label("reach"),
        cast(null(), ARRAY(Uuid)).label("listed"),
        *_OF_OWN,
    )
    .join(organizations, organizations.c.id == memberships.c.organization_id)
    .where(memberships.c.user_id == _ID, or_(_OF.is_(None), memberships.c.organization_id == _OF))
)
_FIND_PRINCIPALS = many(union_all(_KEYS, _PEOPLE), Known)
_FIND_PLACE = one_or_none(
    select(
        organizations.c.id,
        organizations.c.envs,
        organizations.c.managed_by_organization_id.is_not(None).label("is_managed"),
        func.effective_status(organizations.c.id, type_=Text).label("status"),
        organizations.c.status.label("own_status"),
        (func.array_position(organizations.c.reached_by, bindparam("below", type_=Uuid)) - 1).label(
            "distance"
        ),
    ).where(organizations.c.id == bindparam("id", type_=Uuid)),
    Place,
)


async def find_principals(op: Operation, principal: UUID, of: UUID | None) -> list[Known]:
    """Find a key, or a person's memberships, among all that the reader sees.

    Without a grant, as all here: about oneself no right is needed. The walls are the reader's.
    """
    return await _FIND_PRINCIPALS(op.tx, principal=principal, organization_id=of)


async def find_place(op: Operation, organization_id: UUID, below: UUID) -> Place | None:
    """Find an organization that the reader sees."""
    return await _FIND_PLACE(op.tx, id=organization_id, below=below)


async def enter_as(
    op: Operation, credential: Credential, target: UUID, *, opening: str, address: str | None
) -> tuple[Entered | None, Place | None]:
    """Enter with somebody else's credential; return what is found, and the target as they see it.

    Where it does not see the target, or the credential is dead, the second is what the reader's
    own walls leave, and means nothing.
    """
    async with look_around(op.tx):
        entered = await enter(
            op.tx,
            credential,
            target=target,
            opening=opening,
            address=address,
            claim=None,
            wanted_fingerprint=None,
        )
        place = await find_place(op, target, credential.organization_id)
    return entered, place
