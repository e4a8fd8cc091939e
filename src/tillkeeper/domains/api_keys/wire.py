"""API keys on the wire."""

from enum import StrEnum
from ipaddress import IPv6Network, ip_network
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyStatus
from tillkeeper.core.wire import ApiKeyName, Metadata, Reply, Request, Seconds

Permissions = Annotated[list[Right], Meta(min_length=1, max_length=100)]
Reach = (
    Literal["self", "managed", "all"] | Annotated[list[UUID], Meta(min_length=1, max_length=100)]
)
"""How far a key goes of what its organization reaches; a list stands beside its own."""
_MAPPED = IPv6Network("::ffff:0:0/96")
AllowedIps = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=43)]], Meta(min_length=1, max_length=100)
]
Areas = Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=20)]
VatNumber = Annotated[str, Meta(pattern=r"^[A-Z0-9]{4,20}$(?!\n)")]


class ApiKeyCreate(Request, kw_only=True):
    """What is not limited here is as the contract has it: all that the organization may."""

    name: ApiKeyName
    status: KeyStatus
    managed_by_organization_id: UUID | None = None
    metadata: Metadata = field(default_factory=dict)
    expires_at: Seconds | None = None
    not_before: Seconds | None = None
    permissions: Permissions | None = None
    reach: Reach | None = None
    allowed_ips: AllowedIps | None = None
    areas: Areas | None = None
    vat_number: VatNumber | None = None

    def __post_init__(self) -> None:
        _check_networks(self.allowed_ips)
        if self.expires_at is not None and self.expires_at <= (self.not_before or 0):
            raise ValueError("expires_at should be later than not_before")


class ApiKeyPatch(Request, kw_only=True):
    """Null takes a limit away, as far as whoever changes the key may go."""

    status: KeyStatus | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    expires_at: Seconds | UnsetType | None = UNSET
    not_before: Seconds | UnsetType | None = UNSET
    permissions: Permissions | UnsetType | None = UNSET
    reach: Reach | UnsetType | None = UNSET
    allowed_ips: AllowedIps | UnsetType | None = UNSET
    areas: Areas | UnsetType | None = UNSET
    vat_number: VatNumber | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        if self.allowed_ips is not UNSET:
            _check_networks(self.allowed_ips)


def _check_networks(allowed_ips: list[str] | None) -> None:
    """Refuse what is no network, or would match nothing: addresses are compared in one spelling."""
    for text in allowed_ips or ():
        try:
            network = ip_network(text)
        except ValueError as error:
            raise ValueError(
                f"allowed_ips: {error}: write 203.0.113.0/24 or 2001:db8::1"
            ) from error
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            raise ValueError(f"allowed_ips: {text} is an IPv4 network: write it as one")


class ApiKeyRotation(Request, kw_only=True):
    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400
    """How long the secret of today still works: 0 to 30 days."""


class ApiKeyType(StrEnum):
    API_KEY = "API_KEY"
    MANAGED_API_KEY = "MANAGED_API_KEY"


_USES = (
    "last_used_at",
    "last_used_ip",
    "request_count",
    "previous_secret_last_used_at",
    "previous_secret_last_used_ip",
)
"""What changes by using the key, and so is no part of what a client has seen and changes."""


class ApiKey(Reply, kw_only=True):
    """Recorded: `metadata` is {} and `managed_by_organization_id` is "" where they are unset."""

    apart: ClassVar[frozenset[str]] = frozenset(_USES)

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
    expires_at: int | None = None
    not_before: int | None = None
    permissions: list[str] | None = None
    reach: str | list[str] | None = None
    allowed_ips: list[str] | None = None
    areas: list[str] | None = None
    vat_number: str | None = None
    previous_secret_ends_at: int | None = None
    """Until when the secret before this one still works."""
    last_used_at: int | None = None
    last_used_ip: str | None = None
    request_count: int | None = None
    previous_secret_last_used_at: int | None = None
    """When somebody last used a secret that a rotation has replaced, and from where."""
    previous_secret_last_used_ip: str | None = None


class NewApiKey(Reply, kw_only=True):
    """The one answer that shows the secret."""

    apart: ClassVar[frozenset[str]] = frozenset({"secret", *_USES})

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
    expires_at: int | None = None
    not_before: int | None = None
    permissions: list[str] | None = None
    reach: str | list[str] | None = None
    allowed_ips: list[str] | None = None
    areas: list[str] | None = None
    vat_number: str | None = None
    previous_secret_ends_at: int | None = None
    """Until when the secret before this one still works."""
    last_used_at: int | None = None
    last_used_ip: str | None = None
    request_count: int | None = None
    previous_secret_last_used_at: int | None = None
    """When somebody last used a secret that a rotation has replaced, and from where."""
    previous_secret_last_used_ip: str | None = None


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
