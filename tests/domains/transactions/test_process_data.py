"""What is signed of a schema: to the cent, and readable again."""

import re
from base64 import b64decode
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, ValidationError, json

from receipts import REAL, split
from tillkeeper.domains.signing.messages import NO_TYPE
from tillkeeper.domains.transactions.process_data import ProcessData, answer_of, process_data_of
from tillkeeper.domains.transactions.schema_wire import Schema, VatRate

SLOTS = ("NORMAL", "REDUCED_1", "SPECIAL_RATE_1", "SPECIAL_RATE_2", "NULL")
WORDS = {
    "RECEIPT": "Beleg",
    "TRAINING": "AVTraining",
    "TRANSFER": "AVTransfer",
    "ORDER": "AVBestellung",
    "CANCELLATION": "AVBelegabbruch",
    "ABORT": "AVBelegabbruch",
    "BENEFIT_IN_KIND": "AVSachbezug",
    "INVOICE": "AVRechnung",
    "OTHER": "AVSonstige",
    "ANNULATION": "AVBelegstorno",
}
PERCENTS = ("19", "7", "10.7", "5.5", "0")
amounts = st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False, places=5).flatmap(
    lambda number: st.sampled_from([f"{number:.{places}f}" for places in range(2, 6)])
)
payments = st.fixed_dictionaries(
    {"payment_type": st.sampled_from(["CASH", "NON_CASH"]), "amount": amounts},
    optional={"currency_code": st.sampled_from(["EUR", "eur", "USD", "chf"])},
)
per_rate = st.fixed_dictionaries({"vat_rate": st.sampled_from(SLOTS + PERCENTS), "amount": amounts})


def read(schema: object) -> Schema:
    return json.decode(json.encode(schema), type=Schema)


def signed(schema: object) -> tuple[str, str]:
    data = process_data_of(read(schema))
    return data.process_type, data.data.decode()


def receipt(rates: object = (), paid: object = None, kind: str = "RECEIPT") -> dict[str, Any]:
    body = {"receipt_type": kind, "amounts_per_vat_rate": rates}
    return {"standard_v1": {"receipt": body | ({"amounts_per_payment_type": paid} if paid else {})}}


def cents(amounts: list[str]) -> str:
    """Sum and round by whole numbers, in hundred thousandths."""
    total = sum(int(Decimal(amount).scaleb(5)) for amount in amounts)
    whole, rest = divmod(abs(total), 1000)
    rounded = whole + (rest >= 500)
    sign = "-" if total < 0 and rounded else ""
    return f"{sign}{rounded // 100}.{rounded % 100:02d}"


def test_the_receipts_of_real_tills_are_written_as_they_were() -> None:
    for text, amount in zip(REAL, ("21.42", "4.20"), strict=True):
        said = split(text)
        schema = receipt(
            [{"vat_rate": "NORMAL", "amount": amount}],
            [{"payment_type": "NON_CASH", "amount": amount}],
        )
        assert signed(schema) == (said.process_type, said.process_data)


@given(st.lists(per_rate, max_size=12), st.lists(payments, max_size=5))
def test_sums_are_right_to_the_cent_and_stand_in_their_slots(
    rates: list[dict[str, str]], paid: list[dict[str, str]]
) -> None:
    kind, sums, listed = signed(receipt(rates, paid))[1].split("^")
    assert kind == "Beleg"
    assert sums.split("_") == [
        cents([each["amount"] for each in rates if each["vat_rate"] in slot])
        for slot in zip(SLOTS, PERCENTS, strict=True)
    ]
    expected = []
    for each in paid:
        currency = each.get("currency_code", "EUR").upper()
        how = {"CASH": "Bar", "NON_CASH": "Unbar"}[each["payment_type"]]
        suffix = "" if currency == "EUR" else f":{currency}"
        expected.append(f"{cents([each['amount']])}:{how}{suffix}")
    assert listed == "_".join(expected)
    assert "-0.00" not in (*sums.split("_"), *listed.split("_"))


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        (["1.005"], "1.01"),
        (["1.015"], "1.02"),
        (["-1.005"], "-1.01"),
        (["-0.004"], "0.00"),
        (["0.005", "0.005"], "0.01"),
        (["0.004", "0.004", "0.004"], "0.01"),
        (["999999999999999999999999999999999999.99"], "999999999999999999999999999999999999.99"),
        (["00012.30"], "12.30"),
    ],
)
def test_half_a_cent_is_rounded_away_from_zero_after_summing(
    amounts: list[str], total: str
) -> None:
    rates = [{"vat_rate": "NULL", "amount": amount} for amount in amounts]
    assert signed(receipt(rates))[1] == f"Beleg^0.00_0.00_0.00_0.00_{total}^"


@pytest.mark.parametrize(("kind", "written"), WORDS.items())
def test_every_kind_of_receipt_has_its_word(kind: str, written: str) -> None:
    assert signed(receipt(kind=kind)) == (
        "Kassenbeleg-V1",
        f"{written}^0.00_0.00_0.00_0.00_0.00^",
    )


lines = st.fixed_dictionaries(
    {
        "quantity": st.from_regex(r"-?[0-9]{1,9}(\.[0-9]{1,5})?", fullmatch=True),
        "text": st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=255),
        "price_per_unit": amounts,
    }
)


@given(st.lists(lines, max_size=6))
def test_an_order_can_be_read_again(items: list[dict[str, str]]) -> None:
    kind, text = signed({"standard_v1": {"order": {"line_items": items}}})
    assert kind == "Bestellung-V1"
    line = re.compile(r'([^;"]+);"((?:[^"]|"")*)";([^;"\r]+)(?:\r|$)')
    found = [
        {"quantity": each[0], "text": each[1].replace('""', '"'), "price_per_unit": each[2]}
        for each in line.findall(text)
    ]
    assert found == items


@given(st.lists(per_rate, max_size=4), st.lists(payments, max_size=4))
def test_what_is_answered_is_taken_again_and_signs_the_same(
    rates: list[dict[str, str]], paid: list[dict[str, str]]
) -> None:
    schema = read(receipt(rates, paid))
    data = process_data_of(schema)
    answer = answer_of(schema, data)
    raw = answer.pop("raw")
    assert process_data_of(read(answer)) == data
    assert ProcessData(raw["process_type"], b64decode(raw["process_data"])) == data
    for each in answer["standard_v1"]["receipt"].get("amounts_per_payment_type", []):
        assert each["currency_code"], "the default is filled in"


@pytest.mark.parametrize("schema", [UNSET, Schema()])
def test_a_start_without_a_schema_signs_a_blank_and_answers_nothing(schema: Schema) -> None:
    data = process_data_of(schema)
    assert (data, data.has_type, answer_of(schema, data)) == ((NO_TYPE, b""), False, {})


@pytest.mark.parametrize(
    ("number", "text"),
    [(21.42, "21.42"), (-0.05, "-0.05"), (1.23456, "1.23456")],
)
def test_numbers_are_taken_where_text_is_specified_and_answered_as_text(
    number: float, text: str
) -> None:
    schema = read(receipt([{"vat_rate": 19, "amount": number}]))
    answered = answer_of(schema, process_data_of(schema))["standard_v1"]["receipt"]
    assert answered["amounts_per_vat_rate"] == [{"vat_rate": "19", "amount": text}]


@pytest.mark.parametrize(("number", "rate"), [(7, "7"), (7.0, "7"), (10.7, "10.7"), (0, "0")])
def test_a_rate_may_come_as_a_number(number: float, rate: str) -> None:
    schema = read(receipt([{"vat_rate": number, "amount": "1.00"}]))
    assert schema.standard_v1
    assert schema.standard_v1.receipt
    assert schema.standard_v1.receipt.amounts_per_vat_rate[0].vat_rate is VatRate(rate)


@pytest.mark.parametrize(
    ("other", "data"),
    [({}, "{}"), ({"a": [1, "ä"]}, '{"a":[1,"ä"]}'), ("Schublade", "Schublade"), (None, "null")],
)
def test_anything_else_is_signed_as_it_came(other: object, data: str) -> None:
    assert signed({"standard_v1": {"other": other}}) == ("SonstigerVorgang", data)


def test_raw_data_is_signed_byte_for_byte() -> None:
    data = process_data_of(read({"raw": {"process_type": "My-V1", "process_data": "AP8="}}))
    assert data == ("My-V1", b"\x00\xff")


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        (receipt([{"vat_rate": "NORMAL", "amount": "1"}]), "vat_rate[0].amount"),
        (receipt([{"vat_rate": "NORMAL", "amount": "1.1"}]), "vat_rate[0].amount"),
        (receipt([{"vat_rate": "NORMAL", "amount": "1.123456"}]), "vat_rate[0].amount"),
        (receipt([{"vat_rate": "NORMAL", "amount": "1,00"}]), "vat_rate[0].amount"),
        (receipt([{"vat_rate": "NORMAL", "amount": "+1.00"}]), "vat_rate[0].amount"),
        (receipt([{"vat_rate": "NORMAL", "amount": "1.00\n"}]), "amounts_per_vat_rate[0]"),
        (receipt([{"vat_rate": "NORMAL", "amount": "\u0661.\u0660\u0660"}]), "vat_rate[0].amount"),
        (receipt([{"vat_rate": "NORMAL", "amount": "9" * 40 + ".00"}]), "vat_rate[0]"),
        (receipt([{"vat_rate": "NORMAL", "amount": 1}]), "vat_rate[0]"),
        (receipt([{"vat_rate": "NORMAL", "amount": 1e21}]), "vat_rate[0]"),
        (receipt([{"vat_rate": "NORMAL", "amount": None}]), "vat_rate[0].amount"),
        (receipt([{"vat_rate": "20", "amount": "1.00"}]), "vat_rate[0].vat_rate"),
        (receipt([{"vat_rate": 16, "amount": "1.00"}]), "vat_rate[0]"),
        (receipt([{"vat_rate": "NORMAL"}]), "vat_rate[0]"),
        (receipt(kind="BELEG"), "receipt.receipt_type"),
        (receipt([], [{"payment_type": "CARD", "amount": "1.00"}]), "payment_type"),
        (
            receipt([], [{"payment_type": "CASH", "amount": "1.00", "currency_code": "EURO"}]),
            "currency_code",
        ),
        ({"standard_v1": {"receipt": {"receipt_type": "RECEIPT"}}}, "receipt"),
        ({"standard_v1": {}}, "standard_v1"),
        ({"standard_v1": {"other": {}, "order": {"line_items": []}}}, "standard_v1"),
        ({"standard_v1": {"other": {"a": ["\x00"]}}}, "standard_v1"),
        ({"standard_v1": {"other": {}}, "raw": {"process_type": "", "process_data": ""}}, ""),
        ({"raw": {"process_type": "a"}}, "raw"),
        ({"raw": {"process_type": "a", "process_data": "a"}}, "raw"),
        ({"raw": {"process_type": "a", "process_data": "dGVz dA=="}}, "raw"),
        ({"raw": {"process_type": "\x00", "process_data": ""}}, "raw"),
        ({"raw": {"process_type": "a" * 101, "process_data": ""}}, "raw"),
    ],
)
def test_what_breaks_a_rule_is_refused_where_it_stands(schema: object, where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(schema)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        {"quantity": "1.", "text": "", "price_per_unit": "1.00"},
        {"quantity": "1.123456", "text": "", "price_per_unit": "1.00"},
        {"quantity": "1", "text": "x" * 256, "price_per_unit": "1.00"},
        {"quantity": "1", "text": "\x00", "price_per_unit": "1.00"},
        {"quantity": "1", "text": "", "price_per_unit": "1"},
        {"quantity": "1", "price_per_unit": "1.00"},
    ],
)
def test_a_wrong_line_is_refused(line: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        read({"standard_v1": {"order": {"line_items": [line]}}})
