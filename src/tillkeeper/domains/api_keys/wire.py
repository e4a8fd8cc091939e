"""API keys on the wire."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType, field

from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyStatus
from tillkeeper.core.wire import ApiKeyName, Metadata, Reply, Request


class ApiKeyCreate(Request, kw_only=True):
    name: ApiKeyName
    status: KeyStatus
    managed_by_organization_id: UUID | None = None
    metadata: Metadata = field(default_factory=dict)


class ApiKeyPatch(Request, kw_only=True):
    status: KeyStatus | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET


class ApiKeyType(StrEnum):
    API_KEY = "API_KEY"
    MANAGED_API_KEY = "MANAGED_API_KEY"


class ApiKey(Reply, kw_only=True):
    """Recorded: `metadata` is {} and `managed_by_organization_id` is "" where they are unset."""

    id: UUID
    type: ApiKeyType
    envs: list[Env]
    key: str
    created_at: int
    created_by_user: UUID
    name: str
    status: KeyStatus
    metadata: dict[str, str]
    managed_by_organization_id: str


class NewApiKey(Reply, kw_only=True):
    """The one answer that shows the secret."""

    apart: ClassVar[frozenset[str]] = frozenset({"secret"})

    id: UUID
    type: ApiKeyType
    envs: list[Env]
    key: str
    secret: str
    created_at: int
    created_by_user: UUID
    name: str
    status: KeyStatus
    metadata: dict[str, str]
    managed_by_organization_id: str


class ApiKeyList(Reply, kw_only=True):
    data: list[ApiKey]
    count: int
    type: Literal["API_KEY_LIST"]


class OrderBy(StrEnum):
    NAME = "name"
    KIND = "kind"
    STATUS = "status"
    CREATED_AT = "created_at"


class Kind(StrEnum):
    TEST = "test"
    LIVE = "live"
