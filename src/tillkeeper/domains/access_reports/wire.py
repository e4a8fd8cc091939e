"""Who has access, and to what, on the wire."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyStatus, OrganizationType, Role
from tillkeeper.core.wire import Reply


class Step(StrEnum):
    """By which step rights come to an organization."""

    OWN = "own"
    MANAGES = "manages"
    ADMINISTERS = "administers"
    ADMINISTERS_THE_MANAGER = "administers_the_manager"


class Principal(Reply, kw_only=True):
    """A key or a person, and what they may do to the organization asked about."""

    id: UUID
    type: Literal["key", "user"]
    organization_id: UUID
    """The organization that they belong to, and from which their rights flow down."""
    step: Step
    label: str
    """A key's name, or a person's address as their organization wrote it."""
    role: Role | None = None
    status: KeyStatus | None = None
    rights: list[str]
    since: int
    not_before: int | None = None
    expires_at: int | None = None
    allowed_ips: list[str] | None = None


class PrincipalList(Reply, kw_only=True):
    data: list[Principal]
    count: int
    env: Env
    type: Literal["ACCESS_LIST"]


class ReachedOrganization(Reply, kw_only=True):
    id: UUID
    type: OrganizationType
    envs: list[Env]
    name: str
    step: Step
    rights: list[str]


class ReachList(Reply, kw_only=True):
    data: list[ReachedOrganization]
    env: Env
    type: Literal["REACH_LIST"]
    has_more: bool
    next_cursor: str | None = None
