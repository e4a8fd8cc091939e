"""Transactions on the wire."""

from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from tillkeeper.core.sign_wire import LooseMetadata, OfAnother, SignReply
from tillkeeper.core.status import TransactionState
from tillkeeper.core.wire import Reply, Request
from tillkeeper.domains.transactions.schema_wire import Schema


class TransactionUpsert(Request, forbid_unknown_fields=False, kw_only=True):
    state: TransactionState
    client_id: UUID
    schema: Schema | UnsetType = UNSET
    metadata: LooseMetadata | None = None


class TransactionLogEntry(Reply, kw_only=True):
    operation: str
    timestamp: int
    timestamp_format: str


class TransactionSignature(Reply, kw_only=True):
    value: str
    algorithm: str
    counter: int
    public_key: str


class Transaction(OfAnother, kw_only=True):
    """`metadata` is left out of a start that has none, `qr_code_data` where none can be read."""

    id: UUID
    type: Literal["TRANSACTION"]
    tss_id: UUID
    number: int
    revision: int
    latest_revision: int
    state: TransactionState
    client_id: UUID
    client_serial_number: str
    tss_serial_number: str
    schema: dict[str, Any]
    time_start: int
    time_end: int | None = None
    log: TransactionLogEntry
    signature: TransactionSignature
    qr_code_data: str | None = None
    metadata: dict[str, str] | None = None


class TransactionList(SignReply, kw_only=True):
    data: list[Transaction]
    count: int
    type: Literal["TRANSACTION_LIST"]


class OrderBy(StrEnum):
    NUMBER = "number"
    STATE = "state"
    TIME_START = "time_start"
    TIME_END = "time_end"
