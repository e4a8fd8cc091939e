"""The administrator of a TSS: a PIN that the PUK sets, and a session that the PIN opens."""

from uuid import UUID

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import AdminLoginFailed, AdminPinBlocked, TssDisabled
from tillkeeper.core.status import TssState
from tillkeeper.domains.signing import system_logs
from tillkeeper.domains.tss import queries, rules
from tillkeeper.domains.tss.actions import hold_tss
from tillkeeper.domains.tss.events import (
    TssAdminLoggedIn,
    TssAdminLoggedOut,
    TssAdminLoginFailed,
    TssAdminPinSet,
)
from tillkeeper.domains.tss.journal import journalize
from tillkeeper.domains.tss.queries import Row

_WRONG_PUK = "ERROR_AUTHENTICATION_FAILED (UNBLOCK_RESULT_FAILED)"


async def set_pin(grant: Grant, tss_id: UUID, puk: str, pin: str) -> None:
    """Set the PIN with the PUK, which unblocks it; a session that the old one opened ends."""
    held = await hold_tss(grant, tss_id)
    rules.check_administrable(held.state)
    if not await grant.op.house.passwords.verify(held.puk_digest, puk):
        event = TssAdminLoginFailed(tss_id=tss_id)
        await queries.update_tss(grant, event, tss_id, {"failed_logins": held.failed_logins})
        raise AdminLoginFailed(_WRONG_PUK)
    digest = await grant.op.house.passwords.hash(pin)
    await journalize(grant, held, [system_logs.unblock_user()])
    changed = {"pin_digest": digest, "failed_logins": 0, "admin_until": None}
    await queries.update_tss(grant, TssAdminPinSet(tss_id=tss_id), tss_id, changed)


async def log_in(grant: Grant, tss_id: UUID, pin: str) -> None:
    """Open an admin session. Every attempt is signed; so many wrong ones in a row block the PIN."""
    held = await hold_tss(grant, tss_id)
    rules.check_usable(held.state)
    if held.state is TssState.DISABLED:
        raise TssDisabled
    if held.pin_digest is None or held.failed_logins >= rules.FAILURES_AT_MOST:
        raise AdminPinBlocked
    is_right = await grant.op.house.passwords.verify(held.pin_digest, pin)
    await journalize(grant, held, [system_logs.authenticate_user(is_successful=is_right)])
    if not is_right:
        changed: dict[str, object] = {"failed_logins": held.failed_logins + 1}
        await queries.update_tss(grant, TssAdminLoginFailed(tss_id=tss_id), tss_id, changed)
        raise AdminLoginFailed
    changed = {"failed_logins": 0, "admin_until": _now(grant) + rules.SESSION_SECONDS}
    await queries.update_tss(grant, TssAdminLoggedIn(tss_id=tss_id), tss_id, changed)


async def log_out(grant: Grant, tss_id: UUID) -> None:
    """End the admin session; where there is none, do nothing."""
    held = await hold_tss(grant, tss_id)
    rules.check_usable(held.state)
    if not is_open(grant, held):
        return
    await journalize(grant, held, [system_logs.log_out()])
    event = TssAdminLoggedOut(tss_id=tss_id)
    await queries.update_tss(grant, event, tss_id, {"admin_until": None})


def is_open(grant: Grant, held: Row) -> bool:
    """Tell whether an admin session is open."""
    return held.admin_until is not None and held.admin_until > _now(grant)


def _now(grant: Grant) -> int:
    return int(grant.op.now.timestamp())
