"""QR texts of receipts: rebuild what was signed, and check the signature."""

import hashlib
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from tillkeeper.surfaces.cli.tse_der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    Wrong,
    write,
    write_integer,
)
from tillkeeper.surfaces.cli.tse_messages import (
    ALGORITHMS,
    TRANSACTION,
    check_signature,
    point_of,
    read_message,
)

_FIELDS, _AFTER_DATA = 12, 8
_TIME = "%Y-%m-%dT%H:%M:%S.000Z"
_CURVES: dict[int, ec.EllipticCurve] = {65: ec.SECP256R1(), 97: ec.SECP384R1()}


class Receipt(NamedTuple):
    """What a QR text says, and the serial number of the TSE whose key has signed it.

    The time of the start is told by the text alone: no signature covers it.
    """

    client: str
    process_type: str
    process_data: str
    transaction_number: int
    signature_counter: int
    start: str
    end: str
    algorithm: str
    serial_number: str


def verify_qr(text: str) -> Receipt:
    """Return what a QR text says; raise Wrong where the key in it has not signed that."""
    fields = text.strip("\r\n").split(";")
    if len(fields) < _FIELDS or fields[0] != "V0" or not _is_encodable(text):
        raise Wrong("it is not a text of version V0 with twelve fields")
    # Data may hold semicolons; nothing else does.
    data = ";".join(fields[3:-_AFTER_DATA])
    number, counter, start, end, algorithm, time_format, signature, point = fields[-_AFTER_DATA:]
    if time_format != "unixTime" or algorithm not in ALGORITHMS:
        raise Wrong("its algorithm or its format of time is not known")
    key = _key_of(_base64(point))
    serial = hashlib.sha256(point_of(key)).digest()
    _seconds(start)
    counted = _count(number), _count(counter)
    said = Receipt(fields[1], fields[2], data, *counted, start, end, algorithm, serial.hex())
    signed = _rebuild(said, serial, _seconds(end))
    message = read_message(write(SEQUENCE, signed + write(OCTET_STRING, _base64(signature))))
    check_signature(message, key)
    return said


def _rebuild(said: Receipt, serial: bytes, time: int) -> bytes:
    words = ("FinishTransaction", said.client, said.process_data, said.process_type)
    by = write(OBJECT_IDENTIFIER, ALGORITHMS[said.algorithm])
    return b"".join(
        (
            write(INTEGER, b"\x02"),
            write(OBJECT_IDENTIFIER, TRANSACTION),
            *(write(0x80 + index, word.encode()) for index, word in enumerate(words)),
            write(0x85, write_integer(said.transaction_number)),
            write(OCTET_STRING, serial),
            write(SEQUENCE, by),
            write(INTEGER, write_integer(said.signature_counter)),
            write(INTEGER, write_integer(time)),
        )
    )


def _key_of(point: bytes) -> ec.EllipticCurvePublicKey:
    if len(point) not in _CURVES:
        raise Wrong("its key is not an uncompressed point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[len(point)], point)
    except ValueError as error:
        raise Wrong("its key is not a point of its curve") from error


# Each field has one spelling: another one would say the same and verify, but nobody has signed it.


def _is_encodable(text: str) -> bool:
    """Tell whether a text is whole: a terminal passes on bytes that are none."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _base64(field: str) -> bytes:
    try:
        value = b64decode(field, validate=True)
    except ValueError:
        value = b""
    if b64encode(value).decode() != field:
        raise Wrong("its signature or its key is not base64")
    return value


def _count(field: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,17}", field):
        raise Wrong("one of its counters is not a number")
    return int(field)


def _seconds(field: str) -> int:
    try:
        time = datetime.strptime(field, _TIME).replace(tzinfo=UTC)
    except ValueError:
        time = None
    if time is None or time.strftime(_TIME) != field:
        raise Wrong("one of its times is not written as a receipt writes it")
    return int(time.timestamp())
