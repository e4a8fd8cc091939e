"""As much of DER as log messages are made of, read strictly: one value has one encoding.

This file and the other `tse_*` beside it, but for the command itself, stand alone: they need Python
and the package `cryptography`, and can be copied, read and run by whoever distrusts the rest. The
formats are described in docs/tse.md.
"""

from datetime import UTC, datetime

SEQUENCE, INTEGER, OCTET_STRING, OBJECT_IDENTIFIER = 0x30, 0x02, 0x04, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
_SHORT = 0x80
_LONGEST_NUMBER = 8


class Wrong(Exception):
    """It is not what a TSE signs; the sentence says why."""


class Reader:
    """Takes element after element out of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def tag(self) -> int:
        """The tag of the element that comes next; 0 at the end."""
        return self._data[self.position] if self.position < len(self._data) else 0

    def take(self, tag: int) -> bytes:
        """Return the content of the next element, which has to have this tag."""
        if self.tag != tag:
            raise Wrong(f"it has element {self.tag:02x} where {tag:02x} belongs")
        start, length = self._length(self.position + 1)
        self.position = start + length
        if self.position > len(self._data):
            raise Wrong("it is cut off")
        return self._data[start : self.position]

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.position != len(self._data):
            raise Wrong("something follows where it should end")

    def _length(self, at: int) -> tuple[int, int]:
        """Return where a content starts, and how long it is."""
        first = self._data[at] if at < len(self._data) else 0xFF
        if first < _SHORT:
            return at + 1, first
        start = at + 1 + first - _SHORT
        length = int.from_bytes(self._data[at + 1 : start], "big")
        if first in {_SHORT, 0xFF} or length < _SHORT or not self._data[at + 1]:
            raise Wrong("a length in it is not as short as it can be")
        return start, length


def integer(octets: bytes) -> int:
    """Return a number that is not negative."""
    if not octets or octets[0] & 0x80 or (len(octets) > 1 and not octets[0] | octets[1] & 0x80):
        raise Wrong("a number in it is negative, or not as short as it can be")
    if len(octets) > _LONGEST_NUMBER:
        raise Wrong("a number in it is larger than any counter or time")
    return int.from_bytes(octets, "big")


def text(octets: bytes) -> str:
    """Return a text."""
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise Wrong("a text in it is not UTF-8") from error


def moment(tag: int, octets: bytes) -> int:
    """Return a time in Unix seconds, from any of the three formats."""
    if tag == INTEGER:
        return integer(octets)
    form = "%y%m%d%H%M%SZ" if tag == UTC_TIME else "%Y%m%d%H%M%SZ"
    try:
        return int(datetime.strptime(octets.decode(), form).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise Wrong("its time cannot be read") from error


def write(tag: int, content: bytes) -> bytes:
    """Return an element."""
    if len(content) < _SHORT:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes(4, "big").lstrip(b"\x00")
    return bytes([tag, _SHORT + len(length)]) + length + content


def write_integer(number: int) -> bytes:
    """Return a number, with a zero before it where its first bit would read as a sign."""
    octets = number.to_bytes(9, "big").lstrip(b"\x00")
    return octets if octets and not octets[0] & 0x80 else b"\x00" + octets
