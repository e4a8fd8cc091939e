"""The yardstick: a raw ASGI application that does the same work by hand, and nothing beside it.

One statement a request, a plain FIFO of connections, HS256 and msgspec; no row-level security, no
idempotency, no refusals but 401, no request ids, no OpenAPI.
"""

import asyncio
import hmac
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct, json

from bench.baseline_sql import ADD, ADD_MANY, COUNT, FIND, LIST, LIST_AFTER, LOGIN

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_HEADER = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
_SECONDS = 86_400


class Claims(Struct):
    sub: UUID
    organization_id: UUID
    exp: int


class Login(Struct):
    api_key: str
    api_secret: str


class Wanted(Struct):
    name: str
    address_line1: str
    zip: str
    town: str
    country_code: str
    managed_by_organization_id: UUID
    tax_number: str | None = None
    external_id: str | None = None


class WantedKey(Struct):
    name: str
    status: str


class Item(Struct):
    organization: Wanted
    api_key: WantedKey


class Batch(Struct):
    items: list[Item]


class Organization(
    Struct, omit_defaults=True, rename={"id": "_id", "type": "_type", "envs": "_envs"}
):
    """The answer, its fields in the order of the statement's columns."""

    id: UUID
    type: str
    envs: list[str]
    name: str
    address_line1: str
    zip: str
    town: str
    country_code: str
    created_by_user: UUID
    display_name: str | None = None
    address_line2: str | None = None
    state: str | None = None
    tax_number: str | None = None
    vat_id: str | None = None
    economy_id: str | None = None
    external_id: str | None = None
    contact_person_id: UUID | None = None
    billing_options: str | None = None
    billing_address_id: UUID | None = None
    managed_configuration: str | None = None
    metadata: str | None = None
    managed_by_organization_id: UUID | None = None
    administered_by_organization_id: UUID | None = None


class Baseline:
    """Five routes over a handful of connections."""

    def __init__(self, connections: list[Connection], secret: bytes) -> None:
        self._secret = secret
        self._idle: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in connections:
            self._idle.put_nowait(connection)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        try:
            status, body = 200, json.encode(await self._answer(scope, receive))
        except LookupError:
            status, body = 401, b'{"error":"Unauthorized"}'
        length = (b"content-length", b"%d" % len(body))
        headers = [(b"content-type", b"application/json"), length]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> object:  # noqa: ANN401 - ASGI
        path = scope["path"]
        if path == "/auth":
            return await self._authenticate(json.decode(await _read(receive), type=Login))
        actor = self._open(scope["headers"])
        if path == "/organizations/batch":
            return await self._add_many(actor, json.decode(await _read(receive), type=Batch))
        if scope["method"] == "POST":
            return await self._add(actor, json.decode(await _read(receive), type=Wanted))
        if path == "/organizations":
            return await self._list(actor, dict(parse_qsl(scope["query_string"].decode())))
        (row,) = await self._fetch(FIND, actor.sub, UUID(path.rpartition("/")[2])) or (None,)
        return Organization(*row) if row else None

    async def _authenticate(self, login: Login) -> object:
        digest = hmac.digest(self._secret, login.api_secret.encode(), "sha256")
        rows = await self._fetch(LOGIN, login.api_key, digest)
        if not rows:
            raise LookupError
        key_id, organization_id = rows[0]
        claims = Claims(key_id, organization_id, int(time.time()) + _SECONDS)
        return {
            "access_token": self._sign(claims),
            "access_token_claims": {"env": "TEST", "organization_id": claims.organization_id},
            "access_token_expires_in": _SECONDS,
            "access_token_expires_at": claims.exp,
            "refresh_token": self._sign(claims),
            "refresh_token_expires_in": _SECONDS,
            "refresh_token_expires_at": claims.exp,
        }

    async def _list(self, actor: Claims, asked: dict[str, str]) -> object:
        manager, limit = UUID(asked["managed_by_organization_id"]), int(asked["limit"])
        if "offset" in asked:
            offset = int(asked["offset"])
            rows = await self._fetch(LIST, actor.sub, manager, limit, offset)
            ((count,),) = await self._fetch(COUNT, manager)
            data = [Organization(*row[1:]) for row in rows]
            return {"data": data, "count": count, "_type": "ORGANIZATION_LIST"}
        if cursor := asked.get("cursor"):
            micros, begun_after = cursor.split("_")
            after = datetime.fromtimestamp(int(micros) / 1e6, UTC), UUID(begun_after)
            rows = await self._fetch(LIST_AFTER, actor.sub, manager, limit + 1, *after)
        else:
            rows = await self._fetch(LIST, actor.sub, manager, limit + 1, 0)
        data = [Organization(*row[1:]) for row in rows[:limit]]
        following = None
        if len(rows) > limit:
            at, last = rows[limit - 1][:2]
            following = f"{round(at.timestamp() * 1e6)}_{last}"
        more = {"has_more": following is not None, "next_cursor": following}
        return {"data": data, "_type": "ORGANIZATION_LIST"} | more

    async def _add(self, actor: Claims, wanted: Wanted) -> object:
        (row,) = await self._fetch(
            ADD,
            actor.sub,
            *(getattr(wanted, name) for name in Wanted.__struct_fields__),
            uuid4(),
            datetime.now(UTC),
        ) or (None,)
        return Organization(*row) if row else None

    async def _add_many(self, actor: Claims, batch: Batch) -> object:
        rows, secrets = [], []
        for item in batch.items:
            secrets.append(urlsafe_b64encode(os.urandom(32)).decode())
            digest = hmac.digest(self._secret, secrets[-1].encode(), "sha256").hex()
            key = {"key_id": uuid4(), "key": f"test_{uuid4().hex}", "digest": digest}
            wanted = {name: getattr(item.organization, name) for name in Wanted.__struct_fields__}
            rows.append(wanted | key | {"id": uuid4(), "key_name": item.api_key.name})
        text = json.encode(rows).decode()
        made = await self._fetch(ADD_MANY, actor.sub, datetime.now(UTC), text)
        by_id = {row["id"]: Organization(*row) for row in made}
        data = [
            {
                "organization": by_id[row["id"]],
                "api_key": {"_id": row["key_id"], "key": row["key"], "secret": secret},
            }
            for row, secret in zip(rows, secrets, strict=True)
        ]
        return {"data": data, "created": len(data)}

    async def _fetch(self, statement: str, *values: object) -> list[Any]:
        connection = await self._idle.get()
        try:
            return await connection.fetch(statement, *values)
        finally:
            self._idle.put_nowait(connection)

    def _sign(self, claims: Claims) -> str:
        signed = _HEADER + b"." + urlsafe_b64encode(json.encode(claims)).rstrip(b"=")
        signature = hmac.digest(self._secret, signed, "sha256")
        return (signed + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()

    def _open(self, headers: list[tuple[bytes, bytes]]) -> Claims:
        token = next(value for name, value in headers if name == b"authorization")[7:]
        return opened(self._secret, token)


def opened(secret: bytes, token: bytes) -> Claims:
    """Return what a token says, or raise LookupError."""
    signed, _, signature = token.rpartition(b".")
    wanted = hmac.digest(secret, signed, "sha256")
    if not hmac.compare_digest(signature, urlsafe_b64encode(wanted).rstrip(b"=")):
        raise LookupError
    claims = json.decode(urlsafe_b64decode(signed.partition(b".")[2] + b"=="), type=Claims)
    if claims.exp <= time.time():
        raise LookupError
    return claims


async def _read(receive: Any) -> bytes:  # noqa: ANN401 - ASGI
    body = bytearray()
    while True:
        message: dict[str, Any] = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)
