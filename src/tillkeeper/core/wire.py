"""Base shapes for what crosses the network."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

Line = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)")]
"""One line of text, as it is printed on an invoice."""

Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]],
    Meta(max_length=20),
]

Name = Annotated[str, Meta(min_length=3, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)")]

ApiKeyName = Annotated[str, Meta(pattern=r"^[a-z0-9\-]{3,30}$(?!\n)")]

Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f\x7f\"<>(),;:\\]{1,64}@[^@\s\x00-\x1f\x7f\"<>(),;:\\]+\.[^@\s\x00-\x1f\x7f\"<>(),;:\\.]+$(?!\n)",
    ),
]

Seconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]
"""A moment, as seconds since 1970 in UTC."""

Gln = Annotated[str, Meta(pattern=r"^[0-9]{13}$(?!\n)")]


class Request(Struct, forbid_unknown_fields=True):
    """What a caller sends: unknown fields are refused."""


class Reply(
    Struct,
    omit_defaults=True,
    rename={"id": "_id", "type": "_type", "envs": "_envs", "success": "_success"},
):
    """What a caller receives: server-made fields carry an underscore, unset ones stay away."""

    apart: ClassVar[frozenset[str]] = frozenset()
    """Fields, as the wire names them, that do not make it another resource: see `core.etags`."""


class Done(Reply, kw_only=True):
    """The answer to a deletion, and to a switch."""

    success: Literal[True]


class Detail(Reply, kw_only=True):
    """One field that is wrong: where, which rule, and what to do."""

    field: str
    rule: str
    fix: str | None = None


class Missing(Reply, kw_only=True):
    """What a caller who may see something lacks to do it."""

    right: str
    organization_id: str
    env: str


class Problem(Reply, kw_only=True):
    """The single error shape."""

    status_code: int
    error: str
    code: str | None = None
    message: str
    request_id: str
    details: list[Detail] | None = None
    missing: Missing | None = None
