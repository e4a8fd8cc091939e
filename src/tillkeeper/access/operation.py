"""What every request, command and job carries: the transaction, who, and what to call it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from tillkeeper.access.condition import Condition
from tillkeeper.access.limits import Limits
from tillkeeper.access.rights import Right
from tillkeeper.access.turns import Turns
from tillkeeper.access.uses import Uses
from tillkeeper.core.env import Env
from tillkeeper.core.passwords import Passwords
from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import SigningUnit
from tillkeeper.core.status import KeyReach, OrganizationStatus, Role
from tillkeeper.db.pool import Database, Tx
from tillkeeper.files import Files


class ActorKind(StrEnum):
    """What kind of credential speaks."""

    KEY = "key"
    USER = "user"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(slots=True)
class House:
    """What one process shares between its operations."""

    db: Database
    keyring: Keyring
    """Replaced as a whole while the process serves: read it once where two answers must agree."""
    passwords: Passwords
    unit: SigningUnit
    access_token_seconds: int = 86_400
    refresh_token_seconds: int = 172_800
    files: Files = field(default_factory=Files.in_memory)
    uses: Uses = field(default_factory=Uses)
    """What has been counted and not yet written."""
    limits: Limits = field(default_factory=Limits)
    """How often each may ask; none where no rates are given."""
    process_id: UUID = field(default_factory=uuid4)
    """What this process is called where processes tell which secrets they hold."""
    turns: Turns = field(default_factory=Turns)
    """Who signs with a TSS at the moment, and who waits for it."""

    def take_up(self, keyring: Keyring) -> None:
        """Work with other secrets from now on; whoever has begun goes on with those it has read."""
        self.keyring = self.passwords.keyring = keyring
        self.unit.take_up(keyring)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is calling, and the world their credential belongs to."""

    kind: ActorKind
    id: UUID
    organization_id: UUID
    env: Env
    is_main: bool
    is_administered: bool
    role: Role | None
    rights: frozenset[Right]
    is_limited: bool = False
    """Whether a key was given fewer rights than its position allows."""
    reach: KeyReach = KeyReach.ALL
    listed: tuple[UUID, ...] = ()
    """Where the reach is a list: these organizations and the actor's own."""
    is_suspended: bool = False
    """Whether a suspension leaves the actor nothing but its own eyes."""


@dataclass(frozen=True, slots=True)
class Target:
    """An organization that the actor reaches, as far as decisions about it need to know it."""

    organization_id: UUID
    envs: tuple[Env, ...]
    is_managed: bool
    status: OrganizationStatus = OrganizationStatus.ACTIVE
    """What holds for it: the strictest of itself and all above."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is recorded of a request that was refused before it became an operation."""

    actor: Actor
    id: str
    now: datetime
    address: str | None
    agent: str | None
    target: Target | None = None


@dataclass(slots=True)
class Operation:
    """One unit of work. It commits as a whole or not at all."""

    tx: Tx
    actor: Actor
    target: Target | None
    """The organization of the path, or the actor's own where the path names none."""
    is_wide: bool
    """Whether the walls leave open all that the actor reaches, not the target alone."""
    house: House
    id: str
    now: datetime
    address: str | None = None
    """Where the request came from."""
    agent: str | None = None
    """What the client calls itself, cut to what is worth keeping."""
    opened: Any = None
    """What the route's opening has read already, in the statement that entered."""
    answer: bytes | None = None
    """The encoded answer, once there is one: kept for those who ask again."""
    status: int = 200
    holds_secret: bool = False
    """Whether the answer shows a secret: then it is kept for a short while only."""
    condition: Condition | None = None
    """What the client wants to find before it changes anything."""
    is_dry_run: bool = False
    """Whether everything is rolled back once the answer is written."""

    def shown_once(self, secret: str) -> str:
        """Return a secret for the answer. One that a dry run minted never works: it is masked."""
        self.holds_secret = True
        return "*" * len(secret) if self.is_dry_run else secret

    @property
    def keyring(self) -> Keyring:
        """The installation's secrets."""
        return self.house.keyring
