"""What somebody may do somewhere, said before they try: by the very rules that will decide."""

from uuid import UUID

from tillkeeper.access.operation import Actor, ActorKind, Target
from tillkeeper.access.policy import Deed, judge
from tillkeeper.access.rights import Right, rights_held
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, OrganizationStatus
from tillkeeper.domains.access_reports.queries import Listed
from tillkeeper.domains.access_reports.wire import Step


def step_of(distance: int, *, is_managed: bool) -> Step:
    """Return how rights come to an organization from one so many places above it."""
    if distance == 0:
        return Step.OWN
    if distance == 1:
        return Step.MANAGES if is_managed else Step.ADMINISTERS
    return Step.ADMINISTERS_THE_MANAGER


def rights_there(actor: Actor, target: Target) -> list[str]:
    """Return what policy would grant this actor on this organization, in the actor's env."""
    return sorted(right for right in Right if judge(Deed(actor, right, target, actor.env)) is None)


def actor_of(row: Listed, env: Env) -> Actor:
    """Return the actor that a key or membership would be, were it to enter now."""
    position = {"is_main": row.is_main, "is_administered": row.is_administered}
    return Actor(
        kind=ActorKind(row.kind),
        id=row.id,
        organization_id=row.organization_id,
        env=env,
        is_main=row.is_main,
        is_administered=row.is_administered,
        role=row.role,
        rights=rights_held(row.role, row.permissions, **position),
        is_limited=row.permissions is not None,
        reach=KeyReach(row.reach),
        listed=tuple(row.listed or ()),
    )


def target_of(
    organization_id: UUID, envs: list[Env], status: OrganizationStatus, *, is_managed: bool
) -> Target:
    """Return an organization as decisions about it know it."""
    return Target(organization_id, tuple(envs), is_managed, OrganizationStatus(status))
