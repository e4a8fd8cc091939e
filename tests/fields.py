"""Every field of every body, read from the application, and what may be put into it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import inspect

Path: TypeAlias = tuple[str | int, ...]
_TEXTS = ("10.0.0.0/8", "till-2", "DE123456789", "4012345678901", "a@example.org")


class Field(NamedTuple):
    """One field, where it stands, and what it takes."""

    path: Path
    kind: inspect.Type
    """What it takes."""
    owner: type
    """The struct that it is written down in."""

    @property
    def name(self) -> str:
        return str(self.path[-1])

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.path))


def struct_of(data: type) -> inspect.StructType:
    found = inspect.type_info(data)
    assert isinstance(found, inspect.StructType)
    return found


def structs_in(
    struct: inspect.StructType, path: Path = ()
) -> Iterator[tuple[Path, inspect.StructType]]:
    """Yield every object that a body may hold, and where."""
    yield path, struct
    for field in struct.fields:
        for inner, more in _objects(field.type):
            yield from structs_in(inner, (*path, field.encode_name, *more))


def fields_of(struct: inspect.StructType, path: Path = ()) -> Iterator[Field]:
    """Yield every field, those of inner objects too."""
    for field in struct.fields:
        here = (*path, field.encode_name)
        yield Field(here, field.type, struct.cls)
        for inner, more in _objects(field.type):
            yield from fields_of(inner, (*here, *more))


def _objects(kind: inspect.Type) -> Iterator[tuple[inspect.StructType, Path]]:
    """Yield the structs that a field holds: itself, or in a list."""
    for one in choices(kind):
        if isinstance(one, inspect.StructType):
            yield one, ()
        elif isinstance(one, inspect.ListType):
            for inner, more in _objects(one.item_type):
                yield inner, (0, *more)


def choices(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """What a field takes, null and absence aside."""
    if isinstance(kind, inspect.Metadata):
        return choices(kind.type)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return tuple(each for each in kinds if not isinstance(each, inspect.NoneType))


def value_for(kind: inspect.Type, *, wanted: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return a value that the field takes, the fuller the better; another one with `wanted`."""
    found = [value for one in choices(kind) for value in _values(one)]
    assert found, f"nothing here fits {kind}: add to _TEXTS"
    return found[wanted % len(found)]


def _values(kind: inspect.Type) -> list[Any]:  # noqa: PLR0911 - a value for each kind of field
    match kind:
        case inspect.StrType(pattern=pattern):
            return [text for text in _TEXTS if pattern is None or re.search(pattern, text)]
        case inspect.IntType(ge=least):
            return [(least or 0) + 7]
        case inspect.BoolType():
            return [True, False]
        case inspect.UUIDType():
            return [str(UUID(int=7 << 76 | 8 << 60 | 7))]
        case inspect.EnumType(cls=cls):
            return [each.value for each in cls][::-1]
        case inspect.LiteralType(values=values):
            return list(values)
        case inspect.ListType(item_type=item):
            return [[value_for(item)]]
        case inspect.DictType():
            return [{"label": "text"}]
        case inspect.StructType(fields=fields):
            return [{f.encode_name: value_for(f.type) for f in fields if f.required}]
    return []


LOTS = 100_000
UNREADABLE = {
    "NUL": r'"a\u0000b"',
    "raw NUL": '"a\x00b"',
    "bell": r'"\u0007"',
    "lone surrogate": r'"\ud800"',
    "surrogates the wrong way round": r'"\udc00\ud800"',
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "beyond every number": "1e400",
    "deep list": "[" * 5000 + "]" * 5000,
    "deep object": '{"a":' * 900 + "1" + "}" * 900,
    "key given twice": '{"a":"1","a":"2"}',
    "cut": '"Kio',
    "nothing": "",
}
"""What no field takes, whatever it is: no JSON, or none that two readers agree on."""


@dataclass(frozen=True)
class Raw:
    """A text that stands in the body as it is, JSON or not."""

    text: str


def put(struct: inspect.StructType, body: Any, path: Path, value: object) -> bytes:  # noqa: ANN401
    """Return a body with something else in one place, and what that stands in where it lacks."""
    mark = "\ue000here\ue000"
    copy = msgspec.json.decode(msgspec.json.encode(body))
    inner, kind = copy, struct
    for part in path[:-1]:
        if isinstance(part, str):
            found = next(each.type for each in kind.fields if each.encode_name == part)
            inner[part] = inner.get(part) or value_for(found)
            kind = next((one for one, _ in _objects(found)), kind)
        inner = inner[part]
    inner[path[-1]] = mark
    text = value.text.encode() if isinstance(value, Raw) else msgspec.json.encode(value)
    return msgspec.json.encode(copy).replace(msgspec.json.encode(mark), text)


ODD: dict[str, object] = {
    "null": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "2^31": 2**31,
    "2^53 + 1": 2**53 + 1,
    "2^63": 2**63,
    "below -2^63": -(2**63) - 1,
    "half": 1.5,
    "digits": Raw("9" * 4000),
    "empty": "",
    "space": " ",
    "line feed": "a\nb",
    "tab": "\t=1+1",
    "long": "x" * LOTS,
    "long outside the BMP": "\U0001f600" * 300,
    "right-to-left override": "Kiosk \u202egpj.exe",
    "zero width": "\u200bKi\u200dosk\u2060",
    "byte order mark": "\ufeffKiosk",
    "line separator": "Kio\u2028sk",
    "noncharacter": "Kio\uffffsk",
    "combining": "e" + "\u0301" * 200,
    "looks like another": "K\u0456\u043esk",
    "equals": "=1+1",
    "plus": "+1+1",
    "minus": "-1+1",
    "at": "@SUM(A1)",
    "quotes": "' OR 1=1; --",
    "markup": "<script>alert(1)</script>",
    "format": "{0} %s ${jndi:x}",
    "path": "../../etc/passwd",
    "nil": str(UUID(int=0)),
    "capitals": str(UUID(int=2**128 - 1)).upper(),
    "empty list": [],
    "empty object": {},
    "list of null": [None],
    "list of lists": [[]],
    "number in an object": {"a": 1},
    "null in an object": {"a": None},
    "long list": ["x"] * 10_000,
    "large object": {f"k{n}": "v" for n in range(2_000)},
}
"""What one field or another may take: then it is stored whole."""
