"""Text that may come as a number: deployed tills send it so, and the contract takes it.

What is decoded is kept as text, so that answers and signatures say what was meant and not how it
was sent. Patterns are those of the contract, for ASCII digits and whole values.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, TypeAlias

from msgspec import UNSET, Meta, Struct

if TYPE_CHECKING:
    # After decoding nothing else is left.
    Text: TypeAlias = str
    Amount: TypeAlias = str
    Quantity: TypeAlias = str
    Money: TypeAlias = str
    Kilometres: TypeAlias = str
    Currency: TypeAlias = str
    Digits: TypeAlias = str
else:
    Text = str | int | float | bool | None
    Amount = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]{2,5})$")] | int | float
    Quantity = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]{1,5})?$")] | int | float
    Money = Annotated[str, Meta(pattern=r"^-?[0-9]{1,16}\.[0-9]{2}$")] | int | float
    Kilometres = Annotated[str, Meta(pattern=r"^[0-9]{1,16}\.[0-9]{3}$")] | int | float
    Currency = Annotated[str, Meta(pattern=r"^[a-zA-Z]{3}$")]
    Digits = Annotated[str, Meta(pattern=r"^[0-9]+$")] | int

_LONGEST = 40
"""Of what is a number; money with more digits is not meant."""


class Rule(NamedTuple):
    """What the text of a field has to be."""

    pattern: str = r"[^\x00]*"
    at_most: int = _LONGEST


AMOUNT = Rule(r"-?[0-9]+\.[0-9]{2,5}")
QUANTITY = Rule(r"-?[0-9]+(\.[0-9]{1,5})?")
MONEY = Rule(r"-?[0-9]{1,16}\.[0-9]{2}")
KILOMETRES = Rule(r"[0-9]{1,16}\.[0-9]{3}")
CURRENCY = Rule(r"[a-zA-Z]{3}")


def name_of(at_most: int) -> Rule:
    """Return the rule for a name that stands between separators."""
    return Rule(r"[^_/^\x00]+", at_most)


class Coerced(Struct, kw_only=True):
    """Turns what is under a rule into text, and holds it to the rule."""

    rules: ClassVar[Mapping[str, Rule]] = {}

    def __post_init__(self) -> None:
        """Refuse what breaks its rule; msgspec says where it stands."""
        for name, rule in self.rules.items():
            value = getattr(self, name)
            if value is UNSET:
                continue
            text = value if type(value) is str else as_text(value)
            if len(text) > rule.at_most:
                raise ValueError(f"`{name}` should be {rule.at_most} characters at most")
            if not re.fullmatch(rule.pattern, text):
                raise ValueError(f"`{name}` should match {rule.pattern}")
            setattr(self, name, text)


def as_text(value: object) -> str:
    """Return a value of JSON as JavaScript would write it, which is what tills have tested with."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
