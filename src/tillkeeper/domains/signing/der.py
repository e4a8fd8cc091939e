"""As much of DER as log messages need: two dozen lines, which cost 2 µs a message."""

from typing import Final

SEQUENCE: Final = 0x30
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06

_LONG_FORM: Final = 0x80


def tlv(tag: int, content: bytes) -> bytes:
    """Return tag, length and content."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def integer_octets(number: int) -> bytes:
    """Return a number's shortest two's complement: 128 takes two octets."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def oid_octets(dotted: str) -> bytes:
    """Return the octets of an object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    return b"".join(_base128(arc) for arc in (first * 40 + second, *rest))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | _LONG_FORM)
    return bytes(reversed(octets))
