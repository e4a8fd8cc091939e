"""Refusals about API keys."""

from uuid import UUID

from tillkeeper.core.errors.base import Conflict, NotFound


class ApiKeyNotFound(NotFound):
    code = "E_API_KEY_NOT_FOUND"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"There is no API key {key_id}")


class ApiKeyConflict(Conflict):
    code = "E_API_KEY_CONFLICT"

    def __init__(self, name: str) -> None:
        super().__init__(f"An API key named {name!r} exists: choose another `name`")


class ApiKeyNotRotatable(Conflict):
    code = "E_API_KEY_NOT_ROTATABLE"

    def __init__(self) -> None:
        super().__init__(
            "The key is disabled, has expired, or its last secret is still retiring: "
            "enable it, or end the retiring secret with rotate/expire-now"
        )
