"""Process data of taximeters and odometers, after DSFinV-TW.

The contract names the process types and what they are about, not how the data is laid out. Groups
are set apart by `^` and the fields in them by `_`, as in Kassenbeleg-V1 and as the forbidden
characters of names suggest; times are UTC, to the second (decision 22).
"""

from datetime import UTC, datetime
from typing import Final

from msgspec import UNSET, UnsetType

from tillkeeper.domains.transactions.amounts import CASH, NON_CASH, paid, sum_to_the_cent
from tillkeeper.domains.transactions.taxi_wire import (
    CounterUnit,
    DriverChange,
    DriverStatus,
    DsfinvTwV1,
    GenericData,
    MeterType,
    PowerStatus,
    System,
    TaxiVatRate,
    TripAmount,
    TripData,
    TripPayments,
    TripReceipt,
    TripType,
)

_PREFIXES: Final = {MeterType.TAXIMETER: "T", MeterType.ODOMETER: "W"}
_CHANGES: Final = {
    DriverChange.LOGON: "Fahreranmeldung",
    DriverChange.LOGOFF: "Fahrerabmeldung",
}
_TRIPS: Final = {TripType.TARIFF: "Tariffahrt", TripType.OTHER: "sonstige Fahrt"}


def of_taxi(taxi: DsfinvTwV1) -> tuple[str, bytes]:
    """Return process type and process data of one of the seven kinds."""
    process_type, text = _of_taxi(taxi)
    return process_type, text.encode()


def _of_taxi(taxi: DsfinvTwV1) -> tuple[str, str]:  # noqa: PLR0911 - one for each kind
    if taxi.power_up is not UNSET:
        return "Einschalten-V1", _power(taxi.power_up)
    if taxi.power_off is not UNSET:
        return "Ausschalten-V1", _power(taxi.power_off)
    if taxi.driver_status is not UNSET:
        return "Fahrer-V1", _driver(taxi.driver_status)
    if taxi.trip_receipt is not UNSET:
        return "Fahrtbeleg-V1", _trip(taxi.trip_receipt)
    if taxi.empty_trip is not UNSET:
        return "Frei-V1", taxi.empty_trip.kilometer_reading
    if taxi.pause is not UNSET:
        return "Pause-V1", taxi.pause.kilometer_reading
    return "SonstigerVorgangTW", taxi.other or ""


def _power(status: PowerStatus) -> str:
    system, unit, generic = status.system, status.counter_unit, status.generic_data
    if system is UNSET or unit is UNSET or generic is UNSET:
        return ""
    return "^".join((_system(system), _unit(unit), _generic(generic)))


def _system(system: System) -> str:
    return "_".join((_PREFIXES[system.meter_type], system.manufacturer, system.model))


def _unit(unit: CounterUnit) -> str:
    kilometers = f"{unit.total_kilometers}_{unit.total_kilometers_with_passengers}"
    amounts = f"{unit.total_surcharge_or_base_amount}_{unit.total_billed_amount}"
    return f"{kilometers}_{unit.total_passenger_transfers}_{amounts}"


def _generic(generic: GenericData) -> str:
    return "_".join(
        (
            generic.constant,
            _time(generic.last_backup),
            generic.vehicle_id,
            _time(generic.local_time),
            generic.tariff_id,
        )
    )


def _driver(status: DriverStatus) -> str:
    if status.type is UNSET or status.driver_id is UNSET:
        return ""
    return f"{_CHANGES[status.type]}^{status.driver_id}"


def _trip(trip: TripReceipt) -> str:
    if (
        trip.meter_type is UNSET
        or trip.vehicle_id is UNSET
        or trip.tariff_id is UNSET
        or trip.trip_type is UNSET
        or trip.trip_data is UNSET
        or trip.amounts_per_vat_rate is UNSET
    ):
        return ""
    about = (_PREFIXES[trip.meter_type], trip.vehicle_id, trip.tariff_id, _TRIPS[trip.trip_type])
    return "^".join(
        (
            "_".join(about),
            _price(trip.trip_data),
            _sums(trip.amounts_per_vat_rate),
            _payments(trip.amounts_per_payment_type),
        )
    )


def _price(data: TripData) -> str:
    times = _time(data.trip_start), _time(data.trip_end)
    return "_".join((*times, data.distance_traveled, data.fare, data.surcharge, data.total_billed))


def _sums(amounts: list[TripAmount]) -> str:
    return "_".join(
        sum_to_the_cent([each.amount for each in amounts if each.vat_rate is rate])
        for rate in TaxiVatRate
    )


def _payments(payments: TripPayments | UnsetType) -> str:
    if payments is UNSET:
        return ""
    ways = ((CASH, payments.cash), (NON_CASH, payments.non_cash))
    return "_".join(
        paid(each.amount, how, each.currency_code)
        for how, listed in ways
        if listed is not UNSET
        for each in listed
    )


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
