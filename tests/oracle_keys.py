"""What may be done with keys, and what a key may hand on: never more than its maker has.

Nothing of the product is imported.
"""

from dataclasses import replace
from ipaddress import ip_network

from facts import Actor, Deed, Key, State, Verdict
from oracle_standing import EVERYTHING, chain, reach_of, rights_of


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
