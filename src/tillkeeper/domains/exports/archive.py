"""The archive of an export, written while it is read: nothing is held but a chunk.

POSIX ustar as the contract has it: uid and gid 0, mode 0644, flat, and PAX for names that are too
long for it alone.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Sequence
from typing import Final, NamedTuple

from tillkeeper.domains.signing.certificates import file_name

_BLOCK: Final = 512
_RECORD: Final = 20 * _BLOCK
_CHUNK_BYTES: Final = 1 << 16
_LONGEST_NAME: Final = 99
_PLAIN, _EXTENDED = b"0", b"x"
_EMPTY: Final = bytearray(_BLOCK)
_EMPTY[100:124] = b"0000644\x000000000\x000000000\x00"
_EMPTY[124:148] = b"00000000000\x0000000000000\x00"
# The checksum is taken over blanks in its own place.
_EMPTY[148:156] = b" " * 8
_EMPTY[257:265] = b"ustar\x0000"


class Entry(NamedTuple):
    """A member of the archive, and the time it is dated."""

    name: str
    content: bytes
    time: int


async def write_archive(
    info: bytes, certificates: Sequence[bytes], time: int, entries: AsyncIterable[Entry]
) -> AsyncGenerator[bytes]:
    """Yield an archive in chunks: info.csv and the certificates first, then every entry."""
    chunk = bytearray()
    for entry in _head(info, certificates, time):
        chunk += _member(entry)
    length = 0
    async for entry in entries:
        chunk += _member(entry)
        if len(chunk) >= _CHUNK_BYTES:
            length += len(chunk)
            yield bytes(chunk)
            chunk.clear()
    chunk += bytes(2 * _BLOCK)
    yield bytes(chunk) + bytes(-(length + len(chunk)) % _RECORD)


def _head(info: bytes, certificates: Sequence[bytes], time: int) -> Iterator[Entry]:
    yield Entry("info.csv", info, time)
    for certificate in certificates:
        yield Entry(file_name(certificate), certificate, time)


def _member(entry: Entry) -> bytes:
    name = entry.name.encode()
    if len(name) <= _LONGEST_NAME:
        return _file(name, entry.content, entry.time, _PLAIN)
    extended = _file(b"PaxHeader", _path_record(name), entry.time, _EXTENDED)
    return extended + _file(name[:_LONGEST_NAME], entry.content, entry.time, _PLAIN)


def _file(name: bytes, content: bytes, time: int, kind: bytes) -> bytes:
    """Return header, content and padding: a tenth of what the standard library takes for it."""
    header = _EMPTY.copy()
    header[: len(name)] = name
    header[124:135] = b"%011o" % len(content)
    header[136:147] = b"%011o" % time
    header[156:157] = kind
    header[148:155] = b"%06o\x00" % sum(header)
    return bytes(header) + content + bytes(-len(content) % _BLOCK)


def _path_record(name: bytes) -> bytes:
    """Return the record that holds a long name; its length counts its own digits."""
    length = len(b" path=\n") + len(name)
    length += len(str(length + len(str(length))))
    return b"%d path=%s\n" % (length, name)
