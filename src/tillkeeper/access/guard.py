"""Litestar's edge of access: the guard, and the operation that handlers get."""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import json

from tillkeeper.access import queries
from tillkeeper.access.admission import admit_actor, admit_stranger, told_agent
from tillkeeper.access.condition import Condition, Lock
from tillkeeper.access.entrance import actor_of, admit, target_of
from tillkeeper.access.idempotency import Claim, answer_claim, keep_answer
from tillkeeper.access.identity import Credential, Signer
from tillkeeper.access.operation import House, Operation
from tillkeeper.access.queries import Entered, Opening
from tillkeeper.access.rehearsal import is_dry_run
from tillkeeper.access.trail import record_refusal
from tillkeeper.access.uses import Used
from tillkeeper.core.errors import (
    IdempotencyInFlight,
    Refusal,
    SchemaViolation,
    Unauthorized,
)
from tillkeeper.core.etags import etag_of, parse_etags
from tillkeeper.core.wire import Reply
from tillkeeper.db.pool import Tx

AnyConnection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Credential, Any, Any]
Op = NamedDependency[SkipValidation[Operation]]

PUBLIC = {"public": True}
ACROSS = {"walls": "across"}
"""Marks the one route that acts on an env which the organization does not have yet."""
WIDE = {"walls": "wide"}
"""Marks a route that looks from the organization of its path upwards, as far as the actor sees."""
SUBTREE = {"walls": "subtree"}
"""Marks a route that reads what the organization of its path reaches."""
BULK = {"lane": "bulk"}
"""Marks a route that creates many things at once: it is counted apart."""

_TAGS_AT_MOST = 1000


@dataclass
class Door:
    """What the guard needs of the house at every request."""

    house: House
    _signer: Signer | None = None

    @property
    def signer(self) -> Signer:
        """Reads and writes tokens, with the secrets that the house has now."""
        if self._signer is None or self._signer.keyring is not self.house.keyring:
            self._signer = Signer(self.house.keyring)
        return self._signer


def door_of(connection: AnyConnection) -> Door:
    """Return what the edge has put into the scope."""
    door: Door = connection.scope["door"]  # type: ignore[typeddict-item]
    return door


def opened_by(opening: Opening) -> dict[str, object]:
    """Mark a route whose one query runs inside the statement that enters."""
    return {"opening": opening}


def resource(lock: Lock) -> dict[str, object]:
    """Mark a changing route that honours If-Match, by the query that reads and locks."""
    return {"resource": lock}


class TokenCheck:
    """Refuse without a valid token, before the body is read and without the database.

    A layer around each route instead of a Litestar guard, for which the framework copies the
    handler at every request. The transaction is not opened here: a body that arrives slowly would
    hold its connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the token, and tell the scope whose it is."""
        opt, state = scope["route_handler"].opt, scope["state"]
        door: Door = scope["door"]  # type: ignore[typeddict-item]
        is_public = bool(opt.get("public"))
        if is_public:
            await admit_stranger(door.house, scope)
        else:
            by = scope["user"] = door.signer.read("access", _bearer(scope), time.time())
            await admit_actor(door.house, scope, by, is_bulk=opt.get("lane") == "bulk")
        method: str = scope["method"]  # type: ignore[typeddict-item]
        state["is_dry_run"] = is_dry_run(method, scope["query_string"], is_public=is_public)
        await self._app(scope, receive, send)


def _bearer(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and token:
                return token.strip(" ")
    raise Unauthorized("Send a token: Authorization: Bearer <access_token>")


async def provide_op(request: AnyRequest) -> AsyncGenerator[Operation]:
    """Enter with the token's credential; commit after the handler, before the answer leaves.

    The only generator dependency, because Litestar forgets to close an open one when a second
    refuses. This one may refuse: it does so inside its own transaction.
    """
    door, opt = door_of(request), request.route_handler.opt
    if opening := opt.get("opening"):
        async with door.house.db.lend() as tx:
            entered, opened = await opening(tx, **_parameters(request))
            op = _operation(request, tx, entered, opened)
        try:
            yield op
        except Refusal as refusal:
            await record_refusal(door.house, op, refusal)
            raise
        return
    dry = is_rehearsed(request)
    # A rehearsal claims nothing; a key that is none is refused as it would be.
    claim = await _read_claim(request, door)
    claim = None if dry else claim
    op_or_none = None
    db = door.house.db
    try:
        async with db.rehearse() if dry else db.begin() as tx:
            op_or_none = op = await _enter(request, tx, claim)
            yield op
            if claim is not None:
                await keep_answer(op, claim)
    except Refusal as refusal:
        if op_or_none is not None and not dry:
            await record_refusal(door.house, op_or_none, refusal)
        raise


def is_rehearsed(request: AnyRequest) -> bool:
    """Tell whether this request changes nothing in the end."""
    return bool(request.scope["state"].get("is_dry_run"))


class Answer(Response[Any]):
    """The answer to an operation, without what the framework offers and nobody here asks for.

    It is encoded inside the transaction, and once encoded the operation may keep it.
    """

    def __init__(self, content: object, *, status_code: int = 200, **_: object) -> None:
        self.content = content
        self.status_code = status_code

    def to_asgi_response(
        self,
        app: Litestar | None,  # noqa: ARG002 - the framework's signature
        request: AnyRequest,
        **_: Any,  # noqa: ANN401 - the framework's signature
    ) -> Any:  # noqa: ANN401 - an ASGI application
        """Encode, inside the transaction."""
        body, status = json.encode(self.content), self.status_code or 200
        op: Operation | None = request.scope.get("op")  # type: ignore[assignment]
        if op is not None:
            op.answer, op.status = body, status

        tag = _tag(self.content, body) if status == HTTPStatus.OK else None
        if tag is not None and request.method == "GET" and _is_known(request, tag):
            body, status = b"", HTTPStatus.NOT_MODIFIED

        async def answer(_: Scope, __: Receive, send: Any) -> None:  # noqa: ANN401 - ASGI
            length = str(len(body)).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            if tag is not None:
                headers.append((b"etag", tag.encode()))
            if is_rehearsed(request):
                headers.append((b"dry-run", b"true"))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return answer


def _tag(content: object, body: bytes) -> str | None:
    """Return the tag of an answer that is one resource."""
    if isinstance(content, Reply) and "id" in content.__struct_fields__:
        return etag_of(content, body)
    return None


def _is_known(request: AnyRequest, tag: str) -> bool:
    header = request.headers.get("if-none-match")
    if header is None:
        return False
    tags = parse_etags(header)
    return tags is None or tag in tags


async def _read_claim(request: AnyRequest, door: Door) -> Claim | None:
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    headers = request.headers
    key = headers.get("idempotency-key", headers.get("x-idempotency-key"))
    if key is None:
        return None
    query = request.scope["query_string"].decode("latin-1")
    route = f"{request.method} {request.scope['path']}?{query}"
    return Claim.of(door.house.keyring, key, request.user.sub, route, await request.body())


async def _enter(request: AnyRequest, tx: Tx, claim: Claim | None) -> Operation:
    try:
        entered = await queries.enter(tx, request.user, **_target(request), **_claimed(claim))
        op = _operation(request, tx, entered, None)
        if claim is not None and entered is not None:
            await answer_claim(tx, claim, entered)
    except asyncpg.LockNotAvailableError as error:
        raise IdempotencyInFlight from error
    request.scope["op"] = op  # type: ignore[typeddict-unknown-key]
    return op


def _operation(request: AnyRequest, tx: Tx, entered: Entered | None, opened: object) -> Operation:
    entered = admit(entered)
    now, address = datetime.now(UTC), request.scope["state"].get("address")
    _count_use(request, now, address)
    return Operation(
        tx=tx,
        actor=actor_of(request.user, entered),
        target=target_of(entered),
        is_wide=_path_target(request) is None,
        house=door_of(request).house,
        id=request.scope["state"].get("request_id", ""),
        now=now,
        address=address,
        agent=agent_of(request),
        condition=_condition(request),
        is_dry_run=is_rehearsed(request),
        opened=opened,
    )


def _condition(request: AnyRequest) -> Condition | None:
    """Read If-Match; where it would be ignored it is refused, because somebody relies on it."""
    header = request.headers.get("if-match")
    if header is None or request.method in ("GET", "HEAD"):
        return None
    if not header.isascii() or not header.isprintable() or not 1 <= len(header) <= _TAGS_AT_MOST:
        raise SchemaViolation("header.if-match", "should hold the ETags of earlier answers, or *")
    lock = request.route_handler.opt.get("resource")
    if lock is None:
        raise SchemaViolation("header.if-match", "has no resource to be compared with here")
    return Condition(parse_etags(header), lock, _path_within(request))


def _path_within(request: AnyRequest) -> dict[str, Any]:
    return {k: v for k, v in request.path_params.items() if k != "organization_id"}


def _count_use(request: AnyRequest, now: datetime, address: str | None) -> None:
    by: Credential = request.user
    if by.kind == "key":
        used = Used(by.organization_id, by.env, by.sub, by.generation)
        door_of(request).house.uses.count(used, now, address)


def agent_of(request: AnyRequest) -> str | None:
    """Return what the client calls itself, as far as it is worth keeping."""
    return told_agent(request.scope)


def _path_target(request: AnyRequest) -> UUID | None:
    if request.route_handler.opt.get("walls") == "wide":
        return None
    target: UUID | None = request.path_params.get("organization_id")
    return target


def _target(request: AnyRequest) -> dict[str, object]:
    return {
        "target": _path_target(request),
        "opening": request.route_handler.opt.get("walls", "narrow"),
        "address": request.scope["state"].get("address"),
    }


def _claimed(claim: Claim | None) -> dict[str, object]:
    if claim is None:
        return {"claim": None, "wanted_fingerprint": None}
    return {"claim": claim.id, "wanted_fingerprint": claim.fingerprint}


def _parameters(request: AnyRequest) -> dict[str, object]:
    entering = queries.of_credential(request.user) | _target(request) | _claimed(None)
    return entering | _path_within(request)
