"""What taximeters and odometers sign, after DSFinV-TW.

Most kinds begin with an empty object and end with a whole one; breaks and empty trips say their
mileage both times.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from tillkeeper.core.wire import Seconds
from tillkeeper.domains.transactions.coerced import (
    CURRENCY,
    KILOMETRES,
    MONEY,
    Coerced,
    Currency,
    Digits,
    Kilometres,
    Money,
    Rule,
    Text,
    name_of,
)


class MeterType(StrEnum):
    """What measures."""

    TAXIMETER = "TAXIMETER"
    ODOMETER = "ODOMETER"


class DriverChange(StrEnum):
    """What a driver does."""

    LOGON = "LOGON"
    LOGOFF = "LOGOFF"


class TripType(StrEnum):
    """What kind of trip it was."""

    TARIFF = "TARIFF"
    OTHER = "OTHER"


class TaxiVatRate(StrEnum):
    """The rates that trips have."""

    NORMAL = "NORMAL"
    REDUCED_1 = "REDUCED_1"
    NULL = "NULL"


class WholeOrEmpty(Coerced, kw_only=True):
    """A start says nothing, an end says everything."""

    needed: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        """Refuse half."""
        super().__post_init__()
        missing = [name for name in self.needed if getattr(self, name) is UNSET]
        if missing and any(getattr(self, name) is not UNSET for name in self.__struct_fields__):
            raise ValueError(f"Object missing required field `{missing[0]}`")

    @property
    def is_empty(self) -> bool:
        """Tell whether it is as a start is."""
        return getattr(self, self.needed[0]) is UNSET


class System(Coerced, kw_only=True):
    """The meter itself."""

    rules: ClassVar = {"manufacturer": Rule(at_most=50), "model": Rule(at_most=50)}
    meter_type: MeterType
    manufacturer: Text
    model: Text


class CounterUnit(Coerced, kw_only=True):
    """What the meter has counted so far."""

    rules: ClassVar = {
        "total_kilometers": KILOMETRES,
        "total_kilometers_with_passengers": KILOMETRES,
        "total_passenger_transfers": Rule(r"[0-9]{1,20}"),
        "total_surcharge_or_base_amount": MONEY,
        "total_billed_amount": MONEY,
    }
    total_kilometers: Kilometres
    total_kilometers_with_passengers: Kilometres
    total_passenger_transfers: Digits
    total_surcharge_or_base_amount: Money
    total_billed_amount: Money


class GenericData(Coerced, kw_only=True):
    """How the meter is set up."""

    rules: ClassVar = {
        "constant": Rule(r"[0-9]{1,10}"),
        "vehicle_id": name_of(20),
        "tariff_id": name_of(50),
    }
    constant: Digits
    last_backup: Seconds
    vehicle_id: Text
    local_time: Seconds
    tariff_id: Text = "0"


class PowerStatus(WholeOrEmpty, kw_only=True):
    """The meter was switched on or off (`Einschalten-V1`, `Ausschalten-V1`)."""

    needed: ClassVar = ("system", "counter_unit", "generic_data")
    system: System | UnsetType = UNSET
    counter_unit: CounterUnit | UnsetType = UNSET
    generic_data: GenericData | UnsetType = UNSET


class DriverStatus(WholeOrEmpty, kw_only=True):
    """A driver came or went (`Fahrer-V1`)."""

    rules: ClassVar = {"driver_id": name_of(40)}
    needed: ClassVar = ("type", "driver_id")
    type: DriverChange | UnsetType = UNSET
    driver_id: Text | UnsetType = UNSET


class TripData(Coerced, kw_only=True):
    """From when to when, how far and for how much."""

    rules: ClassVar = {
        "distance_traveled": KILOMETRES,
        "fare": MONEY,
        "surcharge": MONEY,
        "total_billed": MONEY,
    }
    trip_start: Seconds
    trip_end: Seconds
    distance_traveled: Kilometres
    fare: Money
    surcharge: Money
    total_billed: Money


class TripAmount(Coerced, kw_only=True):
    """What of a trip is taxed at a rate, gross."""

    rules: ClassVar = {"amount": MONEY}
    vat_rate: TaxiVatRate
    amount: Money


class TripPayment(Coerced, kw_only=True):
    """What was paid for a trip in one currency."""

    rules: ClassVar = {"amount": MONEY, "currency_code": CURRENCY}
    amount: Money
    currency_code: Currency = "EUR"


class TripPayments(Struct, kw_only=True):
    """What was paid for a trip, where the meter serves as a till too."""

    cash: list[TripPayment] | UnsetType = UNSET
    non_cash: list[TripPayment] | UnsetType = UNSET


class TripReceipt(WholeOrEmpty, kw_only=True):
    """A trip with a passenger (`Fahrtbeleg-V1`)."""

    rules: ClassVar = {"vehicle_id": name_of(20), "tariff_id": name_of(50)}
    needed: ClassVar = (
        "meter_type",
        "vehicle_id",
        "trip_type",
        "trip_data",
        "amounts_per_vat_rate",
    )
    meter_type: MeterType | UnsetType = UNSET
    vehicle_id: Text | UnsetType = UNSET
    tariff_id: Text | UnsetType = UNSET
    trip_type: TripType | UnsetType = UNSET
    trip_data: TripData | UnsetType = UNSET
    amounts_per_vat_rate: list[TripAmount] | UnsetType = UNSET
    amounts_per_payment_type: TripPayments | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Fill in the tariff of a trip, not of a start."""
        super().__post_init__()
        if not self.is_empty and self.tariff_id is UNSET:
            self.tariff_id = "0"


class Mileage(Coerced, kw_only=True):
    """A trip without a passenger (`Frei-V1`) or a break (`Pause-V1`)."""

    rules: ClassVar = {"kilometer_reading": KILOMETRES}
    kilometer_reading: Kilometres


class DsfinvTwV1(Struct, kw_only=True, rename={"pause": "break"}):
    """What a meter signs: exactly one of these."""

    power_up: PowerStatus | UnsetType = UNSET
    power_off: PowerStatus | UnsetType = UNSET
    driver_status: DriverStatus | UnsetType = UNSET
    trip_receipt: TripReceipt | UnsetType = UNSET
    empty_trip: Mileage | UnsetType = UNSET
    pause: Mileage | UnsetType = UNSET
    other: Annotated[str, Meta(max_length=512)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse none and several."""
        if sum(getattr(self, name) is not UNSET for name in self.__struct_fields__) != 1:
            raise ValueError(f"Exactly one of {', '.join(self.__struct_encode_fields__)} is wanted")
        if isinstance(self.other, str) and "\x00" in self.other:
            raise ValueError("`other` should not hold the character U+0000")
