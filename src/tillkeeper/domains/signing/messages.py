"""Log messages of BSI TR-03151 version 1: what a TSS signs, and what an export is made of."""

import hashlib
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from tillkeeper.core.signing_units import Algorithm
from tillkeeper.domains.signing.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    integer_octets,
    oid_octets,
    tlv,
)

TIMESTAMP_FORMAT: Final = "unixTime"
TRANSACTION_DATA_ENCODING: Final = "UTF-8"
NO_TYPE: Final = " "
"""The process type of a start that has none: signed as one blank, as the field does."""

_VERSION: Final = tlv(INTEGER, b"\x02")
_TRANSACTION: Final = tlv(OBJECT_IDENTIFIER, oid_octets("0.4.0.127.0.7.3.7.1.1"))
_SYSTEM: Final = tlv(OBJECT_IDENTIFIER, oid_octets("0.4.0.127.0.7.3.7.1.2"))
_ALGORITHMS: Final = {
    Algorithm.P256: "0.4.0.127.0.7.1.1.4.1.3",
    Algorithm.P384: "0.4.0.127.0.7.1.1.4.1.4",
}


class TransactionOperation(StrEnum):
    """The three calls that sign for a transaction; the value is what `log.operation` says."""

    START = "Start"
    UPDATE = "Update"
    FINISH = "Finish"


class TransactionLog(NamedTuple):
    """What a transaction's message certifies; a cancelled transaction signs a Finish too."""

    operation: TransactionOperation
    client_serial_number: str
    number: int
    process_type: str = NO_TYPE
    process_data: bytes = b""

    @property
    def certified(self) -> bytes:
        """The data's type and its fields, inline."""
        return (
            _TRANSACTION
            + tlv(0x80, f"{self.operation}Transaction".encode())
            + tlv(0x81, self.client_serial_number.encode())
            + tlv(0x82, self.process_data)
            + tlv(0x83, self.process_type.encode())
            + tlv(0x85, integer_octets(self.number))
        )

    def file_name(self, counter: int, time: int) -> str:
        """Return what an export calls the message."""
        # A name in a flat archive has no directories; the serial is whole in the message.
        client = self.client_serial_number.replace("/", "_")
        return (
            f"Unixt_{time}_Sig-{counter}_Log-Tra_No-{self.number}_{self.operation}"
            f"_Client-{client}.log"
        )


class SystemLog(NamedTuple):
    """What a system operation's message certifies; see `system_logs` for those there are."""

    operation: str
    content: bytes = b""

    @property
    def certified(self) -> bytes:
        """The data's type and its fields, inline."""
        return _SYSTEM + tlv(0x80, self.operation.encode()) + tlv(0x81, self.content)

    def file_name(self, counter: int, time: int) -> str:
        """Return what an export calls the message."""
        return f"Unixt_{time}_Sig-{counter}_Log-Sys_{self.operation}.log"


def to_be_signed(point: bytes, data: TransactionLog | SystemLog, counter: int, time: int) -> bytes:
    """Return the bytes that the key of a point signs: all of a message but header and signature."""
    return (
        _VERSION
        + data.certified
        + _signer(point)
        + tlv(INTEGER, integer_octets(counter))
        + tlv(INTEGER, integer_octets(time))
    )


def finish(signed: bytes, signature: bytes) -> bytes:
    """Return the whole message: what was signed, and the signature."""
    return tlv(SEQUENCE, signed + tlv(OCTET_STRING, signature))


def serial_number_of(point: bytes) -> str:
    """Return the serial number of a TSS: the SHA-256 of its point, on every curve."""
    return hashlib.sha256(point).hexdigest()


@lru_cache(1024)
def _signer(point: bytes) -> bytes:
    algorithm = tlv(OBJECT_IDENTIFIER, oid_octets(_ALGORITHMS[Algorithm.of_point(point)]))
    return tlv(OCTET_STRING, hashlib.sha256(point).digest()) + tlv(SEQUENCE, algorithm)
