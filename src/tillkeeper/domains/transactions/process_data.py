"""What of a schema is signed: process type and process data, as DSFinV-K and DSFinV-TW write them.

Amounts of one rate are summed exactly and then rounded to the cent. Payments are rounded one by one
and stay in their order. Lines of an order keep the decimals they came with.
"""

from base64 import b64decode, b64encode
from typing import Any, Final, NamedTuple

from msgspec import UNSET, UnsetType, json, to_builtins

from tillkeeper.domains.signing.messages import NO_TYPE
from tillkeeper.domains.transactions.amounts import CASH, NON_CASH, paid, sum_to_the_cent
from tillkeeper.domains.transactions.schema_wire import (
    AmountPerPaymentType,
    Order,
    PaymentType,
    Receipt,
    ReceiptType,
    Schema,
    StandardV1,
    VatRate,
)
from tillkeeper.domains.transactions.taxi_data import of_taxi


class ProcessData(NamedTuple):
    """What stands in the message."""

    process_type: str = NO_TYPE
    data: bytes = b""

    @property
    def has_type(self) -> bool:
        """Tell whether it says a type: tills that have none yet send nothing, or a raw blank."""
        return bool(self.process_type.strip())


_TYPES: Final = {
    ReceiptType.RECEIPT: "Beleg",
    ReceiptType.TRAINING: "AVTraining",
    ReceiptType.TRANSFER: "AVTransfer",
    ReceiptType.ORDER: "AVBestellung",
    ReceiptType.CANCELLATION: "AVBelegabbruch",
    ReceiptType.ABORT: "AVBelegabbruch",
    ReceiptType.BENEFIT_IN_KIND: "AVSachbezug",
    ReceiptType.INVOICE: "AVRechnung",
    ReceiptType.OTHER: "AVSonstige",
    ReceiptType.ANNULATION: "AVBelegstorno",
}
_SLOTS: Final = (
    (VatRate.NORMAL, VatRate.PERCENT_19),
    (VatRate.REDUCED_1, VatRate.PERCENT_7),
    (VatRate.SPECIAL_RATE_1, VatRate.PERCENT_10_7),
    (VatRate.SPECIAL_RATE_2, VatRate.PERCENT_5_5),
    (VatRate.NULL, VatRate.PERCENT_0),
)
_SLOT_OF: Final = {rate: number for number, rates in enumerate(_SLOTS) for rate in rates}
_PAID: Final = {PaymentType.CASH: CASH, PaymentType.NON_CASH: NON_CASH}


def process_data_of(schema: Schema | UnsetType) -> ProcessData:
    """Return what is signed of a schema; of none it is nothing, under one blank as its type."""
    if schema is UNSET:
        return ProcessData()
    if schema.standard_v1 is not UNSET:
        return _of_standard(schema.standard_v1)
    if schema.dsfinvtw_v1 is not UNSET:
        return ProcessData(*of_taxi(schema.dsfinvtw_v1))
    if schema.raw is not UNSET:
        return ProcessData(schema.raw.process_type, b64decode(schema.raw.process_data))
    return ProcessData()


def answer_of(schema: Schema | UnsetType, signed: ProcessData) -> dict[str, Any]:
    """Return a schema as it is answered: with its defaults, and with what was signed as `raw`."""
    answered: dict[str, Any] = {} if schema is UNSET else to_builtins(schema)
    if not answered:
        return {}
    raw = {"process_type": signed.process_type, "process_data": b64encode(signed.data).decode()}
    return answered | {"raw": raw}


def _of_standard(standard: StandardV1) -> ProcessData:
    if standard.receipt is not UNSET:
        return ProcessData("Kassenbeleg-V1", _receipt(standard.receipt).encode())
    if standard.order is not UNSET:
        return ProcessData("Bestellung-V1", _order(standard.order).encode())
    # Anything may stand here: a text is signed as it is, everything else as its shortest JSON.
    other = standard.other
    data = other.encode() if isinstance(other, str) else json.encode(other)
    return ProcessData("SonstigerVorgang", data)


def _receipt(receipt: Receipt) -> str:
    slots: list[list[str]] = [[] for _ in _SLOTS]
    for each in receipt.amounts_per_vat_rate:
        slots[_SLOT_OF[each.vat_rate]].append(each.amount)
    sums = map(sum_to_the_cent, slots)
    payments = receipt.amounts_per_payment_type
    listed = [] if payments is UNSET else [_payment(each) for each in payments]
    return f"{_TYPES[receipt.receipt_type]}^{'_'.join(sums)}^{'_'.join(listed)}"


def _payment(payment: AmountPerPaymentType) -> str:
    return paid(payment.amount, _PAID[payment.payment_type], payment.currency_code)


def _order(order: Order) -> str:
    return "\r".join(
        f"{each.quantity};{_quoted(each.text)};{each.price_per_unit}" for each in order.line_items
    )


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
