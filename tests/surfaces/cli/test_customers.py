"""A file of customers is accepted whole, or refused with every fault and its place."""

from pathlib import Path

import pytest

from tillkeeper.surfaces.cli.customers import CustomerRow, CustomersRefusal, Fault, read_customers

HEADER = "external_id,name,address_line1,zip,town,country_code"
BAKERY = "c-1,Bakery,High Street 1,10115,Berlin,DEU"
EXAMPLE = Path(__file__).parents[3] / "examples" / "customers.csv"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "customers.csv"


def read(path: Path, *lines: str, before: bytes = b"") -> list[CustomerRow]:
    path.write_bytes(before + "\n".join(lines).encode())
    return read_customers(path)


def faults(path: Path, *lines: str) -> tuple[Fault, ...]:
    with pytest.raises(CustomersRefusal) as refused:
        read(path, *lines)
    return refused.value.faults


def places(found: tuple[Fault, ...]) -> list[tuple[int, str | None]]:
    return [(fault.line, fault.column) for fault in found]


def test_a_row_is_read_with_its_line_and_the_default_key_name(written: Path) -> None:
    (row,) = read(written, HEADER, BAKERY)
    assert (row.line, row.external_id, row.zip, row.key_name) == (2, "c-1", "10115", "till-1")
    assert row.vat_id is None


def test_the_example_is_valid() -> None:
    rows = read_customers(EXAMPLE)
    assert len(rows) == 24
    assert {row.country_code for row in rows} == {"DEU", "AUT", "ITA"}


def test_what_excel_writes_is_read(written: Path) -> None:
    header, row = HEADER.replace(",", ";") + ";", BAKERY.replace(",", ";") + ";"
    lines = (header + "\r", row + "\r", ";;;;;;\r", "")
    (read_row,) = read(written, *lines, before=b"\xef\xbb\xbf")
    assert (read_row.external_id, read_row.country_code) == ("c-1", "DEU")


def test_cells_in_quotes_hold_commas_and_line_numbers_count_real_lines(written: Path) -> None:
    first, second = read(
        written, HEADER, "", 'c-1,"Shop, Inc.",A 1,1,B,DEU', "", "c-2" + BAKERY[3:]
    )
    assert (first.name, first.line, second.line) == ("Shop, Inc.", 3, 5)


def test_every_fault_is_told_with_line_and_column(written: Path) -> None:
    header = HEADER + ",key_name"
    found = faults(
        written,
        header,
        "c-1,Ab,Street 1,10115,Berlin,DEU,",
        ",Bakery,Street 1,10115,Berlin,DE,Till 1",
        'c-3,"Ba\tkery",Street 1,10115,,DEU,till-1',
        "c-1,Kiosk,Street 1,10115,Berlin,DEU",
        f"c-5,{'x' * 256},Street 1,10115,Berlin,DEU,ab",
    )
    assert places(found) == [
        (2, "name"),
        (3, "external_id"),
        (3, "country_code"),
        (3, "key_name"),
        (4, "name"),
        (4, "town"),
        (5, "external_id"),
        (6, "name"),
        (6, "key_name"),
    ]


def test_a_duplicate_names_the_first_line(written: Path) -> None:
    (fault,) = faults(written, HEADER, BAKERY, BAKERY)
    assert (fault.line, fault.column) == (3, "external_id")
    assert "line 2" in fault.sentence


def test_a_missing_column_is_one_fault_and_the_rows_are_still_looked_at(written: Path) -> None:
    header = HEADER.replace(",town", "")
    found = faults(written, header, "c-1,Bakery,Street 1,10115,DE", "c-2,Kiosk,Street 2,1,DEU")
    assert places(found) == [(1, "town"), (2, "country_code")]


def test_an_unknown_column_is_told_with_the_nearest_right_one(written: Path) -> None:
    (fault,) = faults(written, HEADER + ",keyname", BAKERY + ",till-1")
    assert str(fault) == "line 1, keyname: There is no column 'keyname': did you mean key_name?"


def test_a_column_that_stands_twice_is_refused(written: Path) -> None:
    assert places(faults(written, HEADER + ",town", BAKERY + ",Bonn")) == [(1, "town")]


def test_a_cell_beyond_the_last_column_is_refused(written: Path) -> None:
    assert places(faults(written, HEADER, "c-1,Shop, Inc.,A 1,1,B,DEU"))[0] == (2, None)


@pytest.mark.parametrize("lines", [("",), ("", " "), (HEADER,), (HEADER, ",,,,,")])
def test_a_file_without_customers_is_refused(written: Path, lines: tuple[str, ...]) -> None:
    assert len(faults(written, *lines)) == 1


def test_a_line_break_inside_a_cell_is_refused_at_the_beginning_of_its_row(written: Path) -> None:
    found = faults(written, HEADER, 'c-1,"Bak\nery",A 1,1,B,DEU', "c-2,Kiosk,A 1,1,B,XXX")
    assert places(found) == [(2, "name"), (4, "country_code")]


def test_broken_quotes_are_refused_where_they_begin(written: Path) -> None:
    assert places(faults(written, HEADER, BAKERY, 'c-2,"Kiosk,A 1,1,B,DEU', "more")) == [(3, None)]


def test_another_encoding_is_refused_with_its_line(written: Path) -> None:
    written.write_bytes(f"{HEADER}\n{BAKERY}\nc-2,Bäcker".encode("latin-1"))
    with pytest.raises(CustomersRefusal, match=r"^line 3: This is not UTF-8"):
        read_customers(written)
