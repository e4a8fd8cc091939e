"""Who has access, and to what, on the wire."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillkeeper.access.rights import Right
from tillkeeper.access.verdicts import RuleName, Verdict
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, KeyStatus, OrganizationType, Role
from tillkeeper.core.wire import Reply


class RemedyKind(StrEnum):
    """What would have to be given or changed."""

    PERMISSION = "permission"
    ROLE = "role"
    REACH = "reach"
    KEY = "key"
    """A key of another env."""
    KEY_STATUS = "key_status"
    KEY_TIME = "key_time"
    ADDRESS = "address"
    ENV = "env"
    """An env that an organization is not in."""
    STATUS = "status"
    """What holds for an organization, by itself or from above."""


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


class Assignment(Reply, kw_only=True):
    """What ties a principal to the organization that its rights flow down from."""

    id: UUID
    type: Literal["key", "user"]
    label: str
    """A key's name, or a person's address as their organization wrote it."""
    organization_id: UUID
    organization_type: OrganizationType
    since: int


class Conditions(Reply, kw_only=True):
    """What has to hold besides; of people most of it is not asked."""

    env: Env
    """Of the credential: a key has one, a person chooses it when they log in."""
    standing: Literal["active", "grace", "ended"]
    """What a suspension or closure leaves, wherever it comes from."""
    status: KeyStatus | None = None
    not_before: int | None = None
    expires_at: int | None = None
    allowed_ips: list[str] | None = None
    is_address_allowed: bool | None = None
    """Said of the address that was asked about; without one a call from an allowed one is meant."""
    reach: KeyReach | None = None
    generation: int | None = None
    """How often the secret was changed: the answer is about tokens of the newest."""
    previous_secret_expires_at: int | None = None


class Chain(Reply, kw_only=True):
    """From the credential to the organization, link by link."""

    assignment: Assignment
    role: Role | None = None
    permissions: list[str] | None = None
    """What a key was limited to; without it all that its organization's position allows."""
    is_right_held: bool
    step: Step | None = None
    """How rights come down to the organization; without it they do not."""
    conditions: Conditions


class Needed(Reply, kw_only=True):
    """One thing that would have to be given or changed, and in which organization."""

    kind: RemedyKind
    value: str
    organization_id: UUID
    sentence: str


class SmallestGrant(Reply, kw_only=True):
    """The least that would allow it, all of it together; nothing where the relation forbids it."""

    is_possible: bool
    needed: list[Needed]
    sentence: str


class Explanation(Reply, kw_only=True):
    """Whether a principal may do something to an organization, by which rule, and why."""

    type: Literal["ACCESS_EXPLANATION"]
    env: Env
    organization_id: UUID
    right: Right
    verdict: Verdict
    status_code: int
    code: str | None = None
    rule: RuleName
    """The rule that decided: the first that refuses, or `none`."""
    chain: Chain
    smallest_grant: SmallestGrant | None = None
