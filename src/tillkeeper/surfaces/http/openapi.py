"""The OpenAPI documents: one per prefix, with what the framework cannot know."""

from typing import Any

from litestar import Litestar
from msgspec import json

from tillkeeper.core.wire import Request

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
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            is_public = path.endswith(_PUBLIC)
            operation["security"] = [] if is_public else [{"bearer": []}]
            if method in _UNSAFE and not is_public:
                parameters = operation.setdefault("parameters", [])
                parameters += [_IDEMPOTENCY_KEY, _DRY_RUN]
                if "412" in operation["responses"]:
                    parameters.append(_IF_MATCH)
    return document


def encode(document: dict[str, Any]) -> bytes:
    """Return the document as it is committed: sorted, indented, ending in a line feed."""
    return json.format(json.encode(document, order="sorted"), indent=2) + b"\n"


def _close_requests(schemas: dict[str, Any]) -> None:
    """Say of every request body that unknown fields are refused."""
    names = {struct.__name__ for struct in _below(Request)}
    for name, schema in schemas.items():
        if name.rpartition("_")[2] in names or name in names:
            schema["additionalProperties"] = False
            _limit_metadata(schema)


def _limit_metadata(schema: dict[str, Any]) -> None:
    """Say what the framework drops: the limits on keys and values of a mapping."""
    metadata = schema.get("properties", {}).get("metadata", {})
    for shape in (metadata, *metadata.get("oneOf", ())):
        if shape.get("type") == "object":
            shape["maxProperties"] = 20
            shape["propertyNames"] = {"minLength": 1, "maxLength": 40}
            shape["additionalProperties"] = {"type": "string", "maxLength": 500}


def _below(struct: type) -> list[type]:
    found: list[type] = []
    children: list[type] = struct.__subclasses__()
    for child in children:
        found += [child, *_below(child)]
    return found
