"""Keys and memberships whose rights flow down to an organization, as far as the reader sees."""

from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from tillkeeper.access.policy import Grant
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, KeyStatus, OrganizationStatus, Role
from tillkeeper.schema import ENV, api_keys, memberships, organizations
from tillkeeper.sql import Page, many


class Listed(Struct, kw_only=True):
    """A key or a membership, with the position of its organization and the target's."""

    id: UUID
    kind: str
    organization_id: UUID
    distance: int
    label: str
    role: Role | None
    status: KeyStatus | None
    permissions: list[str] | None
    reach: str
    listed: list[UUID] | None
    is_main: bool
    is_administered: bool
    since: int
    not_before: int | None
    expires_at: int | None
    allowed_ips: list[str] | None
    target_envs: list[Env]
    target_is_managed: bool
    target_status: OrganizationStatus


class Standing(Struct):
    """The strictest status of an organization and all above it."""

    id: UUID
    status: OrganizationStatus


def _seconds(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.floor(extract("epoch", moment)), BigInteger)


_ID = bindparam("organization_id", type_=Uuid)
_ENV = bindparam("env", type_=ENV)
_READER = bindparam("reader_id", type_=Uuid)
_target = organizations.alias("target")
# From the target up to the reader's own organization: what stands above the reader does not exist.
_ABOVE = and_(
    _target.c.id == _ID,
    organizations.c.id == any_(_target.c.reached_by),
    organizations.c.reached_by.contains(array([_READER])),
    case((any_(organizations.c.envs) == _ENV, True), else_=False),
)
_STANDING = (
    organizations.c.managed_by_organization_id.is_(None).label("is_main"),
    organizations.c.administered_by_organization_id.is_not(None).label("is_administered"),
)
_OF_TARGET = (
    _target.c.envs.label("target_envs"),
    _target.c.managed_by_organization_id.is_not(None).label("target_is_managed"),
    func.effective_status(_target.c.id, type_=Text).label("target_status"),
)
_DISTANCE = (func.array_position(_target.c.reached_by, organizations.c.id) - 1).label("distance")
_reaches_target = or_(
    organizations.c.id == _target.c.id,
    api_keys.c.reach == KeyReach.ALL,
    and_(
        api_keys.c.reach == KeyReach.MANAGED,
        _target.c.managed_by_organization_id == organizations.c.id,
    ),
    _target.c.id == any_(api_keys.c.reach_organization_ids),
)
_KEYS = (
    select(
        api_keys.c.id,
        literal("key", Text).label("kind"),
        api_keys.c.organization_id,
        _DISTANCE,
        api_keys.c.name.label("label"),
        cast(null(), memberships.c.role.type).label("role"),
        api_keys.c.status,
        api_keys.c.permissions,
        cast(api_keys.c.reach, Text).label("reach"),
        api_keys.c.reach_organization_ids.label("listed"),
        *_STANDING,
        _seconds(api_keys.c.created_at).label("since"),
        _seconds(api_keys.c.not_before).label("not_before"),
        _seconds(api_keys.c.expires_at).label("expires_at"),
        cast(api_keys.c.allowed_ips, ARRAY(Text)).label("allowed_ips"),
        *_OF_TARGET,
    )
    .join(organizations, organizations.c.id == api_keys.c.organization_id)
    .join(_target, _ABOVE)
    .where(api_keys.c.env == _ENV, _reaches_target)
)
_PEOPLE = (
    select(
        memberships.c.user_id.label("id"),
        literal("user", Text).label("kind"),
        memberships.c.organization_id,
        _DISTANCE,
        memberships.c.email.label("label"),
        memberships.c.role,
        cast(null(), api_keys.c.status.type).label("status"),
        cast(null(), ARRAY(Text)).label("permissions"),
        literal("all", Text).label("reach"),
        cast(null(), ARRAY(Uuid)).label("listed"),
        *_STANDING,
        _seconds(memberships.c.created_at).label("since"),
        cast(null(), BigInteger).label("not_before"),
        cast(null(), BigInteger).label("expires_at"),
        cast(null(), ARRAY(Text)).label("allowed_ips"),
        *_OF_TARGET,
    )
    .join(organizations, organizations.c.id == memberships.c.organization_id)
    .join(_target, _ABOVE)
)
_everyone = union_all(_KEYS, _PEOPLE).subquery("everyone")
_PRINCIPALS = Page(
    select(*_everyone.c),
    orders={
        "nearest": [
            _everyone.c.distance,
            _everyone.c.kind,
            _everyone.c.since,
            _everyone.c.id,
        ]
    },
)


_LIST_STATUSES = many(
    select(
        organizations.c.id,
        func.effective_status(organizations.c.id, type_=Text).label("status"),
    ).where(organizations.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))),
    Standing,
)


async def list_statuses(grant: Grant, ids: list[UUID]) -> dict[UUID, OrganizationStatus]:
    """Return what holds for organizations within the walls."""
    return {each.id: each.status for each in await _LIST_STATUSES(grant.tx, ids=ids)}


async def list_principals(grant: Grant, *, limit: int, offset: int) -> tuple[list[Listed], int]:
    """Return everyone whose rights flow down to the granted organization, the nearest first."""
    values = {**grant.scope, "reader_id": grant.reader_id}
    return await _PRINCIPALS.by_offset(
        grant.tx, Listed, order="nearest", limit=limit, offset=offset, **values
    )
