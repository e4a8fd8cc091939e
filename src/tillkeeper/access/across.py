"""Lists of what belongs to one organization, or to all that an organization reaches."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar.params import QueryParameter
from sqlalchemy import ColumnElement, Table, Uuid, bindparam, or_

from tillkeeper.access.policy import Grant
from tillkeeper.schema import organizations
from tillkeeper.sql import Page, Rows

OfOrganization = Annotated[
    UUID | None, QueryParameter(description="Of this organization instead of the own one.")
]
IncludeManaged = Annotated[
    bool, QueryParameter(description="Also what the organization manages and administers.")
]
_ID = bindparam("organization_id", type_=Uuid)
# Whose rows they are decides by which index organizations are walked; the walls know the rest.
_SCOPES = {
    "root": organizations.c.root_organization_id == _ID,
    # A managed organization reaches nobody but itself.
    "main": or_(organizations.c.main_organization_id == _ID, organizations.c.id == _ID),
}


class Across:
    """A list that is compiled once for each scope in which it is asked for."""

    def __init__(
        self,
        rows: Rows,
        table: Table,
        *,
        orders: Mapping[str, Sequence[ColumnElement[Any]]],
        **filters: ColumnElement[bool],
    ) -> None:
        owner = table.c.organization_id
        self._pages = {"one": Page(rows.where(owner == _ID), orders=orders, **filters)} | {
            scope: Page(
                rows.join(organizations, organizations.c.id == owner).where(is_within),
                orders=orders,
                **filters,
            )
            for scope, is_within in _SCOPES.items()
        }

    def of(self, grant: Grant, *, is_across: bool) -> Page:
        """Return the list of the granted organization, or of all that it reaches."""
        actor = grant.op.actor
        if not is_across or not actor.is_main:
            return self._pages["one"]
        is_own = grant.organization_id == actor.organization_id
        return self._pages["main" if actor.is_administered or not is_own else "root"]
