"""Organizations on the wire."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from tillkeeper.core.countries import CountryCode
from tillkeeper.core.env import Env
from tillkeeper.core.status import LeakedKeyPolicy, OrganizationStatus, OrganizationType
from tillkeeper.core.wire import Gln, Line, Metadata, Name, Reply, Request


class BillingOptions(Request, kw_only=True):
    """Where the bill goes; withholding it here needs somebody who gets it instead."""

    gln: Gln | None = None
    withhold_billing: bool | None = None
    bill_to_organization: UUID | None = None

    def __post_init__(self) -> None:
        if self.withhold_billing and self.bill_to_organization is None:
            raise ValueError("withhold_billing needs bill_to_organization")


class ManagedConfiguration(Request, kw_only=True):
    """The older spelling of `billing_options`, kept for clients that still send it."""

    withhold_billing: bool


class OrganizationFields(Request, kw_only=True):
    """What may be set at creation beside the required lines."""

    display_name: Line | None = None
    address_line2: Line | None = None
    state: Line | None = None
    tax_number: Line | None = None
    vat_id: Line | None = None
    economy_id: Line | None = None
    external_id: Line | None = None
    contact_person_id: UUID | None = None
    billing_options: BillingOptions | None = None
    billing_address_id: UUID | None = None
    managed_configuration: ManagedConfiguration | None = None
    metadata: Metadata | None = None


class OrganizationCreate(OrganizationFields, kw_only=True):
    name: Name
    address_line1: Line
    zip: Line
    town: Line
    country_code: CountryCode
    managed_by_organization_id: UUID | None = None


class OrganizationPatch(Request, kw_only=True):
    name: Name | UnsetType = UNSET
    display_name: Line | UnsetType | None = UNSET
    address_line1: Line | UnsetType = UNSET
    address_line2: Line | UnsetType | None = UNSET
    zip: Line | UnsetType = UNSET
    town: Line | UnsetType = UNSET
    state: Line | UnsetType | None = UNSET
    country_code: CountryCode | UnsetType = UNSET
    tax_number: Line | UnsetType | None = UNSET
    vat_id: Line | UnsetType | None = UNSET
    economy_id: Line | UnsetType | None = UNSET
    external_id: Line | UnsetType | None = UNSET
    contact_person_id: UUID | UnsetType | None = UNSET
    billing_options: BillingOptions | UnsetType | None = UNSET
    billing_address_id: UUID | UnsetType | None = UNSET
    managed_configuration: ManagedConfiguration | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    managed_by_organization_id: UUID | UnsetType | None = UNSET
    delete_protection: bool | UnsetType = UNSET
    leaked_key_policy: LeakedKeyPolicy | UnsetType | None = UNSET
    """What happens to keys whose secret is found; null: as it is decided above."""


class OrganizationStatusChange(Request, kw_only=True):
    """What an organization is from now on; what is below it follows, as far as it is stricter."""

    status: OrganizationStatus
    reason: Line | None = None
    """Shown to the organization itself, and to nobody below it."""
    grace_seconds: Annotated[int, Meta(ge=0, le=7_776_000)] = 604_800
    """Of a suspension: how long its people and keys still read, and its tills still sign."""
    purge_in_days: Annotated[int, Meta(ge=1, le=90)] = 30
    """Of a deletion to come: when it is carried out."""

    def __post_init__(self) -> None:
        if self.status is OrganizationStatus.SUSPENDED and self.reason is None:
            raise ValueError("reason is required to suspend an organization")


class EnableEnv(Request, kw_only=True):
    env: Env


class Organization(Reply, kw_only=True):
    id: UUID
    type: OrganizationType
    envs: list[Env]
    name: str
    display_name: str | None = None
    address_line1: str
    address_line2: str | None = None
    zip: str
    town: str
    state: str | None = None
    country_code: str
    tax_number: str | None = None
    vat_id: str | None = None
    economy_id: str | None = None
    external_id: str | None = None
    contact_person_id: UUID | None = None
    billing_options: BillingOptions | None = None
    billing_address_id: UUID | None = None
    managed_configuration: ManagedConfiguration | None = None
    metadata: dict[str, str] | None = None
    managed_by_organization_id: UUID | None = None
    administered_by_organization_id: UUID | None = None
    created_by_user: UUID
    status: OrganizationStatus | None = None
    """Its own, where it is not active."""
    status_reason: str | None = None
    grace_ends_at: int | None = None
    purge_at: int | None = None
    delete_protection: bool | None = None
    leaked_key_policy: LeakedKeyPolicy | None = None
    payer_agreement_id: UUID | None = None
    """Of a change that named a payer out of the caller's reach: the agreement that asks it."""


class OrganizationAsked(Organization, kw_only=True):
    """An organization whose payer was asked by the change that this answers."""

    apart: ClassVar[frozenset[str]] = frozenset({"payer_agreement_id"})


class OrganizationList(Reply, kw_only=True):
    data: list[Organization]
    count: int | None = None
    type: Literal["ORGANIZATION_LIST"]
    has_more: bool | None = None
    next_cursor: str | None = None


class TreeNode(Reply, kw_only=True):
    id: UUID
    type: OrganizationType
    envs: list[Env]
    name: str
    external_id: str | None = None
    children: list["TreeNode"]


class Tree(Reply, kw_only=True):
    """The organization with everything below it; `is_cut` where that is more than is shown."""

    data: TreeNode
    count: int
    is_cut: bool
    type: Literal["ORGANIZATION_TREE"]


class OrderBy(StrEnum):
    NAME = "name"
    ID = "id"
    ADDRESS_LINE1 = "address_line1"
    ZIP = "zip"
    TOWN = "town"
    DISPLAY_NAME = "display_name"
    VAT_ID = "vat_id"
    ADDRESS_LINE2 = "address_line2"
    STATE = "state"
    TAX_NUMBER = "tax_number"
    ECONOMY_ID = "economy_id"
