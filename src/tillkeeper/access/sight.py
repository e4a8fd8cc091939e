"""What readers see of actors: nothing of an organization above exists below."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, Uuid, case, cast, func, or_


def creator(
    reader: ColumnElement[Any],
    organization_id: ColumnElement[Any],
    actor_id: ColumnElement[Any],
    of_organization: ColumnElement[Any],
) -> ColumnElement[Any]:
    """Return who created a row; whoever stands below the creator reads a stand-in.

    The stand-in is a UUID like any other, the same within one organization and different in every
    other: it tells nobody who manages them, nor that two are managed by the same.
    """
    text = cast(organization_id, Text).concat(cast(actor_id, Text))
    digest = func.overlay(func.overlay(func.md5(text), "4", 13), "8", 17)
    is_seen = or_(
        of_organization == reader,
        of_organization == organization_id,
        func.reaches(reader, of_organization, type_=Boolean),
    )
    return case((is_seen, actor_id), else_=cast(digest, Uuid))
