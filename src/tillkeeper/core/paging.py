"""Cursors: where the next page begins, sealed so that nobody can write one."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tillkeeper.core.errors import SchemaViolation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME, _ID, _SEAL = 8, 16, 16


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row that was shown; the next page begins after it."""

    created_at: datetime
    id: UUID


def seal_cursor(key: bytes, cursor: Cursor, bound_to: bytes) -> str:
    """Write a cursor that is good for this actor, env and filter alone."""
    microseconds = (cursor.created_at - _EPOCH) // timedelta(microseconds=1)
    body = microseconds.to_bytes(_TIME, "big") + cursor.id.bytes
    return urlsafe_b64encode(body + _seal(key, body, bound_to)).decode().rstrip("=")


def open_cursor(keys: Iterable[bytes], text: str, bound_to: bytes) -> Cursor:
    """Read a cursor that one of the keys has sealed; a changed or strange one is refused."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"==")
    except (Base64Error, UnicodeEncodeError, ValueError) as error:
        raise _refusal() from error
    body, seal = raw[: _TIME + _ID], raw[_TIME + _ID :]
    is_ours = any(hmac.compare_digest(seal, _seal(key, body, bound_to)) for key in keys)
    if not is_ours or urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise _refusal()
    microseconds = int.from_bytes(body[:_TIME], "big")
    return Cursor(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=body[_TIME:]))


def _seal(key: bytes, body: bytes, bound_to: bytes) -> bytes:
    return hmac.digest(key, body + bound_to, "sha256")[:_SEAL]


def _refusal() -> SchemaViolation:
    return SchemaViolation(
        "params.cursor",
        "should be the next_cursor of an answer to the same question",
        "Begin again without a cursor",
    )
