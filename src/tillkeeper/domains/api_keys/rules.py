"""Decisions about API keys that need no database: a key is never above whoever makes it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from uuid import UUID

from tillkeeper.access.operation import Actor
from tillkeeper.access.rights import Right
from tillkeeper.core.status import KeyReach
from tillkeeper.domains.api_keys.wire import ApiKeyCreate, Reach

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key is limited to; without permissions it holds all that its position allows."""

    permissions: frozenset[str] | None
    reach: KeyReach
    listed: frozenset[UUID]
    expires_at: datetime | None = None
    allowed_ips: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a maker ends, and from where alone it works: what it makes does no better.

    Not when it begins: whoever makes something has begun.
    """

    expires_at: datetime | None = None
    allowed_ips: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is named of a key's limits; None is not named."""

    permissions: list[Right] | None = None
    reach: Reach | None = None
    expires_at: int | None = None
    allowed_ips: list[str] | None = None


def wanted_of(created: ApiKeyCreate) -> Wanted:
    """Return what a new key names of its limits."""
    return Wanted(created.permissions, created.reach, created.expires_at, created.allowed_ips)


def handed_on(actor: Actor, bounds: Bounds, wanted: Wanted, *, is_own: bool) -> Limits:
    """Return the limits of a key that this actor makes; what it does not name is its own.

    Only a key of the actor's own organization can inherit reach: another one belongs to an
    organization further down, which the actor reaches as a whole or is listed by itself.
    """
    held = frozenset(wanted.permissions) if wanted.permissions is not None else None
    if held is None and actor.is_limited:
        held = frozenset(actor.rights)
    kind, listed = _named(wanted.reach)
    if wanted.reach is None and actor.reach is not KeyReach.ALL:
        kind, listed = (actor.reach, frozenset(actor.listed)) if is_own else _SELF
    return Limits(
        held,
        kind,
        listed,
        bounds.expires_at if wanted.expires_at is None else moment(wanted.expires_at),
        bounds.allowed_ips if wanted.allowed_ips is None else networks(wanted.allowed_ips),
    )


def outlives(bounds: Bounds, limits: Limits) -> bool:
    """Tell whether a key would work when its maker works no more."""
    end = bounds.expires_at
    return end is not None and (limits.expires_at is None or limits.expires_at > end)


def is_open_wider(bounds: Bounds, limits: Limits) -> bool:
    """Tell whether a key would work from where its maker does not."""
    if bounds.allowed_ips is None:
        return False
    if limits.allowed_ips is None:
        return True
    inside = [ip_network(text) for text in bounds.allowed_ips]
    return not all(
        any(_is_within(ip_network(text), each) for each in inside) for text in limits.allowed_ips
    )


def _is_within(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.subnet_of(other)
    return isinstance(other, IPv6Network) and one.subnet_of(other)


_SELF: tuple[KeyReach, frozenset[UUID]] = (KeyReach.SELF, frozenset())


def _named(reach: Reach | None) -> tuple[KeyReach, frozenset[UUID]]:
    if isinstance(reach, list):
        return KeyReach.LISTED, frozenset(reach)
    return KeyReach(reach or KeyReach.ALL), frozenset()


def lacking(actor: Actor, limits: Limits) -> str | None:
    """Return the right that the actor does not hold itself, or None where it holds them all."""
    if limits.permissions is None:
        return next(iter(sorted(Right)), None) if actor.is_limited else None
    return next(iter(sorted(limits.permissions - actor.rights)), None)


def goes_too_far(actor: Actor, limits: Limits, *, is_own: bool) -> bool:
    """Tell whether a key would reach further than the actor."""
    match actor.reach:
        case KeyReach.ALL:
            return False
        case KeyReach.SELF:
            return limits.reach is not KeyReach.SELF
        case KeyReach.MANAGED:
            allowed = {KeyReach.SELF, KeyReach.MANAGED} if is_own else {KeyReach.SELF}
            return limits.reach not in allowed
        case KeyReach.LISTED:
            known = {*actor.listed, actor.organization_id}
            is_within = limits.reach is KeyReach.LISTED and limits.listed <= known
            return not is_within and limits.reach is not KeyReach.SELF


def networks(allowed_ips: list[str]) -> tuple[str, ...]:
    """Return the networks in one spelling; an address alone is a network of one."""
    return tuple(sorted({str(ip_network(text)) for text in allowed_ips}))


def moment(seconds: int | None) -> datetime | None:
    """Return what is stored of a time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
