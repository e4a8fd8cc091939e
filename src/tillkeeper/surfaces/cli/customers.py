"""The customers of a CSV file, read and checked whole before anything is sent."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from tillkeeper.core.countries import ALPHA_3

DEFAULT_KEY_NAME = "till-1"
_REQUIRED = ("external_id", "name", "address_line1", "zip", "town", "country_code")
_LONGEST = 255
_SHORTEST_NAME = 3
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEY_NAME = re.compile(r"[a-z0-9\-]{3,30}")


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """One customer; `line` is where its record begins, the header being line 1."""

    line: int
    external_id: str
    name: str
    address_line1: str
    zip: str
    town: str
    country_code: str
    address_line2: str | None = None
    state: str | None = None
    tax_number: str | None = None
    vat_id: str | None = None
    display_name: str | None = None
    key_name: str = DEFAULT_KEY_NAME


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the file: where, and what would be right."""

    line: int
    column: str | None
    sentence: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.column}" if self.column else "")
        return f"{where}: {self.sentence}"


class CustomersRefusal(Exception):
    """The file is wrong; it holds every fault there is, in the order of the lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    cells: list[str]


COLUMNS = tuple(each.name for each in fields(CustomerRow) if each.name != "line")


def read_customers(path: Path) -> list[CustomerRow]:
    """Read a file in UTF-8, with `,` or `;` between the cells; raise CustomersRefusal.

    OSError, where the file cannot be read, passes. Blank lines are skipped, cells are stripped.
    """
    faults: list[Fault] = []
    records = list(_split(_decode(path.read_bytes()), faults))
    if not records:
        names = ", ".join(_REQUIRED)
        nothing = Fault(1, None, f"The file is empty: the first line names the columns {names}")
        raise CustomersRefusal(faults or [nothing])
    header, *body = records
    columns = [name.lower() for name in header.cells]
    faults += _faults_of_header(_Record(header.line, columns))
    if not body and not faults:
        faults.append(Fault(header.line, None, "There is no customer below the header"))
    first_lines: dict[str, int] = {}
    for record in body:
        faults += _faults_of_row(record, columns, first_lines)
    if faults:
        raise CustomersRefusal(sorted(faults, key=lambda fault: fault.line))
    return [_customer(record, columns) for record in body]


def _decode(raw: bytes) -> str:
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        sentence = "This is not UTF-8: save the file as `CSV UTF-8`"
        raise CustomersRefusal([Fault(line, None, sentence)]) from error


def _split(text: str, faults: list[Fault]) -> Iterator[_Record]:
    """Yield records that are not blank. Where the quoting is broken the rest cannot be told."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip(" \u00a0") for cell in cells]
            if any(stripped):
                yield _Record(line, stripped)
            line = reader.line_num + 1
    except csv.Error as error:
        sentence = f"The cells cannot be told apart from here on: look at the quotes ({error})"
        faults.append(Fault(line, None, sentence))


def _delimiter(text: str) -> str:
    header = text.lstrip().partition("\n")[0]
    return ";" if header.count(";") > header.count(",") else ","


def _faults_of_header(header: _Record) -> Iterator[Fault]:
    known = [name for name in header.cells if name]
    for name in dict.fromkeys(known):
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1, cutoff=0.0)[0]
            sentence = f"There is no column {name!r}: did you mean {near}?"
            yield Fault(header.line, name, sentence)
        elif known.count(name) > 1:
            yield Fault(header.line, name, "This column stands here more than once: keep one")
    for name in _REQUIRED:
        if name not in known:
            yield Fault(header.line, name, f"The column {name} is missing: every customer needs it")


def _faults_of_row(
    record: _Record, columns: list[str], first_lines: dict[str, int]
) -> Iterator[Fault]:
    cells = _named(record, columns)
    if any(_beyond(record, columns)):
        yield Fault(
            record.line,
            None,
            "A cell stands under no column: put cells that hold a comma or semicolon in quotes",
        )
    for column in COLUMNS:
        if column not in cells:
            continue
        sentence = _fault_of_cell(column, cells[column])
        if sentence:
            yield Fault(record.line, column, sentence)
    external_id = cells.get("external_id")
    if external_id:
        first = first_lines.setdefault(external_id, record.line)
        if first != record.line:
            sentence = f"{external_id!r} stands in line {first} already: each customer has its own"
            yield Fault(record.line, "external_id", sentence)


def _fault_of_cell(column: str, text: str) -> str | None:
    if not text:
        return "This is empty, and every customer needs it" if column in _REQUIRED else None
    if _CONTROL.search(text):
        return "There is a line break, a tab or another control character inside: take it out"
    if len(text) > _LONGEST:
        return f"These are {len(text)} characters: at most {_LONGEST} are possible"
    return _fault_of_meaning(column, text)


def _fault_of_meaning(column: str, text: str) -> str | None:
    if column == "name" and len(text) < _SHORTEST_NAME:
        return f"{text!r} is too short: a name has at least {_SHORTEST_NAME} characters"
    if column == "country_code" and text not in ALPHA_3:
        return f"{text!r} is no country: use the three capitals of ISO 3166-1, such as DEU or AUT"
    if column == "key_name" and not _KEY_NAME.fullmatch(text):
        return f"{text!r} is no key name: use 3 to 30 of a-z, 0-9 and -, such as till-1"
    return None


def _customer(record: _Record, columns: list[str]) -> CustomerRow:
    given = {name: text for name, text in _named(record, columns).items() if text}
    return CustomerRow(line=record.line, **given)


def _named(record: _Record, columns: list[str]) -> dict[str, str]:
    """Name the cells; a record that ends early has empty ones."""
    filled = record.cells + [""] * (len(columns) - len(record.cells))
    return {name: text for name, text in zip(columns, filled, strict=False) if name in COLUMNS}


def _beyond(record: _Record, columns: list[str]) -> list[str]:
    """Return what stands behind the last column, or under one without a name."""
    padded = columns + [""] * (len(record.cells) - len(columns))
    return [text for name, text in zip(padded, record.cells, strict=False) if not name]
