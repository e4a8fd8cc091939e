"""Refusals about billing."""

from uuid import UUID

from tillkeeper.core.errors.base import Conflict, NotFound


class BillingAddressNotFound(NotFound):
    code = "E_BILLING_ADDRESS_NOT_FOUND"

    def __init__(self, address_id: UUID) -> None:
        super().__init__(f"There is no billing address {address_id}")


class BillingAddressInUse(Conflict):
    code = "E_BILLING_ADDRESS_IN_USE"

    def __init__(self) -> None:
        super().__init__("Organizations point to this billing address: change those first")


class PayerNotLive(Conflict):
    code = "E_PAYER_NOT_LIVE"

    def __init__(self) -> None:
        super().__init__("A LIVE organization is billed to a LIVE one: see `bill_to_organization`")


class PayerCircle(Conflict):
    code = "E_PAYER_CIRCLE"

    def __init__(self) -> None:
        super().__init__("That organization is billed to this one, directly or by others")
