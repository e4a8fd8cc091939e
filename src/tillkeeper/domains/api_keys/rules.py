"""Decisions about API keys that need no database: a key is never above whoever makes it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from uuid import UUID

from tillkeeper.access.operation import Actor
from tillkeeper.access.rights import Right
from tillkeeper.core.status import KeyReach
from tillkeeper.domains.api_keys.wire import Reach


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key is limited to; without permissions it holds all that its position allows."""

    permissions: frozenset[str] | None
    reach: KeyReach
    listed: frozenset[UUID]


def handed_on(
    actor: Actor, permissions: list[Right] | None, reach: Reach | None, *, is_own: bool
) -> Limits:
    """Return the limits of a key that this actor makes; what it does not name is its own.

    Only a key of the actor's own organization can inherit reach: another one belongs to an
    organization further down, which the actor reaches as a whole or is listed by itself.
    """
    held = frozenset(permissions) if permissions is not None else None
    if held is None and actor.is_limited:
        held = frozenset(actor.rights)
    kind, listed = _named(reach)
    if reach is None and actor.reach is not KeyReach.ALL:
        kind, listed = (actor.reach, frozenset(actor.listed)) if is_own else _SELF
    return Limits(held, kind, listed)


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


def networks(allowed_ips: list[str] | None) -> list[str] | None:
    """Return the networks in one spelling; an address alone is a network of one."""
    return None if allowed_ips is None else sorted({str(ip_network(text)) for text in allowed_ips})


def moment(seconds: int | None) -> datetime | None:
    """Return what is stored of a time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
