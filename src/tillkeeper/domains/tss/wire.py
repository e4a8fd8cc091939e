"""TSS on the wire."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from tillkeeper.core.sign_wire import Loose, LooseMetadata, OfAnother, SignReply, text_of
from tillkeeper.core.status import TssState
from tillkeeper.core.wire import Reply, Request

MOST_CLIENTS, MOST_ACTIVE_TRANSACTIONS = 199, 2000
_SECRET_LONGEST = 100
Description = Annotated[str, Meta(pattern=r"^[A-Za-z0-9 '()+,-./:=?]{0,100}$(?!\n)")]


class TssCreate(Request, forbid_unknown_fields=False, kw_only=True):
    metadata: LooseMetadata | None = None
    replaces: UUID | None = None


class TssPatch(Request, kw_only=True):
    state: Literal["UNINITIALIZED", "INITIALIZED", "DISABLED"]
    description: Description | None = None
    metadata: LooseMetadata | None = None


def _check_secret(name: str, secret: Loose, least: int) -> str:
    text = text_of(secret)
    if not least <= len(text) <= _SECRET_LONGEST:
        raise ValueError(f"{name} should have {least} to {_SECRET_LONGEST} characters")
    return text


class AdminPinChange(Request, forbid_unknown_fields=False, kw_only=True):
    admin_puk: Loose
    new_admin_pin: Loose

    def __post_init__(self) -> None:
        self.admin_puk = _check_secret("admin_puk", self.admin_puk, 10)
        self.new_admin_pin = _check_secret("new_admin_pin", self.new_admin_pin, 6)


class AdminLogin(Request, forbid_unknown_fields=False, kw_only=True):
    admin_pin: Loose

    def __post_init__(self) -> None:
        self.admin_pin = _check_secret("admin_pin", self.admin_pin, 6)


class Nothing(Request, forbid_unknown_fields=False):
    """A body that nobody reads."""


class Empty(Reply):
    """What is answered where there is nothing to say."""


class Tss(OfAnother, kw_only=True):
    """`admin_puk` is not among it: see NewTss."""

    id: UUID
    type: Literal["TSS"]
    state: TssState
    certificate: str
    serial_number: str
    public_key: str
    signature_algorithm: str
    signature_timestamp_format: str
    transaction_data_encoding: str
    max_number_registered_clients: int
    max_number_active_transactions: int
    supported_update_variants: str
    metadata: dict[str, str]
    description: str | None = None
    bsi_certification_id: str | None = None
    signature_counter: str
    transaction_counter: str
    number_registered_clients: int
    number_active_transactions: int
    time_creation: int
    time_uninit: int | None = None
    time_init: int | None = None
    time_defective: int | None = None
    time_disable: int | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None


class NewTss(Tss, kw_only=True):
    """What its creation answers, for as long as it is CREATED."""

    admin_puk: str


class TssList(SignReply, kw_only=True):
    data: list[Tss]
    count: int
    type: Literal["TSS_LIST"]


class OrderBy(StrEnum):
    DESCRIPTION = "description"
    STATE = "state"
    TIME_CREATION = "time_creation"
    TIME_INIT = "time_init"
    TIME_DISABLE = "time_disable"
