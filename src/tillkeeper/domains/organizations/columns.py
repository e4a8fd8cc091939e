"""What of an organization is shown to whom: one expression per field that depends on the reader.

SQL, because lists, single reads and writes all answer with it; only `queries` imports it.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, array

from tillkeeper.access.sight import creator
from tillkeeper.core.status import OrganizationStatus
from tillkeeper.schema import organizations
from tillkeeper.sql import in_seconds

WRITTEN = tuple(
    organizations.c[name]
    for name in (
        "name",
        "display_name",
        "address_line1",
        "address_line2",
        "zip",
        "town",
        "state",
        "country_code",
        "tax_number",
        "vat_id",
        "economy_id",
        "external_id",
    )
)
"""What is answered as it was written."""


READER = bindparam("reader_id", type_=Uuid)
REACHED = organizations.c.reached_by.contains(array([READER]))
"""Whether the reader still reaches a row: asked of it as it is once a statement has waited for it,
because policy has seen it as it was when the operation entered."""


def shown_to(reader: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """Return the columns of an answer for an organization that reads it."""
    table = organizations.c
    return [
        table.id,
        table.type,
        table.envs,
        *WRITTEN,
        _contact_person(reader).label("contact_person_id"),
        _billing_options(reader).label("billing_options"),
        _billing_address(reader).label("billing_address_id"),
        table.managed_configuration,
        table.metadata,
        # A managed organization knows its manager's id, because deployed clients need it; who
        # administers is known to the administrator alone.
        table.managed_by_organization_id,
        case((table.administered_by_organization_id == reader, reader)).label(
            "administered_by_organization_id"
        ),
        creator(reader, table.id, table.created_by_user, table.created_by_organization_id).label(
            "created_by_user"
        ),
        case((table.status == OrganizationStatus.ACTIVE, None), else_=table.status).label("status"),
        table.status_reason,
        in_seconds(table.grace_ends_at).label("grace_ends_at"),
        in_seconds(table.purge_at).label("purge_at"),
        case((table.is_delete_protected, true())).label("delete_protection"),
        table.leaked_key_policy,
    ]


def _contact_person(reader: ColumnElement[Any]) -> ColumnElement[Any]:
    """Show a person from above to those who reach that person, and to nobody between."""
    table = organizations.c
    person = table.contact_person_id
    return case(
        (~table.contact_person_is_above, person),
        (func.is_person_reached(reader, person, type_=Boolean), person),
    )


def _billing_address(reader: ColumnElement[Any]) -> ColumnElement[Any]:
    table = organizations.c
    owner = table.billing_address_organization_id
    is_seen = or_(owner == reader, owner == table.id, func.reaches(reader, owner, type_=Boolean))
    return case((table.billing_address_id.is_(None), None), (is_seen, table.billing_address_id))


def _billing_options(reader: ColumnElement[Any]) -> ColumnElement[Any]:
    """Withheld organizations learn that they are, never who pays, nor that somebody does.

    Who has named a payer out of its reach, with that payer's consent, goes on seeing it.
    """
    table = organizations.c
    payer = table.bill_to_organization
    named_by = table.payer_named_by_organization_id
    is_seen = or_(
        payer == reader,
        named_by == reader,
        func.reaches(reader, payer, type_=Boolean),
        func.reaches(reader, named_by, type_=Boolean),
    )
    is_set = or_(
        table.gln.is_not(None),
        table.withhold_billing.is_not(None),
        and_(payer.is_not(None), is_seen),
    )
    shown = func.jsonb_strip_nulls(
        func.jsonb_build_object(
            "gln",
            table.gln,
            "withhold_billing",
            table.withhold_billing,
            "bill_to_organization",
            case((payer.is_(None), None), (is_seen, payer)),
        ),
        type_=JSONB,
    )
    return case((is_set, shown))
