"""Billing addresses on the wire."""

from typing import Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from tillkeeper.core.countries import CountryCode
from tillkeeper.core.env import Env
from tillkeeper.core.wire import Line, Reply, Request


class BillingAddressCreate(Request, kw_only=True):
    recipient: Line
    display_name: Line | None = None
    address_line1: Line
    address_line2: Line | None = None
    zip: Line
    town: Line
    country_code: CountryCode
    vat_id: Line | None = None


class BillingAddressPatch(Request, kw_only=True):
    recipient: Line | UnsetType = UNSET
    display_name: Line | UnsetType | None = UNSET
    address_line1: Line | UnsetType = UNSET
    address_line2: Line | UnsetType | None = UNSET
    zip: Line | UnsetType = UNSET
    town: Line | UnsetType = UNSET
    country_code: CountryCode | UnsetType = UNSET
    vat_id: Line | UnsetType | None = UNSET


class BillingAddress(Reply, kw_only=True):
    """`vat_id_valid` is left out: nobody has asked the tax office about it yet."""

    id: UUID
    type: Literal["BILLING_ADDRESS"]
    envs: list[Env]
    recipient: str
    display_name: str | None = None
    address_line1: str
    address_line2: str | None = None
    zip: str
    town: str
    country_code: str
    vat_id: str | None = None


class PayerPeriod(Reply, kw_only=True):
    """Without an end it lasts.

    Between two periods the organization paid itself, or who paid is not the reader's business.
    """

    starts_at: int
    ends_at: int | None = None
    bill_to_organization: UUID
    withhold_billing: bool | None = None


class PayerPeriodList(Reply, kw_only=True):
    data: list[PayerPeriod]
    type: Literal["PAYER_PERIOD_LIST"]


class BillingAddressList(Reply, kw_only=True):
    data: list[BillingAddress]
    count: int
    type: Literal["BILLING_ADDRESS_LIST"]
