"""What the door has found of a credential, in the words of decisions."""

from tillkeeper.access.identity import Credential
from tillkeeper.access.operation import Actor, ActorKind, Target
from tillkeeper.access.queries import Entered
from tillkeeper.access.rights import rights_held
from tillkeeper.core.errors import OrganizationSuspended, Unauthorized
from tillkeeper.core.status import KeyReach, OrganizationStatus


def admit(entered: Entered | None) -> Entered:
    """Refuse a credential that is dead, and one whose organization may do nothing any more."""
    if entered is None:
        raise Unauthorized("The credential is disabled or gone: authenticate with another one")
    if entered.standing == "ended":
        raise OrganizationSuspended(entered.reason)
    return entered


def actor_of(credential: Credential, entered: Entered) -> Actor:
    """Return who speaks, with the rights that this credential has today."""
    position = {"is_main": entered.is_main, "is_administered": entered.is_administered}
    return Actor(
        kind=ActorKind(credential.kind),
        id=credential.sub,
        organization_id=entered.organization_id,
        env=credential.env,
        is_main=entered.is_main,
        is_administered=entered.is_administered,
        role=entered.role,
        rights=rights_held(entered.role, entered.permissions, **position),
        is_limited=entered.permissions is not None,
        reach=KeyReach(entered.reach),
        listed=tuple(each for each in entered.listed or () if each != entered.organization_id),
        is_suspended=entered.standing != "active",
    )


def target_of(entered: Entered) -> Target | None:
    """Return the organization in sight; None where it is out of reach."""
    if entered.within is None:
        return None
    envs = tuple(entered.within_envs or ())
    status = entered.within_status or OrganizationStatus.ACTIVE
    return Target(entered.within, envs, bool(entered.within_is_managed), status)
