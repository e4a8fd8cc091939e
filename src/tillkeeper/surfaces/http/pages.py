"""What is not an API: the reference with its assets, and whether the service is well."""

import gzip
from collections.abc import Mapping
from functools import cache

from litestar.types import HTTPScope, Receive, Send
from msgspec import json

from tillkeeper.access.operation import House
from tillkeeper.core.errors import MethodNotAllowed, Overloaded, PathNotFound
from tillkeeper.surfaces.http.docs import (
    CONTENT_SECURITY_POLICY,
    reference_page,
    static_file,
)

_DOCUMENTS = {"Management API": "/docs/management.json", "SIGN API": "/docs/sign.json"}
_HTML = "text/html; charset=utf-8"
_DAY = b"public, max-age=86400"


class Reference:
    """`/docs`: the page, its assets and the OpenAPI documents, without any outside address."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        self._documents = {f"/docs/{name}.json": body for name, body in documents.items()}

    async def __call__(self, scope: HTTPScope, _: Receive, send: Send) -> None:
        """Answer one request below /docs."""
        path = scope["path"].rstrip("/")
        if path == "/docs":
            await _send(scope, send, reference_page(_DOCUMENTS), _HTML)
        elif path in self._documents:
            await _send(scope, send, self._documents[path], "application/json")
        else:
            body, media_type = _zipped(path.removeprefix("/docs/static/"))
            zipped = (b"content-encoding", b"gzip"), (b"cache-control", _DAY)
            await _send(scope, send, body, media_type, *zipped)


@cache
def _zipped(name: str) -> tuple[bytes, str]:
    found = static_file(name)
    if found is None:
        raise PathNotFound
    return gzip.compress(found[0], mtime=0), found[1]


class Health:
    """`/health`: whether requests can be answered, and nothing about what is inside."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: HTTPScope, _: Receive, send: Send) -> None:
        """Ask the database for a sign of life."""
        if scope["path"].rstrip("/") != "/health":
            raise PathNotFound
        try:
            async with self._house.db.lend() as tx:
                await tx.execute("SELECT 1")
        except Overloaded:
            await _send(
                scope, send, json.encode({"status": "down"}), "application/json", status=503
            )
            return
        await _send(scope, send, json.encode({"status": "ok"}), "application/json")


async def _send(
    scope: HTTPScope,
    send: Send,
    body: bytes,
    media_type: str,
    *headers: tuple[bytes, bytes],
    status: int = 200,
) -> None:
    if scope["method"] != "GET":
        raise MethodNotAllowed("GET")
    every = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body, "more_body": False})
