"""Refusals about the audit log."""

from uuid import UUID

from tillkeeper.core.errors.base import Conflict, NotFound


class AuditRowNotFound(NotFound):
    code = "E_AUDIT_ROW_NOT_FOUND"

    def __init__(self, row_id: UUID) -> None:
        super().__init__(f"There is no audit entry {row_id}")


class AuditRowNotSealed(Conflict):
    code = "E_AUDIT_ROW_NOT_SEALED"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("This entry is not sealed yet: ask again in a second")


class AuditRowChanged(Conflict):
    code = "E_AUDIT_ROW_CHANGED"

    def __init__(self) -> None:
        super().__init__("This entry is not what was sealed: tell whoever runs the installation")
