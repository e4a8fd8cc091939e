"""The audit log on the wire."""

from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from tillkeeper.core.env import Env
from tillkeeper.core.wire import Reply

ABOVE = "managing organization"
"""The one name of everybody who acts from above the reader."""


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class AuditFormat(StrEnum):
    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"


class AuditActor(Reply, kw_only=True):
    """Who did it, and for which organization; from above the reader nothing but a neutral name."""

    kind: str | None = None
    id: UUID | None = None
    acting_for: UUID | None = None
    name: str | None = None


class AuditTarget(Reply, kw_only=True):
    """What it was done to."""

    kind: str
    id: UUID


class AuditEntry(Reply, kw_only=True):
    """One event: `before` and `after` hold the fields that changed, secrets never."""

    id: UUID
    type: Literal["AUDIT_ENTRY"]
    at: int
    organization_id: UUID
    env: Env
    event: str
    outcome: Outcome
    actor: AuditActor
    address: str | None = None
    agent: str | None = None
    request_id: str | None = None
    target: AuditTarget | None = None
    details: dict[str, Any]
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class AuditLog(Reply, kw_only=True):
    data: list[AuditEntry]
    type: Literal["AUDIT_LOG"]
    has_more: bool
    next_cursor: str | None = None
