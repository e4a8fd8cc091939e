"""What taximeters and odometers sign."""

from typing import Any

import pytest
from msgspec import ValidationError, json

from tillkeeper.domains.transactions.process_data import answer_of, process_data_of
from tillkeeper.domains.transactions.schema_wire import Schema

POWER: dict[str, Any] = {
    "system": {"meter_type": "TAXIMETER", "manufacturer": "Hale", "model": "MCT-07"},
    "counter_unit": {
        "total_kilometers": "1000.000",
        "total_kilometers_with_passengers": "500.500",
        "total_passenger_transfers": 77,
        "total_surcharge_or_base_amount": "12.00",
        "total_billed_amount": "1234.50",
    },
    "generic_data": {
        "constant": "1000",
        "last_backup": 1_629_729_387,
        "vehicle_id": "4711",
        "local_time": 1_629_729_393,
    },
}
POWERED = (
    "T_Hale_MCT-07^1000.000_500.500_77_12.00_1234.50^"
    "1000_2021-08-23T14:36:27_4711_2021-08-23T14:36:33_0"
)
TRIP: dict[str, Any] = {
    "meter_type": "ODOMETER",
    "vehicle_id": "4711",
    "trip_type": "TARIFF",
    "trip_data": {
        "trip_start": 1_629_729_387,
        "trip_end": 1_629_729_393,
        "distance_traveled": "12.345",
        "fare": "20.00",
        "surcharge": "1.50",
        "total_billed": "21.50",
    },
    "amounts_per_vat_rate": [
        {"vat_rate": "REDUCED_1", "amount": "20.00"},
        {"vat_rate": "REDUCED_1", "amount": "1.50"},
    ],
}
TRIPPED = (
    "W_4711_{}_Tariffahrt^2021-08-23T14:36:27_2021-08-23T14:36:33_12.345_20.00_1.50_21.50^"
    "0.00_21.50_0.00^{}"
)
PAID = {"cash": [{"amount": "20.00"}], "non_cash": [{"amount": "1.50", "currency_code": "USD"}]}


def read(kind: str, said: object) -> Schema:
    return json.decode(json.encode({"dsfinvtw_v1": {kind: said}}), type=Schema)


def signed(kind: str, said: object) -> tuple[str, str]:
    data = process_data_of(read(kind, said))
    return data.process_type, data.data.decode()


@pytest.mark.parametrize(
    ("kind", "said", "process_type", "data"),
    [
        ("power_up", {}, "Einschalten-V1", ""),
        ("power_up", POWER, "Einschalten-V1", POWERED),
        ("power_off", {}, "Ausschalten-V1", ""),
        ("power_off", POWER, "Ausschalten-V1", POWERED),
        ("driver_status", {}, "Fahrer-V1", ""),
        ("driver_status", {"type": "LOGON", "driver_id": "1"}, "Fahrer-V1", "Fahreranmeldung^1"),
        ("driver_status", {"type": "LOGOFF", "driver_id": 1}, "Fahrer-V1", "Fahrerabmeldung^1"),
        ("trip_receipt", {}, "Fahrtbeleg-V1", ""),
        ("trip_receipt", TRIP, "Fahrtbeleg-V1", TRIPPED.format("0", "")),
        (
            "trip_receipt",
            TRIP | {"tariff_id": "N 2", "amounts_per_payment_type": PAID},
            "Fahrtbeleg-V1",
            TRIPPED.format("N 2", "20.00:Bar_1.50:Unbar:USD"),
        ),
        ("empty_trip", {"kilometer_reading": "1.234"}, "Frei-V1", "1.234"),
        ("break", {"kilometer_reading": 1.234}, "Pause-V1", "1.234"),
        ("other", "Schichtende", "SonstigerVorgangTW", "Schichtende"),
    ],
)
def test_every_kind_has_its_type_and_data(
    kind: str, said: object, process_type: str, data: str
) -> None:
    assert signed(kind, said) == (process_type, data)


def test_defaults_are_answered_but_not_at_a_start() -> None:
    for said, expected in (({}, {}), (TRIP, TRIP | {"tariff_id": "0"})):
        schema = read("trip_receipt", said)
        answer = answer_of(schema, process_data_of(schema))
        assert answer["dsfinvtw_v1"] == {"trip_receipt": expected}
        assert answer["raw"]["process_type"] == "Fahrtbeleg-V1"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("power_up", {"system": POWER["system"]}),
        ("driver_status", {"type": "LOGON"}),
        ("driver_status", {"type": "LOGIN", "driver_id": "1"}),
        ("driver_status", {"type": "LOGON", "driver_id": "a_b"}),
        ("driver_status", {"type": "LOGON", "driver_id": "a^b"}),
        ("driver_status", {"type": "LOGON", "driver_id": "1" * 41}),
        ("trip_receipt", TRIP | {"vehicle_id": "1" * 21}),
        ("trip_receipt", TRIP | {"tariff_id": "1" * 51}),
        ("trip_receipt", TRIP | {"trip_type": "SHORT"}),
        ("trip_receipt", TRIP | {"trip_data": TRIP["trip_data"] | {"fare": "1.234"}}),
        ("trip_receipt", TRIP | {"trip_data": TRIP["trip_data"] | {"trip_end": -1}}),
        ("trip_receipt", {key: TRIP[key] for key in TRIP if key != "amounts_per_vat_rate"}),
        ("trip_receipt", {"tariff_id": "1"}),
        ("empty_trip", {}),
        ("break", {"kilometer_reading": "1.23"}),
        ("break", {"kilometer_reading": "-1.234"}),
        ("other", "x" * 513),
        ("other", "\x00"),
    ],
)
def test_half_a_statement_and_wrong_ones_are_refused(kind: str, said: object) -> None:
    with pytest.raises(ValidationError):
        read(kind, said)


def test_a_meter_says_one_thing_at_a_time() -> None:
    for said in ({}, {"other": "x", "break": {"kilometer_reading": "1.234"}}):
        with pytest.raises(ValidationError, match=r"Exactly one of power_up, .*, break, other"):
            json.decode(json.encode({"dsfinvtw_v1": said}), type=Schema)
