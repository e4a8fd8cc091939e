"""Exports on the wire."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillkeeper.core.sign_wire import OfAnother, SignReply
from tillkeeper.core.status import ExportState


class Export(OfAnother, kw_only=True):
    id: UUID
    type: Literal["EXPORT"]
    tss_id: UUID
    state: ExportState
    exception: str | None = None
    metadata: dict[str, str]
    time_request: int
    time_start: int | None = None
    time_end: int | None = None
    time_expiration: int | None = None
    time_error: int | None = None
    estimated_time_of_completion: int | None = None


class ExportList(SignReply, kw_only=True):
    data: list[Export]
    count: int
    type: Literal["EXPORT_LIST"]


class OrderBy(StrEnum):
    STATE = "state"
    TIME_REQUEST = "time_request"
    TIME_START = "time_start"
    TIME_END = "time_end"
    TIME_EXPIRATION = "time_expiration"
    TIME_ERROR = "time_error"
