"""What is seen of many TSS at once."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillkeeper.core.env import Env
from tillkeeper.core.status import ExportState, TransactionState, TssState
from tillkeeper.core.wire import Reply


class FleetTss(Reply, kw_only=True):
    """A TSS in a list of many; all of it is `GET /api/v2/tss/{_id}?organization_id=…`."""

    id: UUID
    type: Literal["FLEET_TSS"]
    organization_id: UUID
    organization_name: str
    state: TssState
    serial_number: str
    description: str | None = None
    number_registered_clients: int
    signature_counter: int
    transaction_counter: int
    certificate_ends_at: int
    last_signed_at: int | None = None
    time_creation: int
    replaces: UUID | None = None
    replaced_by: UUID | None = None


class FleetList(Reply, kw_only=True):
    data: list[FleetTss]
    type: Literal["FLEET_LIST"]
    env: Env
    has_more: bool
    next_cursor: str | None = None


class FleetFormat(StrEnum):
    JSON = "json"
    CSV = "csv"


class TransactionDay(Reply, kw_only=True):
    """How many transactions began on a day in Europe/Berlin."""

    day: str
    started: int


class LatestTransaction(Reply, kw_only=True):
    id: UUID
    organization_id: UUID
    tss_id: UUID
    number: int
    state: TransactionState
    client_id: UUID
    client_serial_number: str
    time_start: int
    time_end: int | None = None


class LatestExport(Reply, kw_only=True):
    id: UUID
    organization_id: UUID
    tss_id: UUID
    state: ExportState
    exception: str | None = None
    time_request: int
    time_end: int | None = None
    time_error: int | None = None
    time_expiration: int | None = None


class ExpiringTss(Reply, kw_only=True):
    id: UUID
    organization_id: UUID
    state: TssState
    serial_number: str
    certificate_ends_at: int


class Expiring(Reply, kw_only=True):
    """TSS in use whose certificates end soon, or have ended: so many, and the first of them."""

    count: int
    data: list[ExpiringTss] | None = None


class ExpiringAuthority(Reply, kw_only=True):
    """A certificate above those of TSS: it is the installation's."""

    kind: Literal["issuer", "root"]
    common_name: str
    certificate_ends_at: int


class OverviewPart(Reply, kw_only=True):
    """What is seen of one organization, or of all below it; without the right to see it, less."""

    organizations: int
    tss: dict[str, int]
    clients: dict[str, int] | None = None
    transactions_by_day: list[TransactionDay] | None = None
    latest_transactions: list[LatestTransaction] | None = None
    latest_exports: list[LatestExport] | None = None
    expiring_tss: Expiring


class Overview(Reply, kw_only=True):
    """`managed` is everything that the organization manages or administers, without itself."""

    type: Literal["OVERVIEW"]
    organization_id: UUID
    env: Env
    own: OverviewPart
    managed: OverviewPart | None = None
    expiring_authorities: list[ExpiringAuthority]
