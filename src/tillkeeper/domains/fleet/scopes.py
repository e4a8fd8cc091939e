"""Whose TSS they are decides by which index organizations are walked; the walls know the rest."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Uuid, and_, bindparam

from tillkeeper.access.policy import Grant
from tillkeeper.schema import organizations

ID: Final = bindparam("organization_id", type_=Uuid)
ONE: Final = "one"
WHOLE: Final[dict[str, ColumnElement[bool]]] = {
    ONE: organizations.c.id == ID,
    "root": organizations.c.root_organization_id == ID,
    "main": organizations.c.main_organization_id == ID,
}
"""The organization, and with the latter two everything below it."""


def of_organization(owned: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table or an alias of one
    """Join what belongs to an organization, in the granted env."""
    return and_(owned.c.organization_id == organizations.c.id, owned.c.env == bindparam("env"))


def scope_of(grant: Grant) -> str:
    """Return how the granted organization is walked with everything below it."""
    actor, target = grant.op.actor, grant.op.target
    if not actor.is_main or (target is not None and target.is_managed):
        return ONE
    is_own = grant.organization_id == actor.organization_id
    return "main" if actor.is_administered or not is_own else "root"
