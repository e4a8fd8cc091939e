"""What a TSS may do in its state, decided without a database."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    IllegalTssStateChange,
    TssDefective,
    TssDeleted,
    TssDisabled,
    TssEvicted,
    TssNotInitialized,
)
from tillkeeper.core.status import TssState
from tillkeeper.domains.signing import system_logs
from tillkeeper.domains.signing.messages import SystemLog

MOST_LIVE_IN_TEST: Final = 5
MOST_A_DAY: Final = 500
DAY_SECONDS: Final = 86_400
SESSION_SECONDS: Final = 300
"""How long an admin session lasts after its last use."""
FAILURES_AT_MOST: Final = 5
CLOCK_BACK_AT_MOST_SECONDS: Final = 60

_IDLE_DAYS, _UNUSED_DAYS = 14, 92

LIVING: Final = (TssState.CREATED, TssState.UNINITIALIZED, TssState.INITIALIZED)
_NEXT: Final[dict[TssState, frozenset[TssState]]] = {
    TssState.CREATED: frozenset({TssState.UNINITIALIZED}),
    TssState.UNINITIALIZED: frozenset({TssState.INITIALIZED, TssState.DISABLED}),
    TssState.INITIALIZED: frozenset({TssState.DISABLED}),
}


def check_usable(state: TssState) -> None:
    """Refuse every operation that signs with a TSS that is broken or gone."""
    match state:
        case TssState.DEFECTIVE:
            raise TssDefective
        case TssState.DELETED:
            raise TssDeleted
        case TssState.EVICTED:
            raise TssEvicted


def check_initialized(state: TssState) -> None:
    """Refuse what needs a TSS at work."""
    check_usable(state)
    if state is TssState.DISABLED:
        raise TssDisabled
    if state is not TssState.INITIALIZED:
        raise TssNotInitialized


def check_administrable(state: TssState) -> None:
    """Refuse to let anybody administer a TSS that has not begun, or has ended."""
    check_usable(state)
    if state is TssState.DISABLED:
        raise TssDisabled
    if state is TssState.CREATED:
        raise TssNotInitialized


def check_change(now: TssState, wanted: TssState) -> None:
    """Refuse a way that the state machine does not have."""
    if wanted not in _NEXT.get(now, frozenset()):
        raise IllegalTssStateChange(now, wanted)


def logs_of_change(wanted: TssState, description: str, time: int) -> Iterable[SystemLog]:
    """Return what a change of state signs, in order."""
    match wanted:
        case TssState.UNINITIALIZED:
            return (
                system_logs.register_client(system_logs.SETUP_CLIENT),
                system_logs.start_audit(),
                system_logs.configure_logging(),
                system_logs.self_test(time),
                system_logs.enter_secure_state(time),
                system_logs.exit_secure_state(),
            )
        case TssState.INITIALIZED:
            return (system_logs.initialize(description),)
        case _:
            return (system_logs.disable_secure_element(time),)


class Skipped(Protocol):
    """What is asked of a TSS to say which numbers it has left out."""

    signature_counter: int
    transaction_counter: int
    skipped: int


def log_of_skip(tss: Skipped) -> SystemLog:
    """Return what is signed first after numbers were left out, as many of both kinds."""
    return system_logs.skip_numbers(
        tss.signature_counter - tss.skipped,
        tss.transaction_counter - tss.skipped,
        tss.transaction_counter,
    )


class Horizons(NamedTuple):
    """What happened last before these seconds is over."""

    disabled_before: int
    idle_before: int
    unused_before: int


class Aged(Protocol):
    """What is asked of a TSS to know whether its time is over."""

    env: Env
    state: TssState
    time_creation: int
    time_disable: int | None
    last_signed_at: int


def horizons(now: datetime) -> Horizons:
    """Return them: what was disabled goes with the last Sunday, so that there is time to export."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    sunday = midnight - timedelta(days=now.isoweekday() % 7)
    idle, unused = (now - timedelta(days=days) for days in (_IDLE_DAYS, _UNUSED_DAYS))
    disabled, idle_before, unused_before = (int(t.timestamp()) for t in (sunday, idle, unused))
    return Horizons(disabled, idle_before, unused_before)


def end_of(tss: Aged, horizons: Horizons) -> TssState | None:
    """Return the state that a TSS goes into by itself, None where it stays."""
    if tss.state in (TssState.DELETED, TssState.EVICTED):
        return None
    if tss.env is Env.TEST:
        is_idle = max(tss.last_signed_at, tss.time_creation) < horizons.idle_before
        is_disabled = tss.time_disable is not None and tss.time_disable < horizons.disabled_before
        if is_idle or is_disabled:
            return TssState.DELETED
    if tss.state is TssState.CREATED and tss.time_creation < horizons.unused_before:
        return TssState.EVICTED
    return None
