"""The one place that answers: may this actor do this, to that organization, in this env?"""

from dataclasses import dataclass
from uuid import UUID

from tillkeeper.access import queries
from tillkeeper.access.operation import Actor, ActorKind, Operation, Target
from tillkeeper.access.rights import DENIALS, PROFILE_WRITES, READS, Right
from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    AccessDenied,
    OrganizationArchived,
    OrganizationNotFound,
    OrganizationSuspended,
)
from tillkeeper.core.status import KeyReach, OrganizationStatus
from tillkeeper.db.pool import Tx

_CLOSED = (OrganizationStatus.ARCHIVED, OrganizationStatus.PENDING_DELETION)


@dataclass(frozen=True, slots=True)
class Grant:
    """Proof that policy said yes. Only policy makes one; actions and queries ask for one."""

    op: Operation
    right: Right
    organization_id: UUID
    env: Env

    @property
    def tx(self) -> Tx:
        """The transaction in which the answer holds."""
        return self.op.tx

    @property
    def reader_id(self) -> UUID:
        """The organization through whose eyes an answer is written."""
        return self.op.actor.organization_id

    @property
    def scope(self) -> dict[str, object]:
        """The two walls as parameters, for a query to spread into its statement."""
        return {"organization_id": self.organization_id, "env": self.env}


async def require(
    op: Operation,
    right: Right,
    organization_id: UUID,
    env: Env | None = None,
    *,
    enabling: Env | None = None,
) -> Grant:
    """Return a Grant; refuse as not found what may not be seen, as denied what may.

    Last of all comes what the client made a condition: the resource is locked and compared.
    """
    target = await find_target(op, organization_id)
    if target is None:
        raise OrganizationNotFound(organization_id)
    wanted = env or op.actor.env
    if op.actor.is_suspended and right not in READS:
        raise OrganizationSuspended
    if sentence := denial(op.actor, right, target, wanted):
        raise AccessDenied(sentence, right=right, organization_id=organization_id, env=wanted)
    if enabling is not None and not _may_enable(op.actor, target, enabling):
        sentence = f"A TEST key may not enable {enabling}: use a LIVE key, or log in"
        raise AccessDenied(sentence, right=right, organization_id=organization_id, env=enabling)
    if is_closed_to(right, target):
        raise OrganizationArchived
    grant = Grant(op, right, organization_id, wanted)
    if op.condition is not None and right not in READS:
        await op.condition.hold(grant)
    return grant


def check_for_new(grant: Grant, right: Right) -> None:
    """Refuse who may not do this to what it is about to make below the granted organization.

    What is new is in the actor's own env alone, as far as decisions about it need to know.
    """
    organization_id, env = grant.organization_id, grant.env
    target = Target(organization_id, (env,), is_managed=False)
    if sentence := denial(grant.op.actor, right, target, env):
        raise AccessDenied(sentence, right=right, organization_id=organization_id, env=env)


async def find_target(op: Operation, organization_id: UUID) -> Target | None:
    """Return what decisions need to know of an organization, if the actor reaches it."""
    if op.target is not None and op.target.organization_id == organization_id:
        return op.target
    if not op.is_wide:
        return None
    reached = await queries.find_reached(
        op.tx, organization_id, by=op.actor.organization_id, env=op.actor.env
    )
    if reached is None:
        return None
    return Target(reached.id, tuple(reached.envs), reached.is_managed, reached.status)


async def is_still_reached(grant: Grant) -> bool:
    """Ask the database again, for a change that waited for somebody else's."""
    actor = grant.op.actor
    return (
        await queries.find_reached(
            grant.tx, grant.organization_id, by=actor.organization_id, env=actor.env
        )
        is not None
    )


def denial(actor: Actor, right: Right, target: Target, env: Env) -> str | None:
    """Return the sentence that refuses, or None where the actor may.

    Visibility is decided already; what is left is the actor's own rights, the env, and what the
    relation between the two organizations allows.
    """
    if actor.kind in (ActorKind.OPERATOR, ActorKind.SYSTEM):
        return None
    if right not in actor.rights or not _fits_relation(actor, right, target):
        return f"This credential may not {DENIALS[right]}"
    if env is not actor.env:
        return f"This credential is good for {actor.env} and may not {DENIALS[right]} in {env}"
    if right in PROFILE_WRITES and actor.kind is ActorKind.KEY and not _may_touch(actor, target):
        return f"A TEST key may not {DENIALS[right]}: it is LIVE, use a LIVE key"
    return None


def is_closed_to(right: Right, target: Target) -> bool:
    """Tell whether an archived organization refuses this: it is read, or restored first."""
    return (
        target.status in _CLOSED and right not in READS and right is not Right.ORGANIZATION_SUSPEND
    )


def _fits_relation(actor: Actor, right: Right, target: Target) -> bool:
    is_own = target.organization_id == actor.organization_id
    if right is Right.ORGANIZATION_CREATE:
        # What a key makes it must reach: one that reaches a list makes nothing.
        return not target.is_managed and (
            actor.reach is KeyReach.ALL or (actor.reach is KeyReach.MANAGED and is_own)
        )
    if right is Right.ORGANIZATION_ADMINISTER:
        return is_own and actor.reach is KeyReach.ALL
    if right is Right.ORGANIZATION_HAND_OVER:
        return not is_own and not target.is_managed
    if right is Right.ORGANIZATION_SUSPEND:
        return not is_own
    return True


def _may_enable(actor: Actor, target: Target, env: Env) -> bool:
    is_test_key = actor.kind is ActorKind.KEY and actor.env is Env.TEST
    return env in target.envs or not is_test_key


def _may_touch(actor: Actor, target: Target) -> bool:
    return actor.env is Env.LIVE or Env.LIVE not in target.envs
