"""What can be done to billing addresses."""

from uuid import UUID

from msgspec import UNSET, structs

from tillkeeper.access.operation import Operation
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.errors import (
    BillingAddressInUse,
    BillingAddressNotFound,
    OrganizationNotFound,
    Unauthorized,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.wire import Done
from tillkeeper.domains.billing import queries
from tillkeeper.domains.billing.events import (
    BillingAddressCreated,
    BillingAddressDeleted,
    BillingAddressUpdated,
)
from tillkeeper.domains.billing.wire import (
    BillingAddress,
    BillingAddressCreate,
    BillingAddressPatch,
)


async def require_owner(op: Operation, right: Right, address_id: UUID) -> Grant:
    """Return a Grant on the organization that an address belongs to.

    The path names no organization: the walls say whose address can be seen at all, and policy
    whether this may be done there.
    """
    seen = await require(op, Right.BILLING_ADDRESS_READ, op.actor.organization_id)
    owner = await queries.find_owner(seen, address_id)
    if owner is None:
        raise BillingAddressNotFound(address_id)
    try:
        return await require(op, right, owner.organization_id)
    except OrganizationNotFound as refusal:
        raise BillingAddressNotFound(address_id) from refusal


async def create_billing_address(grant: Grant, wanted: BillingAddressCreate) -> BillingAddress:
    """Create an address of the granted organization."""
    event = BillingAddressCreated(billing_address_id=uuid4())
    created = await queries.insert_billing_address(grant, event, structs.asdict(wanted))
    if created is None:
        raise Unauthorized
    return created


async def get_billing_address(grant: Grant, address_id: UUID) -> BillingAddress:
    """Return an address of the granted organization."""
    found = await queries.find_billing_address(grant, address_id)
    if found is None:
        raise BillingAddressNotFound(address_id)
    return found


async def update_billing_address(
    grant: Grant, address_id: UUID, patch: BillingAddressPatch
) -> BillingAddress:
    """Change what is given; null clears."""
    row = {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
    if not row:
        return await get_billing_address(grant, address_id)
    event = BillingAddressUpdated(billing_address_id=address_id, fields=sorted(row))
    updated = await queries.update_billing_address(grant, event, row)
    return updated or await get_billing_address(grant, address_id)


async def delete_billing_address(grant: Grant, address_id: UUID) -> Done:
    """Delete an address that nobody points to."""
    if await queries.count_pointers(grant, address_id):
        raise BillingAddressInUse
    event = BillingAddressDeleted(billing_address_id=address_id)
    if not await queries.delete_billing_address(grant, event):
        raise BillingAddressNotFound(address_id)
    return Done(success=True)
