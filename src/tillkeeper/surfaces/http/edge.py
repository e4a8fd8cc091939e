"""The outermost layer: request ids, headers, the way to each prefix, and what goes wrong there."""

import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar.types import HTTPScope, Message, Receive, Send

from tillkeeper.access.admission import COUNTED
from tillkeeper.access.guard import Door
from tillkeeper.core.errors import Internal, PathNotFound, Refusal
from tillkeeper.core.networks import Network
from tillkeeper.logs import log
from tillkeeper.surfaces.http.addresses import address_of
from tillkeeper.surfaces.http.hygiene import tidy, tolerant
from tillkeeper.surfaces.http.limits import counting
from tillkeeper.surfaces.http.problems import allowed, encode_refusal

_JSON = b"application/json"
_JSON_UTF8 = b"application/json; charset=utf-8"
_ALWAYS = (
    (b"strict-transport-security", b"max-age=15724800; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NO_STORE = (b"cache-control", b"no-store")
_OF_SIGN = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"X-Request-ID, Request-ID"),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, request-id"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
)
Page = Callable[[HTTPScope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Edge:
    """The service as one ASGI application; `apps` by path prefix, the longest first."""

    door: Door
    apps: Mapping[str, Page]
    pages: Mapping[str, Page]
    is_logging_access: bool = False
    trusted_proxies: tuple[Network, ...] = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request; nothing leaves without an id."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        address = address_of(scope, self.trusted_proxies)
        scope["state"] = {"request_id": os.urandom(16).hex(), "address": address}
        scope["door"] = self.door  # type: ignore[typeddict-unknown-key]
        sent = counting(self.door.house, scope, self._adorned(scope, send, started), _refuse)
        try:
            tidy(scope)
            app = self._app_of(scope["path"])
            if _is_preflight(scope):
                await _send(sent, 204, _PREFLIGHT, b"")
                return
            await app(scope, tolerant(scope, receive), sent)
        except Refusal as refusal:
            await _refuse(scope, sent, refusal)
        except Exception as error:  # noqa: BLE001 - the last renderer: nothing may leave unanswered
            log.error("request.failed", request_id=scope["state"]["request_id"], exc_info=error)
            await _refuse(scope, sent, Internal())

    def _app_of(self, path: str) -> Page:
        for prefix, app in self.apps.items():
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return app
        for prefix, page in self.pages.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return page
        raise PathNotFound

    def _adorned(self, scope: HTTPScope, send: Send, started: float) -> Send:
        request_id = scope["state"]["request_id"].encode()
        is_sign = scope["path"].lstrip("/").startswith("api/v2")
        is_started = False

        async def adorned(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                if is_started:
                    return
                is_started = True
                spent = b"%.3f" % (time.perf_counter() - started)
                status = message["status"]
                message["headers"] = _headers(message, status, request_id, spent, is_sign=is_sign)
                message["headers"] += scope["state"].get(COUNTED, ())
                if scope["method"] == "OPTIONS" and "litestar_app" in scope:
                    message["headers"] = _with_every_method(scope, message["headers"])
                if self.is_logging_access:
                    _log(scope, status, spent)
            await send(message)

        return adorned


def _headers(
    message: Any,  # noqa: ANN401 - a message of the start of an answer
    status: int,
    request_id: bytes,
    spent: bytes,
    *,
    is_sign: bool,
) -> list[tuple[bytes, bytes]]:
    given: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
    headers = [
        (name, _JSON_UTF8) if name == b"content-type" and value == _JSON else (name, value)
        for name, value in given
    ]
    headers += (
        (b"x-request-id", request_id),
        (b"request-id", request_id),
        (b"x-response-time", spent),
        (b"response-time", spent),
        *_ALWAYS,
    )
    if not any(name == b"cache-control" for name, _ in given):
        headers.append(_NO_STORE)
    if 200 <= status < 300:  # noqa: PLR2004 - recorded on success alone
        headers.append((b"vary", b"Accept-Encoding"))
    if is_sign:
        headers += _OF_SIGN
    return headers


def _with_every_method(
    scope: HTTPScope, headers: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    methods = ", ".join([*allowed(scope["litestar_app"], scope["path"]), "OPTIONS"])
    rest = [(name, value) for name, value in headers if name != b"allow"]
    return [*rest, (b"allow", methods.encode())]


def _is_preflight(scope: HTTPScope) -> bool:
    return (
        scope["method"] == "OPTIONS"
        and scope["path"].startswith("/api/v2")
        and any(name == b"access-control-request-method" for name, _ in scope["headers"])
    )


def _log(scope: HTTPScope, status: int, spent: bytes) -> None:
    log.info(
        "request.answered",
        request_id=scope["state"]["request_id"],
        method=scope["method"],
        path=scope["path"],
        status=status,
        duration_seconds=float(spent),
    )


async def _refuse(scope: HTTPScope, send: Send, refusal: Refusal) -> None:
    status, headers, body = encode_refusal(scope, refusal)
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    await _send(send, status, (*pairs, (b"content-length", str(len(body)).encode())), body)


async def _send(
    send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _live(receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Say yes to start and stop: what is opened here is opened and closed by who serves."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
