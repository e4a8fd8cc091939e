"""Refusals about people."""

from uuid import UUID

from tillkeeper.core.errors.base import Conflict, NotFound


class UserNotFound(NotFound):
    code = "E_USER_NOT_FOUND"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"There is no user {user_id}")


class UserConflict(Conflict):
    code = "E_USER_CONFLICT"

    def __init__(self) -> None:
        super().__init__("This person already belongs to the organization")


class LastOwner(Conflict):
    code = "E_LAST_OWNER"

    def __init__(self) -> None:
        super().__init__("The last owner cannot leave: make somebody else the owner first")
