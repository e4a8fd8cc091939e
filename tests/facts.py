"""The facts that the oracle judges by: plain data, nothing of the product."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

Id = Hashable

ACTIVE, SUSPENDED, ARCHIVED, PENDING_DELETION = STATUSES = (
    "active", "suspended", "archived", "pending_deletion",
)  # fmt: skip


@dataclass(frozen=True)
class Organization:
    """Managed (it has a manager) or main (it has none); a main one may have an administrator."""

    id: Id
    manager: Id | None = None
    administrator: Id | None = None
    envs: frozenset[str] = frozenset({"TEST"})
    status: str = ACTIVE
    grace_ends_at: float | None = None
    is_protected: bool = False
    payer: Id | None = None
    payer_named_by: Id | None = None
    """Whose credential named the payer: it sees whom it named, and so do those above it."""
    maker: Id | None = None
    maker_of: Id | None = None
    contact: Id | None = None
    contact_is_from_above: bool = False
    address: Id | None = None


@dataclass(frozen=True)
class Key:
    """What a machine holds; it belongs to one organization and one env."""

    id: Id
    organization: Id
    env: str
    is_enabled: bool = True
    not_before: float | None = None
    expires_at: float | None = None
    permissions: frozenset[str] | None = None
    reach: str | frozenset[Id] = "all"
    allowed_ips: tuple[str, ...] = ()
    generation: int = 1
    retiring_ends_at: float | None = None
    """Until when tokens of the secret before this generation are good."""
    manager: Id | None = None
    """Whoever stands below this organization uses the key and cannot change it."""
    maker: Id | None = None
    maker_of: Id | None = None


@dataclass
class State:
    """The facts at one moment."""

    organizations: dict[Id, Organization] = field(default_factory=dict)
    keys: dict[Id, Key] = field(default_factory=dict)
    roles: dict[tuple[Id, Id], str] = field(default_factory=dict)
    """(organization, person): owner, admin, billing or member."""
    addresses: dict[Id, Id] = field(default_factory=dict)
    """Billing address: the organization that it belongs to."""
    with_password: frozenset[Id] = frozenset()
    """People who can log in."""


@dataclass(frozen=True)
class Actor:
    """A key or a person, acting for one organization in one env."""

    kind: str
    id: Id
    organization: Id
    env: str
    ip: str = "127.0.0.1"
    generation: int = 1


class Verdict(Enum):
    """Allowed, or one kind of refusal."""

    ALLOW = 200
    UNKNOWN = 401
    """Nobody we know: no such credential, or a dead one."""
    INVISIBLE = 404
    """For this actor the thing does not exist."""
    DENIED = 403
    """The actor may see the organization, and may not do this to it."""
    SUSPENDED = "403, suspended"
    """The actor's own organization is suspended, or one above it is."""
    WRONG_STATE = 409
    """Allowed in general; not as things stand."""


class Deed(NamedTuple):
    """What is left to be judged of a deed whose actor is alive and sees the organization."""

    actor: Actor
    action: str
    organization: Id
    env: str
    state: State
    now: float
    about: Id | None
