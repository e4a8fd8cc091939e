"""What would be answered if: the rules asked about facts that may be other than they are.

The door's part is `enter` in SQL, told again in Python so that it has names and can be asked about
what is not. It never decides: what is explained was entered as well, and both must say the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tillkeeper.access.identity import Credential, issue
from tillkeeper.access.operation import Actor, ActorKind, Target
from tillkeeper.access.policy import RULES, Deed
from tillkeeper.access.rights import Right, rights_held
from tillkeeper.access.verdicts import RuleName
from tillkeeper.core.env import Env
from tillkeeper.core.networks import is_within
from tillkeeper.core.status import KeyReach, KeyStatus, OrganizationStatus
from tillkeeper.domains.access_reports.principal_queries import Known, Place

Standing = Literal["active", "grace", "ended"]


@dataclass(frozen=True, slots=True)
class Supposed:
    """Everything that a verdict hangs on."""

    principal: Known
    place: Place
    right: Right
    env: Env
    address: str | None

    @property
    def own_env(self) -> Env:
        """The env of the credential: a key has one, a person chooses."""
        return self.principal.env or self.env

    @property
    def standing(self) -> Standing:
        """What the organization of the principal leaves to its own credentials."""
        if self.principal.own_status == OrganizationStatus.ACTIVE:
            return "active"
        is_suspended = self.principal.own_status == OrganizationStatus.SUSPENDED
        return "grace" if is_suspended and self.principal.is_in_grace else "ended"

    @property
    def actor(self) -> Actor:
        """The actor that policy would judge."""
        known, is_active = self.principal, self.standing == "active"
        position = {"is_main": known.is_main, "is_administered": known.is_administered}
        return Actor(
            kind=ActorKind(known.kind),
            id=known.id,
            organization_id=known.organization_id,
            env=self.own_env,
            is_main=known.is_main,
            is_administered=known.is_administered,
            role=known.role,
            rights=rights_held(known.role, known.permissions, **position),
            is_limited=known.permissions is not None,
            reach=KeyReach(known.reach) if is_active else KeyReach.LISTED,
            listed=tuple(known.listed or ()) if is_active else (),
            is_suspended=not is_active,
        )

    @property
    def target(self) -> Target:
        """The organization that policy would judge."""
        place = self.place
        return Target(place.id, tuple(place.envs), place.is_managed, place.status)


def credential_of(known: Known, env: Env) -> Credential:
    """Return what a token would say: one of a key was bought with its newest secret."""
    return issue(
        kind="key" if known.kind == "key" else "user",
        actor_id=known.id,
        organization_id=known.organization_id,
        env=known.env or env,
        now=0,
        seconds=0,
        generation=known.generation,
    )


def first_refusal(supposed: Supposed) -> RuleName:
    """Return the first rule that refuses, or that none does."""
    return next(iter(refusals(supposed)), RuleName.NONE)


def refusals(supposed: Supposed) -> list[RuleName]:
    """Return every rule that refuses, in the order in which they are asked."""
    at_the_door = [name for name, refuses in _DOOR.items() if refuses(supposed)]
    deed = Deed(supposed.actor, supposed.right, supposed.target, supposed.env)
    return at_the_door + [rule.name for rule in RULES if rule.refuses(deed)]


def is_address_foreign(supposed: Supposed) -> bool:
    """Without an address the answer is about a call from one that is allowed."""
    networks, address = supposed.principal.allowed_ips, supposed.address
    return networks is not None and address is not None and not is_within(address, tuple(networks))


def _is_out_of_env(supposed: Supposed) -> bool:
    """To enable an env that is missing one looks across."""
    is_missing = supposed.own_env not in supposed.place.envs
    return is_missing and supposed.right is not Right.ORGANIZATION_ENABLE_ENV


def _is_out_of_reach(supposed: Supposed) -> bool:
    principal, place = supposed.principal, supposed.place
    if place.id == principal.organization_id:
        return False
    match KeyReach(principal.reach):
        case KeyReach.ALL:
            return False
        case KeyReach.MANAGED:
            return not (place.is_managed and place.distance == 1)
        case KeyReach.LISTED:
            return place.id not in (principal.listed or ())
        case KeyReach.SELF:
            return True


def _has_not_begun(supposed: Supposed) -> bool:
    begins = supposed.principal.not_before
    return begins is not None and begins > supposed.principal.now


def _is_over(supposed: Supposed) -> bool:
    ends = supposed.principal.expires_at
    return ends is not None and ends <= supposed.principal.now


_DOOR: dict[RuleName, Callable[[Supposed], bool]] = {
    RuleName.OWN_ENV: lambda s: s.own_env not in s.principal.envs,
    RuleName.KEY_DISABLED: lambda s: s.principal.status == KeyStatus.DISABLED,
    RuleName.KEY_NOT_BEGUN: _has_not_begun,
    RuleName.KEY_EXPIRED: _is_over,
    RuleName.ADDRESS: is_address_foreign,
    RuleName.STANDING: lambda s: s.standing == "ended",
    RuleName.UNRELATED: lambda s: s.place.distance is None,
    RuleName.OWN_EYES: lambda s: s.standing == "grace" and s.place.distance != 0,
    RuleName.TARGET_ENV: _is_out_of_env,
    RuleName.REACH: _is_out_of_reach,
}
