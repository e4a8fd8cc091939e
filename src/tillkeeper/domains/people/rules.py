"""Decisions about people that need no database."""

from collections.abc import Sequence

from tillkeeper.core.status import Role

_RANKS = {Role.OWNER: 3, Role.ADMIN: 2, Role.BILLING: 1, Role.MEMBER: 0}


def stands_above(role: Role, actor_role: Role | None) -> bool:
    """Tell whether somebody outranks who wants to invite or remove them; a key is an admin."""
    return _RANKS[role] > _RANKS[actor_role or Role.ADMIN]


def is_last_owner(role: Role, owners: Sequence[object]) -> bool:
    """Tell whether nobody would own the organization without this one."""
    return role == Role.OWNER and len(owners) <= 1
