"""Refusals and failures into answers: one shape, in JSON or as RFC 9457."""

import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

from litestar import Litestar, Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.types import Method, Scope
from msgspec import json, structs

from tillkeeper.access.idempotency import Replay
from tillkeeper.core.errors import (
    AccessDenied,
    BadRequest,
    Internal,
    MethodNotAllowed,
    PathNotFound,
    Refusal,
    SchemaViolation,
)
from tillkeeper.core.wire import Detail, Missing, Problem
from tillkeeper.logs import log

AnyRequest = Request[Any, Any, Any]

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
_METHODS: tuple[Method, ...] = ("GET", "POST", "PATCH", "PUT", "DELETE")
_NOUNS = {
    "organizations": "organization_id",
    "api-keys": "key_id",
    "users": "user_id",
    "billing-addresses": "address_id",
    "audit-log": "row_id",
    "agreements": "agreement_id",
}
_ANY_ID = str(UUID(int=0))
_NO_BODY = "'data'"
_OF_FIELD = re.compile(r"(contains unknown|missing required) field `([^`]{1,100})`")
_OF_PARAMETER = re.compile(r"issing required (\w+) parameter '([^']{1,100})'")
_SOURCES = {"body": "body", "query": "params", "path": "params", "header": "header"}


def render_refusal(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """Say no in the refusal's own words."""
    status, headers, body = encode_refusal(request.scope, refusal)
    return Response(body, status_code=status, headers=headers, media_type=headers["content-type"])


def render_replay(_: AnyRequest, replay: Replay) -> Response[bytes]:
    """Say again what was said before."""
    headers = {"Idempotency-Replayed": "true"}
    return Response(replay.body, status_code=replay.status, headers=headers, media_type=JSON)


def render_validation(request: AnyRequest, error: ValidationException) -> Response[bytes]:
    """Name the first field that is wrong, and the rule."""
    extra: Any = error.extra or [{}]
    first = extra[0] if isinstance(extra, list) else {}
    source = _SOURCES.get(str(getattr(first.get("source"), "value", "")), "body")
    key = str(first.get("key") or "")
    rule = str(first.get("message") or error.detail)
    if rule == _NO_BODY:
        rule = "is required: send a JSON object"
    elif found := _OF_FIELD.search(rule):
        inner = key.rstrip(".") if key != "data" else ""
        key = f"{inner}.{found[2]}" if inner else found[2]
        rule = "is not known here" if found[1] == "contains unknown" else "is required"
    elif found := _OF_PARAMETER.search(rule):
        source, key, rule = _SOURCES.get(found[1], "params"), found[2], "is required"
    field = source if key in ("", "data") else f"{source}.{key}"
    return render_refusal(request, SchemaViolation(field, rule[:1].lower() + rule[1:]))


def render_http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Give the framework's own refusals our shape."""
    if isinstance(error, MethodNotAllowedException):
        methods = allowed(request.app, request.scope["path"])
        return render_refusal(request, MethodNotAllowed(*methods))
    if isinstance(error, NotFoundException):
        wrong = _wrong_id(request.app, request.scope["path"])
        return render_refusal(request, wrong or PathNotFound())
    return render_refusal(request, _refusal_of(error))


def render_unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Tell nothing: the reason goes to the log under the request's id."""
    if isinstance(error, RecursionError):
        return render_refusal(request, SchemaViolation("body", "is nested too deeply"))
    if refusal := _refusal_within(error):
        return render_refusal(request, refusal)
    log.error("request.failed", request_id=request_id_of(request.scope), exc_info=error)
    return render_refusal(request, Internal())


def _refusal_within(error: BaseException) -> Refusal | None:
    """Find what the operation made of a failure inside it: the framework hands over both."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_refusal_within, error.exceptions)), None)
    return error if isinstance(error, Refusal) else None


def encode_refusal(scope: Scope, refusal: Refusal) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer that says no."""
    problem = _problem(scope, refusal)
    accepts = dict(scope["headers"]).get(b"accept", b"")
    is_rfc = PROBLEM_JSON.encode() in accepts
    headers = {"content-type": PROBLEM_JSON if is_rfc else JSON}
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    if isinstance(refusal, MethodNotAllowed):
        headers["Allow"] = ", ".join(refusal.allowed)
    if problem.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem.status_code, headers, json.encode(_rfc9457(problem) if is_rfc else problem)


def request_id_of(scope: Scope) -> str:
    """Return the id under which this request is in every header, log line and audit row."""
    request_id: str = scope["state"].get("request_id", "")
    return request_id


def _problem(scope: Scope, refusal: Refusal) -> Problem:
    details = missing = None
    if isinstance(refusal, SchemaViolation):
        details = [Detail(field=refusal.field, rule=refusal.rule, fix=refusal.fix)]
    if isinstance(refusal, AccessDenied):
        missing = Missing(
            right=refusal.right,
            organization_id=str(refusal.organization_id),
            env=refusal.env,
        )
    return Problem(
        status_code=refusal.status,
        error=HTTPStatus(refusal.status).phrase,
        code=refusal.code,
        message=refusal.sentence,
        request_id=request_id_of(scope),
        details=details,
        missing=missing,
    )


def _rfc9457(problem: Problem) -> dict[str, Any]:
    fields = {k: v for k, v in structs.asdict(problem).items() if v is not None}
    kind = f"/docs/errors#{problem.code}" if problem.code else "about:blank"
    return {
        "type": kind,
        "title": problem.error,
        "status": fields.pop("status_code"),
        "detail": fields.pop("message"),
        "instance": f"urn:request:{problem.request_id}",
        **fields,
    }


def _refusal_of(error: HTTPException) -> Refusal:
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return SchemaViolation("body", "is not valid JSON", "Send one JSON object in UTF-8")
    return BadRequest(str(error.detail))


def allowed(app: Litestar, path: str) -> list[str]:
    """Return the methods that a path knows: the framework counts one router's alone."""
    return [method for method in _METHODS if _can_route(app, path, method)]


def _can_route(app: Litestar, path: str, method: Method) -> bool:
    try:
        app.asgi_router.handle_routing(path=path, method=method)
    except (NotFoundException, MethodNotAllowedException):
        return False
    return True


def _wrong_id(app: Litestar, path: str) -> SchemaViolation | None:
    """Return what is wrong where a path would be right with a UUID in its place."""
    parts = path.split("/")
    wrong = [i for i, part in enumerate(parts) if i and parts[i - 1] in _NOUNS and not _is_id(part)]
    if not wrong or not parts[wrong[0]]:
        return None
    tried = "/".join(_ANY_ID if i in wrong else part for i, part in enumerate(parts))
    if not allowed(app, tried):
        return None
    return SchemaViolation(f"params.{_NOUNS[parts[wrong[0] - 1]]}", 'should match format "uuid"')


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
