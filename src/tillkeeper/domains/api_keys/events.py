"""What happens to API keys."""

from uuid import UUID

from tillkeeper.access.trail import Event


class ApiKeyCreated(Event, frozen=True, tag="api_key.created"):
    api_key_id: UUID
    name: str


class ApiKeyUpdated(Event, frozen=True, tag="api_key.updated"):
    api_key_id: UUID
    fields: list[str]


class ApiKeyDeleted(Event, frozen=True, tag="api_key.deleted"):
    api_key_id: UUID


class ApiKeyRotated(Event, frozen=True, tag="api_key.rotated"):
    api_key_id: UUID
    overlap_seconds: int


class ApiKeySecretExpired(Event, frozen=True, tag="api_key.secret_expired"):
    api_key_id: UUID


class ApiKeyExpiring(Event, frozen=True, tag="api_key.expiring"):
    """A key ends in so many days or less: 30, 7 or 1, each once for a date."""

    api_key_id: UUID
    name: str
    days: int
    expires_at: int


class ApiKeyExpired(Event, frozen=True, tag="api_key.expired"):
    api_key_id: UUID
    name: str
    expires_at: int
