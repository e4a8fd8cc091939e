"""What is refused, and what is put right, before a framework sees a request.

Deployed clients have habits that the service honours: double slashes, a second question mark,
three spellings of arrays, an empty array for an empty body with the fields in the query string.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from litestar.types import HTTPScope, Receive, Scope

from tillkeeper.core.errors import BadRequest, BodyTooLarge, SchemaViolation, UnsupportedMediaType

BODY_AT_MOST = 1_048_576

_SLASHES = re.compile(r"//+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_CONTROL_ESCAPES = re.compile(rb"%(?:[01][0-9a-f]|7f)|[\x00-\x20\x7f]", re.IGNORECASE)
_BRACKETS = re.compile(rb"(?:\[|%5B)[0-9]*(?:\]|%5D)(?==)", re.IGNORECASE)
# An escape counts where an even number of backslashes stands before it. Tab, line feed and
# carriage return may stand in longer texts; the fields that are one line refuse them by pattern.
_CONTROL_IN_JSON = re.compile(
    rb"(?<!\\)(?:\\\\)*\\(?:[bf]|u00(?:0[0-8bcefBCEF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F]))"
    rb"|\x7f|\xc2[\x80-\x9f]"
)
_SIGN = "/api/v2/"
# What the query string says of the request itself, and not of the body.
_OF_THE_QUERY = "dry_run"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def tidy(scope: HTTPScope) -> None:
    """Put path and query right, and refuse what is ambiguous or broken."""
    headers = scope["headers"]
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1:
        raise BadRequest("The request names two hosts: send one Host header")
    if not hosts and scope["http_version"] == "1.1":
        raise BadRequest("The request names no host: send a Host header")
    if sum(name == b"authorization" for name, _ in headers) > 1:
        raise BadRequest("The request carries two tokens: send one Authorization header")
    if _CONTROL.search(scope["path"]):
        raise BadRequest("The path holds control characters or is not UTF-8")
    if "//" in scope["path"]:
        scope["path"] = _SLASHES.sub("/", scope["path"])
        scope["raw_path"] = scope["path"].encode()
    if query := scope["query_string"]:
        scope["query_string"] = _tidy_query(query)


def _tidy_query(query: bytes) -> bytes:
    if _CONTROL_ESCAPES.search(query):
        raise BadRequest("The query string holds control characters")
    try:
        parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise BadRequest("The query string is not UTF-8") from error
    return _BRACKETS.sub(b"", query.lstrip(b"?"))


def tolerant(scope: Scope, receive: Receive) -> Receive:
    """Return a receive that hands over the whole body at once, checked and put right.

    Nothing is read before somebody asks for it, so a request without a valid token is refused
    while its body is still on the way, and what GET requests carry is never looked at.
    """
    is_read = False

    async def read() -> Any:  # noqa: ANN401 - a message of ASGI
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        body = await _read_all(scope, receive)
        return {"type": "http.request", "body": check_body(scope, body), "more_body": False}

    return read


async def _read_all(scope: Scope, receive: Receive) -> bytes:
    declared = dict(scope["headers"]).get(b"content-length", b"")
    if declared.isdigit() and int(declared) > BODY_AT_MOST:
        raise BodyTooLarge(BODY_AT_MOST)
    chunks, size = [], 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("The request ended before its body did")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_AT_MOST:
            raise BodyTooLarge(BODY_AT_MOST)
        if not message.get("more_body", False):
            return b"".join(chunks)


def check_body(scope: Scope, body: bytes) -> bytes:
    """Return the JSON to work on, or refuse: wrong type, broken, ambiguous or harmful."""
    stripped = body.strip()
    is_sign = scope["path"].startswith(_SIGN)
    if not stripped:
        return b"{}" if is_sign else body
    _check_type(scope)
    if _CONTROL_IN_JSON.search(body):
        raise SchemaViolation("body", "holds control characters", "Send printable text")
    parsed = _parse(stripped)
    if parsed == [] and isinstance(parsed, list):
        # In the SIGN API the query string has parameters of its own beside an empty body.
        return b"{}" if is_sign else json.dumps(_from_query(scope)).encode()
    return body


def _check_type(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind, _, rest = value.decode("latin-1").lower().partition(";")
            is_json = kind.strip() == "application/json" or kind.strip().endswith("+json")
            is_utf8 = "charset" not in rest or "utf-8" in rest or "utf8" in rest
            if not is_json or not is_utf8:
                raise UnsupportedMediaType


def _parse(body: bytes) -> object:
    try:
        text = body.decode("utf-8")
        parsed: object = _DECODER.decode(text)
    except RecursionError as error:
        raise SchemaViolation("body", "is nested too deeply", "Nest 32 levels at most") from error
    except ValueError as error:
        raise SchemaViolation("body", "is not valid JSON", "Send one JSON object") from error
    if "\\u" in text and _has_lone_surrogate(parsed):
        raise SchemaViolation("body", "holds half a character (a lone surrogate)")
    return parsed


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaViolation(f"body.{twice[:80]}", "is given twice", "Name each field once")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once_each)


def _has_lone_surrogate(value: object) -> bool:
    return bool(_LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)))


def _from_query(scope: Scope) -> dict[str, Any]:
    """Read `a=1&b[c]=2` as one deployed client means it: everything is text, as it came."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True):
        if name == _OF_THE_QUERY:
            continue
        outer, bracket, inner = name.partition("[")
        if bracket:
            fields.setdefault(outer, {})[inner.rstrip("]")] = value
        else:
            fields[name] = value
    return fields
