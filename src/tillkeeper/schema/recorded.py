"""Which columns of a row the audit may repeat, table by table.

A list of what may, not of what may not: a column that nobody thought of stays out. Digests and
everything else that proves who somebody is are on no list.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Column, Table

_ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "organizations": (
        "envs",
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
        "metadata",
        "contact_person_id",
        "gln",
        "withhold_billing",
        "bill_to_organization",
        "managed_configuration",
        "billing_address_id",
        "managed_by_organization_id",
        "administered_by_organization_id",
        "status",
        "status_reason",
        "grace_ends_at",
        "purge_at",
        "is_delete_protected",
        "leaked_key_policy",
    ),
    "api_keys": (
        "key",
        "name",
        "status",
        "metadata",
        "managed_by_organization_id",
        "expires_at",
        "not_before",
        "permissions",
        "reach",
        "reach_organization_ids",
        "allowed_ips",
        "areas",
        "vat_number",
        "generation",
        "previous_ends_at",
    ),
    "memberships": ("role", "email", "first_name", "last_name"),
    "billing_addresses": (
        "recipient",
        "display_name",
        "address_line1",
        "address_line2",
        "zip",
        "town",
        "country_code",
        "vat_id",
    ),
}


def recorded(table: Table) -> list["Column[object]"]:
    """Return the columns of a table that the audit repeats; raise for one that nobody reviewed."""
    return [table.c[name] for name in _ALLOWED[table.name]]
