"""Clients of TSS on the wire."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillkeeper.core.sign_wire import Loose, LooseMetadata, OfAnother, SignReply
from tillkeeper.core.status import ClientState
from tillkeeper.core.wire import Request


class ClientCreate(Request, forbid_unknown_fields=False, kw_only=True):
    serial_number: Loose
    metadata: LooseMetadata | None = None
    replaces: UUID | None = None


class ClientPatch(Request, forbid_unknown_fields=False, kw_only=True):
    state: ClientState
    metadata: LooseMetadata | None = None


class Client(OfAnother, kw_only=True):
    id: UUID
    type: Literal["CLIENT"]
    tss_id: UUID
    state: ClientState
    serial_number: str
    metadata: dict[str, str]
    time_creation: int
    time_update: int | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None


class ClientList(SignReply, kw_only=True):
    data: list[Client]
    count: int
    type: Literal["CLIENT_LIST"]


class OrderBy(StrEnum):
    SERIAL_NUMBER = "serial_number"
    TIME_CREATION = "time_creation"
