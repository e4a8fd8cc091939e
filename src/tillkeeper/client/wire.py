"""Answers of the Management API as a client reads them: what a newer server adds is skipped.

Kinds, states and roles are plain text here, so that one more of them breaks no client.
"""

from typing import Generic, TypeVar
from uuid import UUID

from msgspec import Struct

from tillkeeper.core.env import Env
from tillkeeper.core.wire import Reply

T = TypeVar("T")


class Done(Reply, kw_only=True):
    """The answer to a deletion, and to a switch."""

    success: bool


class Page(Reply, Generic[T], kw_only=True):
    """One page of any list; by cursor `count` stays away, by offset the other two do."""

    data: list[T]
    count: int | None = None
    has_more: bool | None = None
    next_cursor: str | None = None


class Claims(Reply, kw_only=True):
    """What a token says of its holder."""

    env: Env
    organization_id: UUID
    user_id: UUID | None = None


class Session(Reply, kw_only=True):
    """A token, how long it is good for, and whose it is."""

    access_token: str
    access_token_claims: Claims
    access_token_expires_in: int


class MyActor(Reply, kw_only=True):
    """Who calls: a key, a user or an operator."""

    id: UUID
    kind: str
    role: str | None = None


class MyOrganization(Reply, kw_only=True):
    """The organization that the token belongs to."""

    id: UUID
    type: str
    envs: list[Env]
    name: str


class MyReach(Reply, kw_only=True):
    """How many organizations the rights flow down to, the own one among them."""

    organizations: int
    is_counted_to_the_end: bool


class Me(Reply, kw_only=True):
    """Who I am, where, and what I may do."""

    actor: MyActor
    organization: MyOrganization
    env: Env
    rights: list[str]
    reach: MyReach


class BillingOptions(Struct, kw_only=True):
    """Where the bill of an organization goes."""

    gln: str | None = None
    withhold_billing: bool | None = None
    bill_to_organization: UUID | None = None


class ManagedConfiguration(Struct, kw_only=True):
    """The older spelling of `billing_options`."""

    withhold_billing: bool


class Organization(Reply, kw_only=True):
    """An organization with all that is known of it."""

    id: UUID
    type: str
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


class TreeNode(Reply, kw_only=True):
    """An organization in the tree."""

    id: UUID
    type: str
    envs: list[Env]
    name: str
    external_id: str | None = None
    children: list["TreeNode"]


class Tree(Reply, kw_only=True):
    """An organization with everything below it; `is_cut` where that is more than is shown."""

    data: TreeNode
    count: int
    is_cut: bool


class ApiKey(Reply, kw_only=True):
    """A key without its secret; `managed_by_organization_id` is "" where nobody above does."""

    id: UUID
    type: str
    envs: list[Env]
    key: str
    created_at: int
    created_by_user: UUID
    name: str
    status: str
    metadata: dict[str, str]
    managed_by_organization_id: str
    expires_at: int | None = None
    not_before: int | None = None
    permissions: list[str] | None = None
    reach: str | list[str] | None = None
    allowed_ips: list[str] | None = None
    areas: list[str] | None = None
    vat_number: str | None = None
    previous_secret_ends_at: int | None = None
    last_used_at: int | None = None
    last_used_ip: str | None = None
    request_count: int | None = None
    previous_secret_last_used_at: int | None = None
    previous_secret_last_used_ip: str | None = None


class NewApiKey(ApiKey, kw_only=True):
    """The one answer that holds the secret."""

    secret: str


class User(Reply, kw_only=True):
    """A person in an organization."""

    id: UUID
    type: str
    envs: list[Env]
    email: str
    first_name: str | None = None
    last_name: str | None = None
    role: str


class BillingAddress(Reply, kw_only=True):
    """Who is written on an invoice, and where."""

    id: UUID
    type: str
    envs: list[Env]
    recipient: str
    display_name: str | None = None
    address_line1: str
    address_line2: str | None = None
    zip: str
    town: str
    country_code: str
    vat_id: str | None = None


class ProvisionedOrganization(Reply, kw_only=True):
    """An organization with its first key and its first admin, where they were asked for."""

    organization: Organization
    api_key: NewApiKey | None = None
    admin: User | None = None


class ItemProblem(Reply, kw_only=True):
    """Why one item of a batch was not made."""

    code: str | None = None
    message: str


class BatchedItem(Reply, kw_only=True):
    """What became of the item at this index."""

    index: int
    status_code: int
    organization: Organization | None = None
    api_key: NewApiKey | None = None
    error: ItemProblem | None = None


class BatchedOrganizations(Reply, kw_only=True):
    """What became of each item of a batch, in the order of the items."""

    data: list[BatchedItem]
    count: int
    created: int
    refused: int


class Detail(Reply, kw_only=True):
    """One field that is wrong: where, which rule, and what to do."""

    field: str = ""
    rule: str = ""
    fix: str | None = None


class Problem(Reply, kw_only=True):
    """The single error shape, as much of it as there is."""

    code: str | None = None
    message: str = ""
    request_id: str | None = None
    details: list[Detail] | None = None
