"""Who may do what, and who may see what: the rules, to be read without knowing the product.

Nothing of the product is imported, here or in `facts`. Two questions are answered: `may` for one
deed, `sees` for everything that may ever appear in an answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from facts import (
    ACTIVE,
    ARCHIVED,
    PENDING_DELETION,
    STATUSES,
    SUSPENDED,
    Actor,
    Id,
    Key,
    Organization,
    State,
)


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


READS = frozenset(
    f"{noun}:read"
    for noun in (
        "organization", "user", "api_key", "billing_address", "audit", "access", "agreement",
    )
)  # fmt: skip
KEYS = frozenset(f"api_key:{verb}" for verb in ("create", "update", "delete", "rotate"))
PEOPLE = frozenset({"user:invite", "user:delete"})
ADDRESSES = frozenset(f"billing_address:{verb}" for verb in ("create", "update", "delete"))
TREE = frozenset(
    f"organization:{verb}"
    for verb in (
        "create", "administer", "update", "delete", "enable_env", "hand_over", "suspend",
    )
)  # fmt: skip
EVERYTHING = (
    READS | KEYS | PEOPLE | ADDRESSES | TREE
    | {"agreement:propose", "agreement:decide", "test_data:delete"}
)  # fmt: skip

OF_MANAGED_KEY = READS | KEYS | {"agreement:decide"}
OF_MANAGED = OF_MANAGED_KEY | PEOPLE
OF_MONEY = frozenset({"organization:read", "billing_address:read"}) | ADDRESSES
OF_MEMBER = READS - {"audit:read", "access:read"}
RANKS = ("member", "billing", "admin", "owner")

PROFILE_WRITES = (
    PEOPLE
    | ADDRESSES
    | {f"organization:{verb}" for verb in ("update", "delete", "hand_over", "suspend")}
    | {"agreement:propose", "agreement:decide"}
)
"""What changes an organization as a whole: where it is LIVE, a TEST key may not."""

PART_OF = {"api_key:expire_secret": "api_key:rotate"}
"""Deeds without a right of their own: to end a retiring secret is part of rotating."""


def may(  # noqa: PLR0913, PLR0917 - the question in full
    actor: Actor,
    action: str,
    organization: Id,
    env: str,
    state: State,
    now: float,
    about: Id | None = None,
) -> Verdict:
    """Judge one deed towards one organization; `about` is the key, person or address in it."""
    verdict = may_at_all(actor, action, organization, env, state, now)
    if verdict is not Verdict.ALLOW:
        return verdict
    return judge_object(Deed(actor, action, organization, env, state, now, about))


def may_at_all(  # noqa: PLR0911, PLR0913, PLR0917 - the question in full
    actor: Actor, action: str, organization: Id, env: str, state: State, now: float
) -> Verdict:
    """Judge a deed before it is known what in the organization it is about.

    The order is the law: what is not seen does not exist, what is not permitted has no state.
    """
    if not is_alive(actor, state, now):
        return Verdict.UNKNOWN
    standing = standing_of(actor.organization, state, now)
    if standing == "ended":
        return Verdict.SUSPENDED
    if not is_visible(actor, action, organization, state, now):
        return Verdict.INVISIBLE
    if standing == "grace" and action not in READS:
        return Verdict.SUSPENDED
    deed = Deed(actor, action, organization, env, state, now, None)
    right = PART_OF.get(action, action)
    if right not in rights_of(actor, state) or not fits(deed) or not is_right_env(deed):
        return Verdict.DENIED
    is_over = effective_status(organization, state) in (ARCHIVED, PENDING_DELETION)
    if is_over and action not in READS | {"organization:suspend"}:
        return Verdict.WRONG_STATE
    return Verdict.ALLOW


class Deed(NamedTuple):
    """What is left to be judged of a deed whose actor is alive and sees the organization."""

    actor: Actor
    action: str
    organization: Id
    env: str
    state: State
    now: float
    about: Id | None


def is_alive(actor: Actor, state: State, now: float) -> bool:
    """Tell whether the credential is known and good at this moment, from this address."""
    own = state.organizations.get(actor.organization)
    if own is None or actor.env not in own.envs:
        return False
    if actor.kind == "user":
        return (actor.organization, actor.id) in state.roles
    key = state.keys.get(actor.id)
    if key is None or (key.organization, key.env) != (actor.organization, actor.env):
        return False
    is_begun = key.not_before is None or key.not_before <= now
    is_ended = key.expires_at is not None and key.expires_at <= now
    is_retiring = actor.generation == key.generation - 1 and now < (key.retiring_ends_at or 0)
    is_from_there = not key.allowed_ips or any(
        ip_address(actor.ip) in ip_network(net) for net in key.allowed_ips
    )
    is_secret_good = actor.generation == key.generation or is_retiring
    return key.is_enabled and is_begun and not is_ended and is_secret_good and is_from_there


def chain(organization: Id, state: State) -> Iterator[Id]:
    """Yield an organization, who manages or administers it, and who administers that one."""
    above: Id | None = organization
    while above is not None:
        yield above
        found = state.organizations[above]
        above = found.manager or found.administrator


def effective_status(organization: Id, state: State) -> str:
    """Return the strictest status of the organization and all above it."""
    found = {state.organizations[each].status for each in chain(organization, state)}
    return max(found, key=STATUSES.index)


def standing_of(organization: Id, state: State, now: float) -> str:
    """Tell what an organization's own credentials are still good for: active, grace or ended."""
    status = effective_status(organization, state)
    if status != SUSPENDED:
        return "active" if status == ACTIVE else "ended"
    above = [state.organizations[each] for each in chain(organization, state)]
    graces = [each.grace_ends_at or 0 for each in above if each.status == SUSPENDED]
    return "grace" if min(graces) > now else "ended"


def reaches(actor: Actor, organization: Id, state: State, now: float) -> bool:
    """Tell whether the actor's rights flow down to an organization: never up, never sideways."""
    own = actor.organization
    if organization not in state.organizations or own not in chain(organization, state):
        return False
    if organization == own:
        return True
    if standing_of(own, state, now) != "active":
        return False
    reach = reach_of(actor, state)
    if isinstance(reach, frozenset):
        return organization in reach
    is_managed_by_own = state.organizations[organization].manager == own
    return {"self": False, "managed": is_managed_by_own, "all": True}[reach]


def reach_of(actor: Actor, state: State) -> str | frozenset[Id]:
    """Return how far the credential goes of what its organization reaches."""
    return state.keys[actor.id].reach if actor.kind == "key" else "all"


def is_visible(actor: Actor, action: str, organization: Id, state: State, now: float) -> bool:
    """Within reach, and in the actor's env: only to enable a missing env one looks across."""
    if not reaches(actor, organization, state, now):
        return False
    is_in_env = actor.env in state.organizations[organization].envs
    return is_in_env or action == "organization:enable_env"


def rights_of(actor: Actor, state: State) -> frozenset[str]:
    """Return what the position, the role and the key's permissions all three allow."""
    own = state.organizations[actor.organization]
    if actor.kind == "key":
        held = EVERYTHING if own.manager is None else OF_MANAGED_KEY
        permissions = state.keys[actor.id].permissions
        held = held if permissions is None else held & permissions
    else:
        role = state.roles[actor.organization, actor.id]
        held = {"billing": OF_MONEY, "member": OF_MEMBER}.get(role, EVERYTHING)
        held = held if own.manager is None else held & OF_MANAGED
    return held - {"organization:administer"} if own.administrator is not None else held


def fits(deed: Deed) -> bool:
    """Tell whether the relation between the two organizations allows the deed at all."""
    is_own = deed.organization == deed.actor.organization
    is_main = deed.state.organizations[deed.organization].manager is None
    reach = reach_of(deed.actor, deed.state)
    match deed.action:
        case "organization:create":  # what one makes one must reach: a list reaches nothing new
            return is_main and (reach == "all" or (reach == "managed" and is_own))
        case "organization:administer":
            return is_own and reach == "all"
        case "organization:hand_over":
            return not is_own and is_main
        case "organization:suspend":
            return not is_own
    return True


def is_right_env(deed: Deed) -> bool:
    """A credential acts in its own env; what concerns LIVE as a whole is not for TEST keys."""
    envs = deed.state.organizations[deed.organization].envs
    is_test_key = deed.actor.kind == "key" and deed.actor.env == "TEST"
    if deed.action == "organization:enable_env":
        return deed.env in envs or not is_test_key
    if deed.action == "test_data:delete" and deed.env != "TEST":
        return False
    if deed.action in PROFILE_WRITES and is_test_key and "LIVE" in envs:
        return False
    return deed.env == deed.actor.env


def judge_object(deed: Deed) -> Verdict:
    """Judge what lies inside the organization, and the state that it is in."""
    state, organization = deed.state, deed.organization
    is_wrong = False
    match deed.action:
        case "organization:delete":
            is_wrong = is_needed(organization, state)
        case "organization:enable_env":
            is_wrong = not can_be(deed.env, organization, state)
        case "organization:hand_over":
            is_wrong = not is_manned(organization, state)
        case "billing_address:delete":
            is_wrong = deed.about in {each.address for each in state.organizations.values()}
        case "user:delete":
            return judge_removal(deed)
        case key if key.startswith("api_key:") and deed.about is not None:
            return judge_key(deed, key.removeprefix("api_key:"))
    return Verdict.WRONG_STATE if is_wrong else Verdict.ALLOW


def judge_key(deed: Deed, verb: str) -> Verdict:
    """A key is seen in its organization and env alone; what is managed above is changed there."""
    actor, state, now = deed.actor, deed.state, deed.now
    key = state.keys.get(deed.about)
    if key is None or (key.organization, key.env) != (deed.organization, actor.env):
        return Verdict.INVISIBLE
    if verb == "read":
        return Verdict.ALLOW
    if key.manager is not None and actor.organization not in chain(key.manager, state):
        return Verdict.DENIED
    if verb in ("update", "rotate") and is_above_maker(actor, key, state):
        return Verdict.DENIED
    is_retiring = key.retiring_ends_at is not None and key.retiring_ends_at > now
    is_over = key.expires_at is not None and key.expires_at <= now
    if verb == "rotate" and (is_retiring or is_over or not key.is_enabled):
        return Verdict.WRONG_STATE
    return Verdict.ALLOW


def handed_on(actor: Actor, key: Key, state: State, *, named: frozenset[str]) -> Key:
    """Return a new key with what its maker hands on where it does not name it."""
    reach, is_own = reach_of(actor, state), key.organization == actor.organization
    is_limited = actor.kind == "key" and state.keys[actor.id].permissions is not None
    if "permissions" not in named and is_limited:
        key = replace(key, permissions=rights_of(actor, state))
    if "reach" not in named and reach != "all":
        key = replace(key, reach=reach if is_own else "self")
    maker = state.keys.get(actor.id)
    if maker is not None and "expires_at" not in named:
        key = replace(key, expires_at=maker.expires_at)
    if maker is not None and "allowed_ips" not in named:
        key = replace(key, allowed_ips=maker.allowed_ips)
    return key


def is_above_maker(actor: Actor, key: Key, state: State) -> bool:
    """Tell whether a key holds more, reaches further, lasts longer or is open to more addresses
    than who makes, widens or rotates it.
    """
    maker = state.keys.get(actor.id)
    if maker is not None and (outlives(key, maker) or is_open_wider(key, maker)):
        return True
    is_limited = actor.kind == "key" and state.keys[actor.id].permissions is not None
    everything = EVERYTHING if is_limited else frozenset()
    wanted = everything if key.permissions is None else key.permissions
    if not wanted <= rights_of(actor, state):
        return True
    reach, is_own = reach_of(actor, state), key.organization == actor.organization
    if key.reach == "self" or reach == "all":
        return False
    if isinstance(reach, frozenset):
        return not (isinstance(key.reach, frozenset) and key.reach <= reach | {actor.organization})
    return not (reach == key.reach == "managed" and is_own)


def outlives(key: Key, maker: Key) -> bool:
    """Tell whether a key works on when its maker has ended."""
    if maker.expires_at is None:
        return False
    return key.expires_at is None or key.expires_at > maker.expires_at


def is_open_wider(key: Key, maker: Key) -> bool:
    """Tell whether a key is good from an address that its maker's is not good from."""
    if not maker.allowed_ips or not key.allowed_ips:
        return bool(maker.allowed_ips)
    nets = [ip_network(each) for each in maker.allowed_ips]
    return not all(
        any(net.version == one.version and one.subnet_of(net) for net in nets)  # type: ignore[arg-type]
        for one in map(ip_network, key.allowed_ips)
    )


def judge_removal(deed: Deed) -> Verdict:
    """The last owner stays, whoever asks; nobody removes a superior. A key counts as an admin."""
    roles, of = deed.state.roles, deed.organization
    role = roles.get((of, deed.about))
    if role is None:
        return Verdict.INVISIBLE
    if role == "owner" and [roles[each] for each in roles if each[0] == of].count("owner") == 1:
        return Verdict.WRONG_STATE
    own_role = roles.get((deed.actor.organization, deed.actor.id), "admin")
    return Verdict.DENIED if RANKS.index(role) > RANKS.index(own_role) else Verdict.ALLOW


def is_needed(organization: Id, state: State) -> bool:
    """LIVE, protected, or somebody leans on it: such an organization is not deleted."""
    found = state.organizations[organization]
    others = [each for each in state.organizations.values() if each.id != organization]
    return (
        "LIVE" in found.envs
        or found.is_protected
        or any(organization in (o.manager, o.administrator, o.payer) for o in others)
        or any(o.address and state.addresses[o.address] == organization for o in others)
    )


def can_be(env: str, organization: Id, state: State) -> bool:
    """LIVE needs a LIVE manager; without a manager a LIVE payer."""
    found = state.organizations[organization]
    above = state.organizations.get(found.manager or found.payer)
    return env in found.envs or (above is not None and "LIVE" in above.envs)


def is_manned(organization: Id, state: State) -> bool:
    """Tell whether somebody of its own could go on without those above."""
    keys = [k for k in state.keys.values() if k.organization == organization and k.manager is None]
    people = [p for (of, p), r in state.roles.items() if of == organization and r in RANKS[2:]]
    return any(k.is_enabled for k in keys) or bool(state.with_password & set(people))


@dataclass(frozen=True)
class Sight:
    """Everything that may appear in an answer."""

    organizations: set[Id]
    keys: set[Id]
    people: set[Id]
    addresses: set[Id]
    bare_ids: set[Id]
    """Ids that may stand in a field and open nothing."""
    hidden: set[tuple[Id, str]]
    """Fields of organizations that must be missing for this reader."""


NOTHING = Sight(set(), set(), set(), set(), set(), set())


def sees(actor: Actor, state: State, now: float) -> Sight:
    """Return what may be shown: what is in reach, in the actor's env, as far as rights allow."""
    if not is_alive(actor, state, now) or standing_of(actor.organization, state, now) == "ended":
        return NOTHING
    rights, own, orgs = rights_of(actor, state), actor.organization, state.organizations
    seen = {each for each in orgs if is_visible(actor, "organization:read", each, state, now)}
    rows = [orgs[each] for each in seen]
    keys = [k for k in state.keys.values() if k.organization in seen and k.env == actor.env]
    bare = {own, actor.id} | {row.manager for row in rows}
    bare |= {row.maker for row in rows if shows(own, row.maker_of, row.id, state)}
    bare |= {key.maker for key in keys if shows(own, key.maker_of, key.organization, state)}
    bare |= {
        key.manager
        for key in keys
        if shows(own, key.manager, orgs[key.organization].manager, state)
    }
    bare |= {each for key in keys if isinstance(key.reach, frozenset) for each in key.reach}
    names = ("administrator", "contact", "payer", "address")
    hidden = {(row.id, name) for row in rows for name in names if hides(name, own, row, state)}
    for name in names[1:]:
        bare |= {getattr(row, name) for row in rows if (row.id, name) not in hidden}
    return Sight(
        organizations=seen if "organization:read" in rights else set(),
        keys={key.id for key in keys} if "api_key:read" in rights else set(),
        people={p for of, p in state.roles if of in seen} if "user:read" in rights else set(),
        addresses={a for a, of in state.addresses.items() if of in seen}
        if "billing_address:read" in rights
        else set(),
        bare_ids=bare - {None},
        hidden=hidden,
    )


def shows(own: Id, other: Id | None, place: Id | None, state: State) -> bool:
    """Tell whether this reader may know another organization's part in something at a place."""
    if other in (own, place):
        return True
    return other in state.organizations and own in chain(other, state)


def hides(name: str, own: Id, row: Organization, state: State) -> bool:
    """Tell whether a pointer is withheld: it leads to what stands above or beside the reader."""
    match name:
        case "administrator":
            return row.administrator != own
        case "payer":
            known = (row.payer, row.payer_named_by or row.payer)
            return not any(shows(own, each, None, state) for each in known)
        case "address":
            return row.address is None or not shows(
                own, state.addresses[row.address], row.id, state
            )
    if not row.contact_is_from_above:
        return False
    homes = {of for of, person in state.roles if person == row.contact}
    return not any(own in chain(home, state) for home in homes)
