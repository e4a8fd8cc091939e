"""Log messages of BSI TR-03151: take one apart, check its signature."""

from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tillkeeper.surfaces.cli.tse_der import (
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    UTC_TIME,
    Reader,
    Wrong,
    integer,
    moment,
    text,
)

# The identifiers as they stand in the messages, to be compared and copied, never computed.
TRANSACTION = bytes.fromhex("04007f000703070101")
SYSTEM = bytes.fromhex("04007f000703070102")
AUDIT = bytes.fromhex("04007f000703070103")
ALGORITHMS = {
    "ecdsa-plain-SHA256": bytes.fromhex("04007f00070101040103"),
    "ecdsa-plain-SHA384": bytes.fromhex("04007f00070101040104"),
}
KINDS = {TRANSACTION: "Tra", SYSTEM: "Sys", AUDIT: "Aud"}
SKIP = "skipNumbers"
"""Ours alone: no other TSE leaves out numbers and says so."""
TIME_FORMATS = {INTEGER: "Unixt", UTC_TIME: "Utc", GENERALIZED_TIME: "Gent"}
OPERATIONS = {f"{word}Transaction": word for word in ("Start", "Update", "Finish")}
_DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    ALGORITHMS["ecdsa-plain-SHA256"]: hashes.SHA256(),
    ALGORITHMS["ecdsa-plain-SHA384"]: hashes.SHA384(),
}
_VERSION = 2
_BITS_PER_BYTE = 8


class Skip(NamedTuple):
    """What a message says of numbers that were left out before it, after a restore."""

    counter_before: int
    transaction_before: int
    transaction: int


class Certified(NamedTuple):
    """What a message is about: of a transaction its client and number, of the rest a word."""

    operation: str = ""
    client: str = ""
    number: int = 0
    skip: Skip | None = None


class Message(NamedTuple):
    """A log message, taken apart."""

    kind: str
    about: Certified
    serial: str
    algorithm: bytes
    counter: int
    time: int
    time_format: str
    signed: bytes
    signature: bytes


def read_message(der: bytes) -> Message:
    """Take a message apart; anything but the one encoding that DER allows is wrong."""
    outer = Reader(der)
    inside = outer.take(SEQUENCE)
    outer.end()
    fields = Reader(inside)
    if integer(fields.take(INTEGER)) != _VERSION:
        raise Wrong("it is not a log message of version 2")
    kind = KINDS.get(fields.take(OBJECT_IDENTIFIER))
    if kind is None:
        raise Wrong("it certifies data of an unknown kind")
    about = _READERS[kind](fields)
    serial = fields.take(OCTET_STRING).hex()
    algorithm = Reader(fields.take(SEQUENCE))
    identifier = algorithm.take(OBJECT_IDENTIFIER)
    algorithm.end()
    if kind == KINDS[AUDIT]:
        fields.take(OCTET_STRING)
    counter = integer(fields.take(INTEGER))
    tag = fields.tag if fields.tag in TIME_FORMATS else INTEGER
    time = moment(tag, fields.take(tag))
    signed = inside[: fields.position]
    signature = fields.take(OCTET_STRING)
    fields.end()
    return Message(
        kind, about, serial, identifier, counter, time, TIME_FORMATS[tag], signed, signature
    )


def check_signature(message: Message, key: ec.EllipticCurvePublicKey) -> None:
    """Check that a key has signed a message, in the plain format."""
    digest = _DIGESTS.get(message.algorithm)
    size = key.curve.key_size // _BITS_PER_BYTE
    if digest is None or digest.digest_size != size:
        raise Wrong("its algorithm is not that of the key")
    if len(message.signature) != 2 * size:
        raise Wrong(f"its signature is not {2 * size} bytes long")
    r, s = (int.from_bytes(half, "big") for half in _halves(message.signature))
    try:
        key.verify(encode_dss_signature(r, s), message.signed, ec.ECDSA(digest))
    except InvalidSignature as error:
        raise Wrong("its signature is wrong") from error


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the uncompressed point of a key."""
    size = key.curve.key_size // _BITS_PER_BYTE
    numbers = key.public_numbers()
    return b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def _transaction(fields: Reader) -> Certified:
    operation = text(fields.take(0x80))
    if operation not in OPERATIONS:
        raise Wrong("its operation is none that a transaction knows")
    client = text(fields.take(0x81))
    fields.take(0x82)
    fields.take(0x83)
    if fields.tag == 0x84:  # noqa: PLR2004 - external data, which few units send
        fields.take(0x84)
    number = integer(fields.take(0x85))
    if fields.tag == 0x86:  # noqa: PLR2004 - internal data, which few units send
        fields.take(0x86)
    return Certified(OPERATIONS[operation], client, number)


def _system(fields: Reader) -> Certified:
    operation = text(fields.take(0x80))
    details = Reader(fields.take(0x81))
    if operation == SKIP:
        skip = Skip(*(integer(details.take(tag)) for tag in (0x81, 0x82, 0x83)))
        details.end()
        return Certified(operation, skip=skip)
    while details.tag:
        details.take(details.tag)
    return Certified(operation)


def _audit(_: Reader) -> Certified:
    return Certified()


_READERS = {"Tra": _transaction, "Sys": _system, "Aud": _audit}


def _halves(value: bytes) -> tuple[bytes, bytes]:
    return value[: len(value) // 2], value[len(value) // 2 :]
