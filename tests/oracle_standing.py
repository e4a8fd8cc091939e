"""Who stands where: which credential is alive, who is above whom, and which rights it holds.

Nothing of the product is imported.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from facts import ACTIVE, STATUSES, SUSPENDED, Actor, Id, State

READS = frozenset(
    f"{noun}:read"
    for noun in (
        "organization", "user", "api_key", "billing_address", "audit", "access", "agreement",
        "tss", "client", "transaction", "export", "fleet",
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
TRANSACTIONS = frozenset({"transaction:sign", "transaction:update"})
EXPORTS = frozenset({"export:create", "export:update", "export:cancel"})
SIGNING = TRANSACTIONS | {f"{noun}:{v}" for noun in ("tss", "client") for v in ("create", "update")}
"""What the keys of an organization do for it, and nobody else: no person, nobody from above."""
EVERYTHING = (
    READS | KEYS | PEOPLE | ADDRESSES | TREE | SIGNING | EXPORTS
    | {"agreement:propose", "agreement:decide", "test_data:delete"}
)  # fmt: skip
OF_MANAGED_KEY = READS | KEYS | SIGNING | EXPORTS | {"agreement:decide"}
OF_MANAGED = OF_MANAGED_KEY | PEOPLE
OF_MONEY = frozenset({"organization:read", "billing_address:read"}) | ADDRESSES
OF_MEMBER = READS - {"audit:read", "access:read"}
RANKS = ("member", "billing", "admin", "owner")


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
