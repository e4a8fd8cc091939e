"""What a TSS has signed, read from its messages alone and checked one by one.

Nothing of the product's writing is used: a reader of our own, and OpenSSL for the signatures.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from world import Connection

_CURVES: dict[int, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    65: (ec.SECP256R1(), hashes.SHA256()),
    97: (ec.SECP384R1(), hashes.SHA384()),
}
_TRANSACTION = bytes.fromhex("04007f000703070101")


class Message(NamedTuple):
    """What a signed message says."""

    kind: str
    operation: str
    fields: dict[int, bytes]
    """The content of the fields that its kind has, by their tags."""
    counter: int
    time: int


def _elements(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield tag, content and the whole of each element."""
    while data:
        length, start = data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        yield data[0], data[start : start + length], data[: start + length]
        data = data[start + length :]


def read(message: bytes, point: bytes) -> Message:
    """Return what a message says, sure that the key of this point has signed it."""
    ((tag, body, whole),) = _elements(message)
    assert (tag, whole) == (0x30, message)
    parts = list(_elements(body))
    signature = parts[-1][1]
    size = len(signature) // 2
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    curve, digest = _CURVES[len(point)]
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    signed = b"".join(whole for _, _, whole in parts[:-1])
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
    fields = {tag: content for tag, content, _ in parts if 0x80 <= tag < 0xA0}
    serial, counter, time = (parts[-5][1], parts[-3][1], parts[-2][1])
    assert serial == hashlib.sha256(point).digest()
    return Message(
        "transaction" if parts[1][1] == _TRANSACTION else "system",
        fields[0x80].decode(),
        fields,
        int.from_bytes(counter, "big"),
        int.from_bytes(time, "big"),
    )


async def journal_of(owner: Connection, tss_id: UUID) -> list[Message]:
    """Return everything that a TSS has signed: each message verified, no gap, no double."""
    tss = await owner.fetchrow("SELECT * FROM tss WHERE id = $1", tss_id)
    rows = await owner.fetch(
        "SELECT * FROM log_messages WHERE tss_id = $1 ORDER BY counter", tss_id
    )
    assert tss is not None
    found = [read(row["message"], tss["point"]) for row in rows]
    counters = list(range(1, len(found) + 1))
    assert [each.counter for each in found] == [row["counter"] for row in rows] == counters
    assert [each.time for each in found] == [row["signed_at"] for row in rows]
    assert [each.time for each in found] == sorted(each.time for each in found)
    assert tss["signature_counter"] == len(found)
    assert tss["last_signed_at"] == (found[-1].time if found else 0)
    return found
