"""The `schema` of a transaction as it comes and as it is answered: what a till has to sign."""

from base64 import b64decode
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from msgspec import UNSET, Struct, UnsetType, field

from tillkeeper.domains.transactions.coerced import (
    AMOUNT,
    CURRENCY,
    QUANTITY,
    Amount,
    Coerced,
    Currency,
    Quantity,
    Rule,
    Text,
    as_text,
)
from tillkeeper.domains.transactions.taxi_wire import DsfinvTwV1


class ReceiptType(StrEnum):
    """What kind of receipt it is (BON_TYP of DSFinV-K)."""

    RECEIPT = "RECEIPT"
    TRAINING = "TRAINING"
    TRANSFER = "TRANSFER"
    ORDER = "ORDER"
    CANCELLATION = "CANCELLATION"
    ABORT = "ABORT"
    BENEFIT_IN_KIND = "BENEFIT_IN_KIND"
    INVOICE = "INVOICE"
    OTHER = "OTHER"
    ANNULATION = "ANNULATION"


class VatRate(StrEnum):
    """The rates by name, and by the percentages that tills used to send."""

    NORMAL = "NORMAL"
    REDUCED_1 = "REDUCED_1"
    SPECIAL_RATE_1 = "SPECIAL_RATE_1"
    SPECIAL_RATE_2 = "SPECIAL_RATE_2"
    NULL = "NULL"
    PERCENT_19 = "19"
    PERCENT_7 = "7"
    PERCENT_10_7 = "10.7"
    PERCENT_5_5 = "5.5"
    PERCENT_0 = "0"


class PaymentType(StrEnum):
    """How it was paid (ZAHLART_TYP of DSFinV-K)."""

    CASH = "CASH"
    NON_CASH = "NON_CASH"


if TYPE_CHECKING:
    Rate: TypeAlias = VatRate
else:
    Rate = VatRate | int | float


class AmountPerVatRate(Coerced, kw_only=True):
    """What is taxed at a rate, gross."""

    rules: ClassVar = {"amount": AMOUNT}
    vat_rate: Rate
    amount: Amount

    def __post_init__(self) -> None:
        """Know a rate that came as a number."""
        super().__post_init__()
        if not isinstance(self.vat_rate, VatRate):
            text = as_text(self.vat_rate)
            if text not in set(VatRate):
                raise ValueError(f"`vat_rate` should be one of {', '.join(VatRate)}")
            self.vat_rate = VatRate(text)


class AmountPerPaymentType(Coerced, kw_only=True):
    """What was paid in one way and currency."""

    rules: ClassVar = {"amount": AMOUNT, "currency_code": CURRENCY}
    payment_type: PaymentType
    amount: Amount
    currency_code: Currency = "EUR"


class Receipt(Struct, kw_only=True):
    """A receipt of `Kassenbeleg-V1`."""

    receipt_type: ReceiptType
    amounts_per_vat_rate: list[AmountPerVatRate]
    amounts_per_payment_type: list[AmountPerPaymentType] | UnsetType = UNSET


class LineItem(Coerced, kw_only=True):
    """A line of an order."""

    rules: ClassVar = {
        "quantity": QUANTITY,
        "text": Rule(at_most=255),
        "price_per_unit": AMOUNT,
    }
    quantity: Quantity
    text: Text
    price_per_unit: Amount


class Order(Struct, kw_only=True):
    """An order of `Bestellung-V1`."""

    line_items: list[LineItem]


class StandardV1(Struct, kw_only=True):
    """What a till signs: exactly one of these."""

    receipt: Receipt | UnsetType = UNSET
    order: Order | UnsetType = UNSET
    other: Any = UNSET

    def __post_init__(self) -> None:
        """Refuse none, several, and what no database takes."""
        if sum(each is not UNSET for each in (self.receipt, self.order, self.other)) != 1:
            raise ValueError("Exactly one of `receipt`, `order` and `other` is wanted")
        if any("\x00" in text for text in _texts(self.other)):
            raise ValueError("`other` should not hold the character U+0000")


class Raw(Coerced, kw_only=True):
    """What the till has put together by itself; `process_data` in base64."""

    rules: ClassVar = {"process_type": Rule(at_most=100)}
    process_type: Text
    process_data: str

    def __post_init__(self) -> None:
        """Refuse what is not base64."""
        super().__post_init__()
        try:
            b64decode(self.process_data, validate=True)
        except ValueError as error:
            raise ValueError("`process_data` should be base64") from error


class Schema(Struct, kw_only=True):
    """What is to be signed, in one of three ways; an empty one says no more than none."""

    standard_v1: StandardV1 | UnsetType = UNSET
    dsfinvtw_v1: DsfinvTwV1 | UnsetType = UNSET
    raw: Raw | UnsetType = field(default=UNSET)

    def __post_init__(self) -> None:
        """Refuse several."""
        if sum(each is not UNSET for each in (self.standard_v1, self.dsfinvtw_v1, self.raw)) > 1:
            raise ValueError("Exactly one of `standard_v1`, `dsfinvtw_v1` and `raw` is wanted")


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _texts(each)
