"""What happens to billing addresses."""

from uuid import UUID

from tillkeeper.access.trail import Event


class BillingAddressCreated(Event, frozen=True, tag="billing_address.created"):
    billing_address_id: UUID


class BillingAddressUpdated(Event, frozen=True, tag="billing_address.updated"):
    billing_address_id: UUID
    fields: list[str]


class BillingAddressDeleted(Event, frozen=True, tag="billing_address.deleted"):
    billing_address_id: UUID
