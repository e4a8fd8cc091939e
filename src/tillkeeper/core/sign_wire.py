"""Base shapes of the SIGN API, and what its clients are forgiven: values of a neighbouring kind."""

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from msgspec import Meta

from tillkeeper.core.env import Env
from tillkeeper.core.errors import SchemaViolation
from tillkeeper.core.wire import Reply

API_VERSION: Final = "2.2.2"
_KEYS, _VALUE_LONGEST = 40, 500

Loose: TypeAlias = str | int | float | bool | None
"""What is taken for a text: a number, a boolean or null become one, as Ajv makes them."""

LooseMetadata: TypeAlias = (
    Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=_KEYS)], Loose], Meta(max_length=_KEYS)
    ]
    | Annotated[list[str], Meta(max_length=0)]
)
"""An object, or the empty array that PHP writes for an empty one."""


class SignReply(
    Reply,
    rename={"id": "_id", "type": "_type", "env": "_env", "version": "_version"},
    kw_only=True,
):
    """A resource or list of the SIGN API."""

    env: Env
    version: str


class OfAnother(SignReply, kw_only=True):
    """A resource that says whose it is where its reader is another organization."""

    organization_id: UUID | None = None


def text_of(loose: Loose) -> str:
    """Return the text that a value of a neighbouring kind stands for."""
    match loose:
        case None:
            return ""
        case bool():
            return "true" if loose else "false"
        case float() if loose.is_integer():
            return str(int(loose))
    return str(loose)


def merged(stored: Mapping[str, str], given: LooseMetadata | None) -> dict[str, str]:
    """Return metadata after a change; null and "" take a key away."""
    if isinstance(given, list) and given:
        # As a whole body it comes here: the framework loses the limits of a part of a union.
        raise SchemaViolation("body", "should be an object")
    loose = given if isinstance(given, dict) else {}
    changes = {name: text_of(value) for name, value in loose.items()}
    for name, value in changes.items():
        if len(value) > _VALUE_LONGEST:
            raise SchemaViolation(
                f"body.metadata.{name}", f"should NOT be longer than {_VALUE_LONGEST} characters"
            )
    kept = {name: value for name, value in (dict(stored) | changes).items() if value}
    if len(kept) > _KEYS:
        raise SchemaViolation("body.metadata", f"should NOT have more than {_KEYS} properties")
    return kept
