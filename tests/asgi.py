"""Calls the service without a client in between: four times the calls in the same time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import json

from tillkeeper.surfaces.http.edge import Edge


class Answered(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:  # noqa: ANN401 - whatever JSON it is
        return json.decode(self.content) if self.content else {}

    @property
    def said(self) -> tuple[int, str | None]:
        """The status and the code."""
        body = self.body if self.status >= 400 else {}
        return self.status, body.get("code")


async def call(  # noqa: PLR0913 - a request
    app: Edge,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: object = None,
    query: str = "",
    ip: str = "127.0.0.1",
    raw: Sequence[tuple[bytes, bytes]] = (),
) -> Answered:
    """Send one request into the application, and wait for the whole answer.

    Bytes are sent as they are, everything else as JSON; `raw` are headers beside the usual.
    """
    content = body if isinstance(body, bytes) else b"" if body is None else json.encode(body)
    headers = [(b"host", b"test"), (b"content-length", str(len(content)).encode()), *raw]
    if body is not None:
        headers.append((b"content-type", b"application/json"))
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(_scope(method, path, query, headers, ip), receive, send)
    answer = b"".join(message.get("body", b"") for message in sent[1:])
    names = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answered(sent[0]["status"], names, answer)


def _scope(
    method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], ip: str
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": (ip, 40000),
        "server": ("test", 80),
    }
