"""Making many at once, and everything for one at once, on the wire."""

from typing import Annotated, Literal

from msgspec import Meta

from tillkeeper.core.wire import Reply, Request
from tillkeeper.domains.api_keys.wire import ApiKeyCreate, NewApiKey
from tillkeeper.domains.organizations.wire import Organization, OrganizationCreate
from tillkeeper.domains.people.wire import User, UserInvite

MOST_ITEMS = 1000


class OrganizationProvision(Request, kw_only=True):
    """An organization, with its first key and its first admin where they are given."""

    organization: OrganizationCreate
    api_key: ApiKeyCreate | None = None
    admin: UserInvite | None = None


class ProvisionedOrganization(Reply, kw_only=True):
    organization: Organization
    api_key: NewApiKey | None = None
    admin: User | None = None
    type: Literal["PROVISIONED_ORGANIZATION"]


class BatchItem(Request, kw_only=True):
    """A managed organization, with its first key where one is given."""

    organization: OrganizationCreate
    api_key: ApiKeyCreate | None = None


class OrganizationBatch(Request, kw_only=True):
    items: Annotated[list[BatchItem], Meta(min_length=1, max_length=MOST_ITEMS)]


class ItemProblem(Reply, kw_only=True):
    """Why one item was not made; the others were."""

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
    data: list[BatchedItem]
    count: int
    created: int
    refused: int
    type: Literal["ORGANIZATION_BATCH"]
