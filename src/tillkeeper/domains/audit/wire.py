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


class AuditSeal(Reply, kw_only=True):
    """A seal as it was signed: `body` is JSON text, to be hashed and checked byte for byte."""

    number: int
    body: str
    hash: str
    signature: str


class AuditPublicKey(Reply, kw_only=True):
    """A public key that signs seals, or did: Ed25519, in hex."""

    key_id: str
    public_key: str


class AuditSealList(Reply, kw_only=True):
    data: list[AuditSeal]
    type: Literal["AUDIT_SEAL_LIST"]
    public_keys: list[AuditPublicKey]
    has_more: bool


class AuditProof(Reply, kw_only=True):
    """That an entry is under a seal. A document that the reader may not see is left out."""

    type: Literal["AUDIT_PROOF"]
    leaf: str
    origin: str | None = None
    content: str | None = None
    index: int
    path: list[str]
    seal: AuditSeal
    public_keys: list[AuditPublicKey]
