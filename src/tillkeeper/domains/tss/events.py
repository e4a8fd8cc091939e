"""What happens to TSS."""

from uuid import UUID

from tillkeeper.access.trail import Event


class TssCreated(Event, frozen=True, tag="tss.created"):
    tss_id: UUID
    serial_number: str


class TssUpdated(Event, frozen=True, tag="tss.updated"):
    tss_id: UUID
    state: str


class TssNumbersSkipped(Event, frozen=True, tag="tss.numbers_skipped"):
    """After a restore: how many numbers are left out, and where both counters stand now."""

    tss_id: UUID
    skipped: str
    signature_counter: str
    transaction_counter: str


class TssAdminPinSet(Event, frozen=True, tag="tss.admin_pin_set"):
    tss_id: UUID


class TssAdminLoggedIn(Event, frozen=True, tag="tss.admin_logged_in"):
    tss_id: UUID


class TssAdminLoginFailed(Event, frozen=True, tag="tss.admin_login_failed"):
    tss_id: UUID


class TssAdminLoggedOut(Event, frozen=True, tag="tss.admin_logged_out"):
    tss_id: UUID
