"""Refusals about who has access."""

from uuid import UUID

from tillkeeper.core.errors.base import NotFound


class PrincipalNotFound(NotFound):
    code = "E_PRINCIPAL_NOT_FOUND"

    def __init__(self, principal: UUID) -> None:
        super().__init__(f"There is no key and no person {principal}")
