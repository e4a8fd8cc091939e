"""The system operations of a TSS that are signed, each with what its message says."""

from typing import Final

from tillkeeper.domains.signing.der import SEQUENCE, integer_octets, tlv
from tillkeeper.domains.signing.messages import SystemLog

SETUP_CLIENT: Final = "Setup"
"""The client that is registered first, before a TSS has any."""

_ADMIN: Final = "tr-admin"
_AUDIT_OF: Final = "SMAERS"
_TRUE, _FALSE = b"\xff", b"\x00"
_ROLE_ADMIN, _UNBLOCKED, _LOGGED_OUT = b"\x01", b"\x00", b"\x00"


def update_time(before: int, after: int) -> SystemLog:
    """Say that the clock was set."""
    return SystemLog("updateTime", _fields(integer_octets(before), integer_octets(after)))


def register_client(serial_number: str) -> SystemLog:
    """Say that a client may sign from now on."""
    return SystemLog("registerClient", _fields(serial_number.encode()))


def deregister_client(serial_number: str) -> SystemLog:
    """Say that a client may sign no longer."""
    return SystemLog("deregisterClient", _fields(serial_number.encode()))


def start_audit() -> SystemLog:
    """Say that the audit of the unit was started."""
    return SystemLog("startAudit")


def configure_logging() -> SystemLog:
    """Leave no event of the unit out of its audit."""
    chosen = tlv(SEQUENCE, _fields(_AUDIT_OF.encode(), _TRUE, first=0x80))
    return SystemLog("configureLogging", _fields(f"{_AUDIT_OF}-audit".encode(), _TRUE, chosen))


def self_test(time: int) -> SystemLog:
    """Report a test of the unit by itself, which before it is unlocked is not authorized."""
    return SystemLog(
        "selfTest",
        _fields(_AUDIT_OF.encode(), _FALSE, b"ERROR_UNAUTHORIZED", integer_octets(time)),
    )


def enter_secure_state(time: int) -> SystemLog:
    """Say that nothing but system operations is signed from now on."""
    return SystemLog("enterSecureState", _fields(integer_octets(time)))


def exit_secure_state() -> SystemLog:
    """Say that the unit is at work again."""
    return SystemLog("exitSecureState")


def unblock_user() -> SystemLog:
    """Say that the administrator's PIN was set with the PUK."""
    return SystemLog("unblockUser", _fields(_ADMIN.encode(), _UNBLOCKED))


def authenticate_user(*, is_successful: bool = True) -> SystemLog:
    """Say that the administrator has given a PIN, the right one or not."""
    result = _TRUE if is_successful else _FALSE
    return SystemLog("authenticateUser", _fields(_ADMIN.encode(), _ROLE_ADMIN, result))


def initialize(description: str) -> SystemLog:
    """Say under which description the TSS was initialized."""
    return SystemLog("initialize", _fields(description.encode()))


def log_out() -> SystemLog:
    """Say that the administrator's session has ended."""
    return SystemLog("logOut", _fields(_ADMIN.encode(), _LOGGED_OUT))


def skip_numbers(signatures: int, transactions_before: int, transactions: int) -> SystemLog:
    """Say up to where the counters stood before a restore, and where transactions go on.

    The signature counters left out are those between the first of them and that of the message.
    """
    return SystemLog(
        "skipNumbers",
        _fields(*map(integer_octets, (signatures, transactions_before, transactions))),
    )


def disable_secure_element(time: int) -> SystemLog:
    """Say that the TSS never signs again."""
    return SystemLog("disableSecureElement", _fields(integer_octets(time)))


def _fields(*contents: bytes, first: int = 0x81) -> bytes:
    return b"".join(tlv(first + index, content) for index, content in enumerate(contents))
