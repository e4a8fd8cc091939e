"""The one place that answers: may this actor do this, to that organization, in this env?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from tillkeeper.access import queries
from tillkeeper.access.operation import Actor, ActorKind, Operation, Target
from tillkeeper.access.rights import DENIALS, IN_TEST_ALONE, PROFILE_WRITES, READS, Right
from tillkeeper.access.verdicts import RuleName
from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    AccessDenied,
    OrganizationArchived,
    OrganizationNotFound,
    OrganizationSuspended,
    Refusal,
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


class Deed(NamedTuple):
    """What an actor wants to do, to an organization that it reaches."""

    actor: Actor
    right: Right
    target: Target
    env: Env
    enabling: Env | None = None
    """The env that is to be enabled: it need not be the one that the actor works in."""


class Rule(NamedTuple):
    """One way of being refused: its name, when it applies, and what is said then."""

    name: RuleName
    refuses: Callable[[Deed], bool]
    refusal: Callable[[Deed], Refusal]


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
    wanted = env or op.actor.env
    refusal = refusal_of(op.actor, right, organization_id, target, wanted, enabling=enabling)
    if refusal is not None:
        raise refusal
    grant = Grant(op, right, organization_id, wanted)
    if op.condition is not None and right not in READS:
        await op.condition.hold(grant)
    return grant


def refusal_of(  # noqa: PLR0913 - a deed, whose target need not be there
    actor: Actor,
    right: Right,
    organization_id: UUID,
    target: Target | None,
    env: Env,
    *,
    enabling: Env | None = None,
) -> Refusal | None:
    """Return what is said to an actor who may not; None where it may.

    A target that is not reached is None: it does not exist, and no rule is asked about it.
    """
    if target is None:
        return OrganizationNotFound(organization_id)
    deed = Deed(actor, right, target, env, enabling)
    rule = judge(deed)
    return None if rule is None else rule.refusal(deed)


def check_for_new(grant: Grant, right: Right) -> None:
    """Refuse who may not do this to what it is about to make below the granted organization.

    What is new is in the actor's own env alone, as far as decisions about it need to know.
    """
    target = Target(grant.organization_id, (grant.env,), is_managed=False)
    deed = Deed(grant.op.actor, right, target, grant.env)
    if (rule := judge(deed)) is not None:
        raise rule.refusal(deed)


def judge(deed: Deed) -> Rule | None:
    """Return the first rule that refuses; None where the actor may.

    The installation's own hand is above credentials; what is closed is closed for it as well.
    """
    for rule in _FOR_MIGHTY if deed.actor.kind in _MIGHTY else RULES:
        if rule.refuses(deed):
            return rule
    return None


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


async def check_still_reached(grant: Grant) -> None:
    """Refuse a change from above that waited for a handover: asked once its rows are locked."""
    if grant.organization_id != grant.reader_id and not await is_still_reached(grant):
        raise OrganizationNotFound(grant.organization_id)


def _is_reading_alone(deed: Deed) -> bool:
    return deed.actor.is_suspended and deed.right not in READS


def _lacks_right(deed: Deed) -> bool:
    return deed.right not in deed.actor.rights


def _is_unfit(deed: Deed) -> bool:
    actor, right, target = deed.actor, deed.right, deed.target
    is_own = target.organization_id == actor.organization_id
    if right is Right.ORGANIZATION_CREATE:
        # What a key makes it must reach: one that reaches a list makes nothing.
        return target.is_managed or not (
            actor.reach is KeyReach.ALL or (actor.reach is KeyReach.MANAGED and is_own)
        )
    if right is Right.ORGANIZATION_ADMINISTER:
        return not (is_own and actor.reach is KeyReach.ALL)
    if right is Right.ORGANIZATION_HAND_OVER:
        return is_own or target.is_managed
    return right is Right.ORGANIZATION_SUSPEND and is_own


def _is_of_other_env(deed: Deed) -> bool:
    is_live = deed.env is not Env.TEST
    return deed.env is not deed.actor.env or (deed.right in IN_TEST_ALONE and is_live)


def _needs_live_key(deed: Deed) -> bool:
    actor, right, target = deed.actor, deed.right, deed.target
    return (
        right in PROFILE_WRITES
        and actor.kind is ActorKind.KEY
        and actor.env is not Env.LIVE
        and Env.LIVE in target.envs
    )


def _enables_from_test(deed: Deed) -> bool:
    actor, enabling = deed.actor, deed.enabling
    is_missing = enabling is not None and enabling not in deed.target.envs
    return is_missing and actor.kind is ActorKind.KEY and actor.env is Env.TEST


def _is_closed(deed: Deed) -> bool:
    return (
        deed.target.status in _CLOSED
        and deed.right not in READS
        and deed.right is not Right.ORGANIZATION_SUSPEND
    )


def _denied(sentence: str) -> Callable[[Deed], Refusal]:
    """Return what denies with a sentence: it may name `{do}`, the `{env}` and `{own_env}`."""

    def refusal(deed: Deed) -> Refusal:
        right, env = deed.right, deed.env
        said = sentence.format(do=DENIALS[right], env=env, own_env=deed.actor.env)
        of = deed.target.organization_id
        return AccessDenied(said, right=right, organization_id=of, env=env)

    return refusal


RULES = (
    Rule(RuleName.SUSPENSION, _is_reading_alone, lambda _: OrganizationSuspended()),
    Rule(RuleName.RIGHT_NOT_HELD, _lacks_right, _denied("This credential may not {do}")),
    Rule(RuleName.RELATION, _is_unfit, _denied("This credential may not {do}")),
    Rule(
        RuleName.OTHER_ENV,
        _is_of_other_env,
        _denied("This credential is good for {own_env} and may not {do} in {env}"),
    ),
    Rule(
        RuleName.LIVE_NEEDS_LIVE,
        _needs_live_key,
        _denied("A TEST key may not {do}: it is LIVE, use a LIVE key"),
    ),
    Rule(
        RuleName.LIVE_NEEDS_LIVE,
        _enables_from_test,
        _denied("A TEST key may not enable LIVE: use a LIVE key, or log in"),
    ),
    Rule(RuleName.CLOSED, _is_closed, lambda _: OrganizationArchived()),
)
"""All that may refuse an actor what it reaches. The first that applies is the one that is said."""

_MIGHTY = (ActorKind.OPERATOR, ActorKind.SYSTEM)
_FOR_MIGHTY = tuple(rule for rule in RULES if rule.name is RuleName.CLOSED)
