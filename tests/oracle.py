"""Who may do what, and who may see what: the rules, to be read without knowing the product.

Two questions are answered: `may` for one deed, `sees` for everything that may ever appear in an
answer. Nothing of the product is imported, neither here nor in `facts`, what is judged by, in
`oracle_standing`, who stands where, and in `oracle_keys`, what a key may hand on.
"""

from dataclasses import dataclass

from facts import ARCHIVED, PENDING_DELETION, Actor, Deed, Id, Organization, State, Verdict
from oracle_keys import judge_key
from oracle_standing import (
    ADDRESSES,
    EXPORTS,
    PEOPLE,
    RANKS,
    READS,
    SIGNING,
    TRANSACTIONS,
    chain,
    effective_status,
    is_alive,
    is_visible,
    reach_of,
    rights_of,
    standing_of,
)

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
    # A till must not fall silent over an unpaid bill, and the law wants to see what was signed.
    if standing == "grace" and action not in READS | TRANSACTIONS | EXPORTS:
        return Verdict.SUSPENDED
    deed = Deed(actor, action, organization, env, state, now, None)
    right = PART_OF.get(action, action)
    if right not in rights_of(actor, state) or not fits(deed) or not is_right_env(deed):
        return Verdict.DENIED
    is_over = effective_status(organization, state) in (ARCHIVED, PENDING_DELETION)
    if is_over and action not in READS | EXPORTS | {"organization:suspend"}:
        return Verdict.WRONG_STATE
    return Verdict.ALLOW


def fits(deed: Deed) -> bool:
    """Tell whether the relation between the two organizations allows the deed at all."""
    is_own = deed.organization == deed.actor.organization
    is_main = deed.state.organizations[deed.organization].manager is None
    reach = reach_of(deed.actor, deed.state)
    if deed.action in SIGNING:
        return is_own and deed.actor.kind == "key"
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
