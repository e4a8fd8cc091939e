"""The archive of an export, member after member: POSIX ustar, flat, and PAX for long names."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from tillkeeper.surfaces.cli.tse_der import Wrong

_BLOCK = 512
_BIGGEST = 1 << 24
_MODE = 0o644
_NUMBER = re.compile(rb" *([0-7]+)[ \x00]*")
_PATH = re.compile(rb"(?:\d+ (?!path=)[^\n]*\n)*(\d+) path=([^\n]+)\n", re.DOTALL)
_REGULAR, _EXTENDED = b"0\x00", b"x"


class Member(NamedTuple):
    """A file in the archive."""

    name: str
    content: bytes


class _Header(NamedTuple):
    name: bytes
    size: int
    kind: bytes


def members_of(path: Path) -> Iterator[Member]:
    """Yield the files of an archive, holding one at a time; raise Wrong where it is none."""
    with path.open("rb") as file:
        number, long_name = 0, None
        while (header := _header(_take(file, _BLOCK), number)) is not None:
            content = _take(file, header.size)
            if any(_take(file, -header.size % _BLOCK)):
                raise Wrong(f"Something is hidden behind member {number + 1} of the archive")
            if header.kind == _EXTENDED:
                long_name = _long_name(content, number)
                continue
            number += 1
            name = long_name if long_name is not None else header.name
            long_name = None
            yield Member(_flat(name, number), content)
        if any(_take(file, _BLOCK)) or any(file.read()):
            raise Wrong(f"Something follows the end of the archive after member {number}")


def _header(block: bytes, number: int) -> _Header | None:
    """Return what a header says; None for the block that ends the archive."""
    if not any(block):
        return None
    where = f"Member {number + 1} of the archive"
    if block[257:265] != b"ustar\x0000":
        raise Wrong(f"{where} has no header of POSIX ustar")
    blank = block[:148] + b" " * 8 + block[156:]
    if sum(blank) != _number(block[148:156], where):
        raise Wrong(f"{where} has a damaged header")
    kind, size = block[156:157], _number(block[124:136], where)
    if kind not in {_EXTENDED, *(_REGULAR[at : at + 1] for at in range(2))} or size > _BIGGEST:
        raise Wrong(f"{where} is not a plain file of a reasonable size")
    owner = [_number(block[at : at + 8], where) for at in (100, 108, 116)]
    if kind != _EXTENDED and owner != [_MODE, 0, 0]:
        raise Wrong(f"{where} has another mode or owner than 0644 and 0")
    return _Header(block[:100].rstrip(b"\x00"), size, kind)


def _number(octets: bytes, where: str) -> int:
    found = _NUMBER.fullmatch(octets)
    if found is None:
        raise Wrong(f"{where} has a damaged header")
    return int(found[1], 8)


def _long_name(content: bytes, number: int) -> bytes:
    found = _PATH.match(content)
    if found is None or int(found[1]) != len(found[1]) + len(found[2]) + len(b" path=\n"):
        raise Wrong(f"Member {number + 1} of the archive has a damaged extended header")
    return found[2]


def _flat(name: bytes, number: int) -> str:
    try:
        text = name.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text or "/" in text or text in {".", ".."}:
        raise Wrong(f"Member {number} of the archive has a name that is none")
    return text


def _take(file: IO[bytes], length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise Wrong("The archive breaks off: it is not whole")
    return data
