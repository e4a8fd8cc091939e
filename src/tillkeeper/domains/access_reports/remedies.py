"""The least that would turn a refusal into a yes: found by asking the same rules again."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from msgspec import structs

from tillkeeper.access.rights import IN_TEST_ALONE, PROFILE_WRITES, rights_held, rights_of_role
from tillkeeper.access.verdicts import RuleName
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, KeyStatus, OrganizationStatus, Role
from tillkeeper.domains.access_reports.suppositions import (
    Supposed,
    first_refusal,
    refusals,
)
from tillkeeper.domains.access_reports.wire import Needed, RemedyKind, SmallestGrant

Changed = tuple[Needed, Supposed]


def find_smallest_grant(supposed: Supposed) -> SmallestGrant:
    """Return what together would allow it, each alone not enough, or why nothing would.

    Each rule that refuses is answered by the smallest change that it asks for, until none is left.
    """
    needed: list[Needed] = []
    for _ in RuleName:
        name = first_refusal(supposed)
        if name is RuleName.NONE:
            sentence = " and ".join(each.sentence for each in needed)
            return SmallestGrant(is_possible=True, needed=needed, sentence=sentence)
        changed = _REMEDIES[name](supposed) if name in _REMEDIES else None
        if changed is None:
            return SmallestGrant(is_possible=False, needed=[], sentence=_NOTHING[name])
        remedy, supposed = changed
        needed.append(remedy)
    raise LookupError("a rule refuses what its own remedy has changed")


def _own(
    supposed: Supposed, kind: RemedyKind, value: str, sentence: str, **changes: object
) -> Changed:
    """Change something of the principal."""
    principal = structs.replace(supposed.principal, **changes)
    of = principal.organization_id
    remedy = Needed(kind=kind, value=value, organization_id=of, sentence=sentence)
    return remedy, replace(supposed, principal=principal)


def _there(
    supposed: Supposed, kind: RemedyKind, value: str, sentence: str, **changes: object
) -> Changed:
    """Change something of the organization that is asked about."""
    place = structs.replace(supposed.place, **changes)
    remedy = Needed(kind=kind, value=value, organization_id=place.id, sentence=sentence)
    return remedy, replace(supposed, place=place)


def _enable_own_env(supposed: Supposed) -> Changed:
    env, known = supposed.own_env, supposed.principal
    said = f"the env {env} for the organization {known.organization_id}"
    remedy, changed = _own(supposed, RemedyKind.ENV, env, said, envs=[*known.envs, env])
    if supposed.place.id == known.organization_id:
        place = structs.replace(supposed.place, envs=[*supposed.place.envs, env])
        changed = replace(changed, place=place)
    return remedy, changed


def _enable_key(supposed: Supposed) -> Changed:
    enabled = KeyStatus.ENABLED
    return _own(supposed, RemedyKind.KEY_STATUS, enabled, "this key enabled", status=enabled)


def _begin_earlier(supposed: Supposed) -> Changed:
    said = "an earlier not_before on this key"
    return _own(supposed, RemedyKind.KEY_TIME, "not_before", said, not_before=None)


def _end_later(supposed: Supposed) -> Changed:
    said = "a later expires_at on this key"
    return _own(supposed, RemedyKind.KEY_TIME, "expires_at", said, expires_at=None)


def _allow_address(supposed: Supposed) -> Changed:
    address = str(supposed.address)
    said = f"the address {address} among the allowed_ips of this key"
    return _own(supposed, RemedyKind.ADDRESS, address, said, allowed_ips=None)


def _end_suspension(supposed: Supposed) -> Changed:
    """Whether it is its own or comes from above is not told."""
    active, of = OrganizationStatus.ACTIVE, supposed.principal.organization_id
    said = f"the end of the suspension or closure that holds for the organization {of}"
    remedy, changed = _own(supposed, RemedyKind.STATUS, active, said, own_status=active)
    left = active if supposed.place.id == of else supposed.place.own_status
    return remedy, replace(changed, place=structs.replace(supposed.place, status=left))


def _enable_env_there(supposed: Supposed) -> Changed:
    env, place = supposed.own_env, supposed.place
    said = f"the env {env} for the organization {place.id}"
    return _there(supposed, RemedyKind.ENV, env, said, envs=[*place.envs, env])


def _reopen(supposed: Supposed) -> Changed:
    active = OrganizationStatus.ACTIVE
    said = f"the end of the closure that holds for the organization {supposed.place.id}"
    return _there(supposed, RemedyKind.STATUS, active, said, status=active)


def _widen_reach(supposed: Supposed) -> Changed | None:
    """Return the first wider reach that neither the reach nor the relation refuses."""
    for remedy, wider in _wider(supposed):
        if not {RuleName.REACH, RuleName.RELATION} & set(refusals(wider)):
            return remedy, wider
    return None


def _wider(supposed: Supposed) -> Iterator[Changed]:
    """Yield what would add to the reach of a key, the least first."""
    known, place = supposed.principal, supposed.place
    steps: dict[KeyReach, tuple[KeyReach, ...]] = {
        KeyReach.SELF: (KeyReach.LISTED, KeyReach.MANAGED, KeyReach.ALL),
        KeyReach.LISTED: (KeyReach.LISTED, KeyReach.ALL),
        KeyReach.MANAGED: (KeyReach.ALL,),
        KeyReach.ALL: (),
    }
    for reach in steps[KeyReach(known.reach)]:
        if reach is KeyReach.LISTED:
            said, listed = f"the organization {place.id} in the reach of this key", [place.id]
            listed += known.listed or []
            yield _own(supposed, RemedyKind.REACH, str(place.id), said, reach=reach, listed=listed)
        else:
            yield _own(supposed, RemedyKind.REACH, reach, f"the reach {reach}", reach=reach)


def _give_right(supposed: Supposed) -> Changed | None:
    known, right = supposed.principal, supposed.right
    position = {"is_main": known.is_main, "is_administered": known.is_administered}
    if known.permissions is not None and right in rights_held(known.role, None, **position):
        said, permissions = f"the permission {right} on this key", [*known.permissions, right]
        return _own(supposed, RemedyKind.PERMISSION, right, said, permissions=permissions)
    return None if known.role is None else _promote(supposed)


def _promote(supposed: Supposed) -> Changed | None:
    """Return the role that holds the fewest rights, this one among them."""
    known = supposed.principal
    position = {"is_main": known.is_main, "is_administered": known.is_administered}
    for role in (Role.MEMBER, Role.BILLING, Role.ADMIN):
        if supposed.right in rights_of_role(role, **position):
            said = f"the role {role} in the organization {known.organization_id}"
            return _own(supposed, RemedyKind.ROLE, role, said, role=role)
    return None


def _use_other_key(supposed: Supposed) -> Changed | None:
    env = supposed.env
    if env is Env.TEST and supposed.right in PROFILE_WRITES and Env.LIVE in supposed.place.envs:
        return None
    if env is Env.LIVE and supposed.right in IN_TEST_ALONE:
        return None
    return _own(supposed, RemedyKind.KEY, env, f"a {env} key", env=env)


def _use_live_key(supposed: Supposed) -> Changed:
    remedy, changed = _own(supposed, RemedyKind.KEY, Env.LIVE, "a LIVE key", env=Env.LIVE)
    return remedy, replace(changed, env=Env.LIVE)


_REMEDIES: dict[RuleName, Callable[[Supposed], Changed | None]] = {
    RuleName.OWN_ENV: _enable_own_env,
    RuleName.KEY_DISABLED: _enable_key,
    RuleName.KEY_NOT_BEGUN: _begin_earlier,
    RuleName.KEY_EXPIRED: _end_later,
    RuleName.ADDRESS: _allow_address,
    RuleName.STANDING: _end_suspension,
    RuleName.OWN_EYES: _end_suspension,
    RuleName.TARGET_ENV: _enable_env_there,
    RuleName.REACH: _widen_reach,
    RuleName.SUSPENSION: _end_suspension,
    RuleName.RIGHT_NOT_HELD: _give_right,
    RuleName.RELATION: _widen_reach,
    RuleName.OTHER_ENV: _use_other_key,
    RuleName.LIVE_NEEDS_LIVE: _use_live_key,
    RuleName.CLOSED: _reopen,
}
_NOTHING = {
    RuleName.UNRELATED: "nothing: rights flow downwards alone, and the organization is not below",
    RuleName.REACH: "nothing: the relation of the two organizations does not allow it",
    RuleName.RELATION: "nothing: the relation of the two organizations does not allow it",
    RuleName.OTHER_ENV: "nothing: no key of this env may do that to this organization",
    RuleName.RIGHT_NOT_HELD: "nothing: what the organization of this principal is forbids it",
}
"""What is said where no change helps: who is not below stays unrelated, whatever it is given."""
