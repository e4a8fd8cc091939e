"""The OpenAPI documents: one per prefix, with what the framework cannot know."""

from collections.abc import Iterator, Mapping
from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import Struct, json

from tillkeeper.core.wire import Request

_SIGN = "/api/v2/"
_UNSAFE = ("post", "patch", "delete", "put")
_PUBLIC = ("/auth", "/keys/leaked")
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request answers again what was answered first, "
    "for 72 hours; an answer that shows a secret for 15 minutes.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "required": False,
    "description": "true: do all of it and roll it back. The answer is what the change would "
    "answer, marked `Dry-Run: true`, with secrets masked; nothing of it exists afterwards.",
    "schema": {"type": "boolean"},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the resource as you have seen it: if it has another by now, "
    "nothing is changed.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": "^[ -~]+$"},
}
_BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def describe(app: Litestar) -> dict[str, Any]:
    """Return the document of one application."""
    document: dict[str, Any] = json.decode(json.encode(app.openapi_schema.to_schema()))
    document.pop("servers", None)
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": _BEARER}
    _close_requests(components.get("schemas", {}))
    _join_numbers(components)
    opts = {
        (route.path_format, str(method).lower()): handler.opt
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            opt = opts[path, method]
            is_free = path.startswith(_SIGN) and not opt.get("public")
            if is_free and "requestBody" in operation:
                _free_empty(operation["requestBody"], components["schemas"])
            operation["security"] = [] if opt.get("public") else [{"bearer": []}]
            if method in _UNSAFE and not opt.get("public"):
                operation.setdefault("parameters", []).extend(_promises(operation, opt))
    return document


def _promises(operation: Mapping[str, Any], opt: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a change honours besides its own parameters."""
    if not opt.get("counts"):
        yield _IDEMPOTENCY_KEY
    if not opt.get("signs"):
        yield _DRY_RUN
    if "412" in operation["responses"]:
        yield _IF_MATCH


def encode(document: dict[str, Any]) -> bytes:
    """Return the document as it is committed: sorted, indented, ending in a line feed."""
    return json.format(json.encode(document, order="sorted"), indent=2) + b"\n"


def _free_empty(body: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Say where nothing at all may be sent: the SIGN API takes it for an empty object."""
    schema = body["content"]["application/json"]["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    found = schemas[name] if name else schema
    body["required"] = bool(found.get("required"))
    _limit_metadata(schema)


def _close_requests(schemas: dict[str, Any]) -> None:
    """Say of request bodies that unknown fields are refused, where they are."""
    structs = _below(Request)
    names = {struct.__name__ for struct in structs}
    closed = {each.__name__ for each in structs if each.__struct_config__.forbid_unknown_fields}
    for name, schema in schemas.items():
        known = {name, name.rpartition("_")[2]}
        if known & names:
            _limit_metadata(schema.get("properties", {}).get("metadata", {}))
        if known & closed:
            schema["additionalProperties"] = False


def _limit_metadata(metadata: dict[str, Any]) -> None:
    """Say what the framework drops: the limits on keys and values of a mapping."""
    for shape in (metadata, *metadata.get("oneOf", ())):
        if shape.get("type") == "array":
            shape["maxItems"] = 0
        if shape.get("type") == "object":
            shape["propertyNames"] = {"minLength": 1, "maxLength": 40}
            is_loose = "oneOf" in shape["additionalProperties"]
            shape["maxProperties"] = 40 if is_loose else 20
            kinds = ["string", "number", "boolean", "null"] if is_loose else "string"
            shape["additionalProperties"] = {"type": kinds, "maxLength": 500}


def _join_numbers(part: Any) -> None:  # noqa: ANN401 - JSON
    """Leave out integers beside numbers: a whole number would be both, and so neither."""
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict | list):
            _join_numbers(inner)
    if isinstance(part, dict) and {"type": "number"} in part.get("oneOf", ()):
        part["oneOf"] = [each for each in part["oneOf"] if each != {"type": "integer"}]


def _below(struct: type[Struct]) -> list[type[Struct]]:
    found: list[type[Struct]] = []
    children: list[type[Struct]] = struct.__subclasses__()
    for child in children:
        found += [child, *_below(child)]
    return found
