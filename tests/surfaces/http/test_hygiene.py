"""What deployed clients and attackers send: honoured, or refused clearly; never a failure."""

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tillkeeper.surfaces.http.edge import Edge
from world import ADDRESS, KEY, Json, World

PROBLEM = {"status_code", "error", "message", "request_id"}
MEBIBYTE = 1_048_576


@pytest.fixture
def made() -> list[str]:
    """What a test has stored on purpose, by name."""
    return []


@pytest.fixture(autouse=True)
async def nothing_else_is_stored(world: World, made: list[str]) -> AsyncGenerator[None]:
    """Whatever a test sends, no organization and no key comes of it, unless it says so."""
    before = await _stored(world)
    yield
    assert await _stored(world) - before == len(made)


async def _stored(world: World) -> int:
    counted = "SELECT (SELECT count(*) FROM organizations) + (SELECT count(*) FROM api_keys)"
    number: int = await world.owner.fetchval(counted)
    return number


@dataclass(frozen=True)
class Raw:
    """An answer as it left the service."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        (value,) = [value for each, value in self.headers if each == name]
        return value

    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found


async def send(  # noqa: PLR0913 - a request has that many parts
    world: World,
    method: str,
    path: str,
    *,
    body: bytes | Sequence[bytes] = b"",
    is_cut: bool = False,
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    token: str | None = None,
) -> Raw:
    """Send what no well-behaved client can be talked into, as the server would hand it over."""
    token = token or world.vendor_test.headers["authorization"]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"test"), (b"authorization", token.encode()), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    chunks = [body] if isinstance(body, bytes) else list(body)
    incoming = [
        {"type": "http.request", "body": chunk, "more_body": is_cut or number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]
    return await _exchange(world.app, scope, incoming)


async def _exchange(app: Edge, scope: Json, incoming: list[Json]) -> Raw:
    sent: list[Any] = []

    async def receive() -> Any:  # noqa: ANN401 - a message of ASGI
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def keep(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
        sent.append(message)

    await app(scope, receive, keep)
    found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return Raw(sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent[1:]))


def problem(answer: Raw | httpx.Response, *statuses: int) -> Json:
    """Check that an answer is a refusal in the house's shape, and return it."""
    status = answer.status if isinstance(answer, Raw) else answer.status_code
    found: Json = answer.json()
    assert status in statuses, found
    assert set(found) - {"code", "details", "missing"} == PROBLEM
    assert found["status_code"] == status
    if isinstance(answer, Raw):
        assert answer["content-type"] == "application/json; charset=utf-8"
        assert answer["x-request-id"] == found["request_id"]
    return found


def managed(world: World, **fields: object) -> Json:
    wanted = {"name": "Kiosk", "managed_by_organization_id": str(world.vendor)} | ADDRESS
    return wanted | fields


def encoded(world: World, **fields: object) -> bytes:
    return json.dumps(managed(world, **fields)).encode()


JSON_TYPE = [(b"content-type", b"application/json")]
HARMFUL = {
    "NUL": b"\\u0000",
    "NUL in capitals": b"\\U0000",
    "raw NUL": b"\x00",
    "raw bell": b"\x07",
    "bell": b"\\u0007",
    "backspace": b"\\b",
    "form feed": b"\\f",
    "raw line feed": b"\n",
    "raw tab": b"\t",
    "delete": b"\\u007f",
    "raw delete": b"\x7f",
    "C1": b"\\u0085",
    "raw C1": b"\xc2\x85",
    "escaped backslash before NUL": b"\\\\\\u0000",
    "lone high surrogate": b"\\ud800",
    "lone low surrogate": b"\\udfff",
    "surrogates the wrong way round": b"\\udc00\\ud800",
    "raw surrogate": b"\xed\xa0\x80",
    "overlong NUL": b"\xc0\x80",
    "broken UTF-8": b"\xff",
    "cut UTF-8": b"\xe2\x82",
    "beyond Unicode": b"\xf4\x90\x80\x80",
}


@pytest.mark.parametrize("name", HARMFUL)
@pytest.mark.parametrize("where", ["name", "external_id", "metadata", "metadata key", "field"])
async def test_harmful_characters_in_a_body_are_refused(
    world: World, name: str, where: str
) -> None:
    places: dict[str, Json] = {
        "metadata": {"metadata": {"k": "HARM"}},
        "metadata key": {"metadata": {"HARM": "v"}},
        "field": {"HARM": "v"},
    }
    fields = places.get(where, {where: "Kiosk HARM"})
    body = encoded(world, **fields).replace(b"HARM", HARMFUL[name])
    answer = await send(world, "POST", "/api/v0/organizations", body=body, headers=JSON_TYPE)
    assert problem(answer, 400)["code"] == "E_FAILED_SCHEMA_VALIDATION"


async def test_harmless_escapes_are_taken_as_they_are(world: World, made: list[str]) -> None:
    for text in (b"\\\\u0000", b"\\u00e4", b"\\ud83d\\ude00", "ä € 😀".encode(), b"\\\\b", b"\\/"):
        body = encoded(world, name="Kiosk HARM").replace(b"HARM", text)
        answer = await send(world, "POST", "/api/v0/organizations", body=body, headers=JSON_TYPE)
        assert answer.status == 200, answer.body
        assert answer.json()["name"] == json.loads(b'"Kiosk ' + text + b'"')
        made.append(answer.json()["name"])


@pytest.mark.parametrize(
    "query",
    [
        b"external_id=%00",
        b"external_id=a%00b",
        b"external_id=%1F",
        b"external_id=%7f",
        b"external_id=%0d%0aX: y",
        b"external_id=\x00",
        b"external_id=%ED%A0%80",
        b"external_id=%ff",
        b"external_id=%C0%80",
        b"external_id=\xff",
        b"%00=1",
        b"cursor=%00",
    ],
)
async def test_harmful_characters_in_a_query_are_refused(world: World, query: bytes) -> None:
    answer = await send(world, "GET", "/api/v0/organizations", query=query)
    assert problem(answer, 400)["code"] in ("E_BAD_REQUEST", "E_FAILED_SCHEMA_VALIDATION")


def hex_of(character: str) -> str:
    return hex(ord(character))


IN_PATHS = [0x00, 0x07, 0x0A, 0x7F, 0x85, 0xD800, 0xFFFD]


@pytest.mark.parametrize("character", [chr(number) for number in IN_PATHS], ids=hex_of)
async def test_harmful_characters_in_a_path_are_refused(world: World, character: str) -> None:
    for path in ("/api/v0/organizations/{}", "/api/v0/{}", "/{}", "/api/v0/organizations/{}/users"):
        answer = await send(world, "GET", path.format(character))
        assert problem(answer, 400)["code"] == "E_BAD_REQUEST"


NUMBERS = [2**31, 2**31 - 1, 2**63, 2**63 - 1, 2**64, 10**30, 10**400, -(2**31) - 1, -(2**63) - 1]


@pytest.mark.parametrize(
    "number", [*NUMBERS, -1, "1e9", "0x10", "", " ", "NaN", "null", "1.5", "\u0661"]
)
async def test_wrong_numbers_in_a_query_are_refused_by_name(
    world: World, number: int | str
) -> None:
    organization = f"/organizations/{world.vendor}"
    for path in ("/organizations", "/billing-addresses", f"{organization}/users"):
        for name in ("limit", "offset"):
            answer = await world.vendor_test.get(path, params={name: str(number)})
            assert problem(answer, 400)["details"][0]["field"] == f"params.{name}"


async def test_the_limits_of_paging_are_where_they_are_promised(world: World) -> None:
    for name, good, wrong in (
        ("limit", (1, 5000), (0, 5001)),
        ("offset", (0, 10**6), (10**6 + 1,)),
    ):
        for number in good:
            answer = await world.vendor_test.get("/organizations", params={name: number})
            assert answer.status_code == 200
        for number in wrong:
            problem(await world.vendor_test.get("/organizations", params={name: number}), 400)


FINE: list[tuple[str, object]] = [
    ("metadata", {}),
    ("metadata", {"a": "b"}),
    ("billing_options", {}),
]


@pytest.mark.parametrize("value", [*NUMBERS, 1.5, 1e308, True, None, [], {}, ["Kiosk"], {"a": "b"}])
async def test_wrong_kinds_of_values_in_a_body_are_refused(world: World, value: object) -> None:
    for name in ("name", "zip", "managed_by_organization_id", "billing_options", "metadata"):
        if (name, value) in FINE or (value is None and name not in ("name", "zip")):
            continue
        body = json.dumps(managed(world) | {name: value}).encode()
        answer = await send(world, "POST", "/api/v0/organizations", body=body, headers=JSON_TYPE)
        assert problem(answer, 400)["code"] == "E_FAILED_SCHEMA_VALIDATION"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 20_000,
        b"[" * 20_000 + b"]" * 20_000,
        b'{"name":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"metadata":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"metadata":{"k":' + b"[" * 900 + b"]" * 900 + b"}}",
        b"[" * 33 + b"]" * 33,
        b'{"name":' + b"9" * 20_000 + b"}",
        b'{"name":1e999999}',
        b'{"name":NaN}',
        b'{"name":Infinity}',
        b'{"name":"' + b"x" * 100_000 + b'"}',
        b'{"' + b"x" * 100_000 + b'":1}',
        b"{'name':'Kiosk'}",
        b'{"name":"Kiosk",}',
        b'{"name":"Kiosk"}{}',
        b'{"name":"Kiosk"}//',
        b"\xef\xbb\xbf{}",
        b"nul",
        b"null",
        b"1",
        b'"text"',
        b"{",
        b"[]]",
        b"[1]",
        b"[[]]",
        b"{}",
    ],
    ids=lambda body: f"{body[:12]!r}, {len(body)}",
)
async def test_broken_deep_and_endless_json_is_refused(world: World, body: bytes) -> None:
    key = f"/api/v0/organizations/{world.vendor}/api-keys"
    for path in ("/api/v0/organizations", "/api/v0/auth", "/api/v2/auth", key):
        answer = await send(world, "POST", path, body=body, headers=JSON_TYPE)
        assert problem(answer, 400)["code"] == "E_FAILED_SCHEMA_VALIDATION"


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 10**9, 10**30])
async def test_a_body_that_is_declared_too_large_is_refused_unread(world: World, size: int) -> None:
    headers = [*JSON_TYPE, (b"content-length", str(size).encode())]
    answer = await send(world, "POST", "/api/v0/organizations", body=b"{}", headers=headers)
    assert problem(answer, 413)["code"] == "E_BODY_TOO_LARGE"


async def test_a_body_that_turns_out_too_large_is_refused(world: World) -> None:
    for chunks in ([b" " * 65_536] * 17, [b"x" * (MEBIBYTE + 1)], [b" "] * 10 + [b"x" * MEBIBYTE]):
        for path in ("/api/v0/organizations", "/api/v0/auth"):
            answer = await send(world, "POST", path, body=chunks, headers=JSON_TYPE)
            assert problem(answer, 413)["code"] == "E_BODY_TOO_LARGE"


async def test_a_body_of_exactly_a_mebibyte_is_read(world: World, made: list[str]) -> None:
    body = encoded(world)
    padded = body + b" " * (MEBIBYTE - len(body))
    chunks = [padded[start : start + 65_536] for start in range(0, MEBIBYTE, 65_536)]
    answer = await send(world, "POST", "/api/v0/organizations", body=chunks, headers=JSON_TYPE)
    assert answer.status == 200
    made.append("Kiosk")


async def test_a_body_that_breaks_off_changes_nothing(world: World) -> None:
    body, path = encoded(world), "/api/v0/organizations"
    for cut in (body[:20], body):
        answer = await send(world, "POST", path, body=cut, is_cut=True, headers=JSON_TYPE)
        assert problem(answer, 400)["code"] == "E_BAD_REQUEST"


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"Kiosk","name":"Kiosk"}',
        '{"name":"Kiosk","n\\u0061me":"Till"}',
        '{"metadata":{"k":"1","k":"2"}}',
        '{"billing_options":{"gln":null,"gln":null}}',
        '{"items":[{"a":1,"a":1}]}',
    ],
)
async def test_a_field_is_given_once(world: World, text: str) -> None:
    body = text.encode()
    answer = await send(world, "POST", "/api/v0/organizations", body=body, headers=JSON_TYPE)
    assert "is given twice" in problem(answer, 400)["message"]


@pytest.mark.parametrize("second", [b"test", b"evil.example", b""])
async def test_two_hosts_are_refused(world: World, second: bytes) -> None:
    for path in ("/api/v0/me", "/api/v0/auth", "/docs", "/health", "/nowhere"):
        answer = await send(world, "GET", path, headers=[(b"host", second)])
        assert problem(answer, 400)["code"] == "E_BAD_REQUEST"


@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain",
        b"text/json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/xml",
        b"application/octet-stream",
        b"application/msgpack",
        b"application/jsonx",
        b"application/json; charset=utf-16",
        b"application/json; charset=latin1",
        b"json",
        b"*/*",
        b"",
        b"\xff",
    ],
)
async def test_a_body_of_another_type_is_refused(world: World, kind: bytes) -> None:
    for path in ("/api/v0/organizations", "/api/v0/auth"):
        headers = [(b"content-type", kind)]
        answer = await send(world, "POST", path, body=encoded(world), headers=headers)
        assert problem(answer, 415)["code"] == "E_UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"application/json;charset=UTF-8",
        b"Application/JSON; charset=utf8",
        b"application/problem+json",
        None,
    ],
)
async def test_json_under_its_usual_names_is_taken(
    world: World, made: list[str], kind: bytes | None
) -> None:
    headers = [] if kind is None else [(b"content-type", kind)]
    answer = await send(
        world, "POST", "/api/v0/organizations", body=encoded(world), headers=headers
    )
    assert answer.status == 200
    made.append("Kiosk")


async def test_double_slashes_lead_to_the_same_place(world: World) -> None:
    one = (await world.vendor_test.get(f"/organizations/{world.shop}")).json()
    for path in (
        f"//api/v0/organizations/{world.shop}",
        f"/api//v0/organizations/{world.shop}",
        f"/api/v0//organizations///{world.shop}",
        f"/api/v0/organizations/{world.shop}/",
        f"/api/v0/organizations/{world.shop}//",
    ):
        answer = await send(world, "GET", path)
        assert (answer.status, answer.json()) == (200, one), path


@pytest.mark.parametrize("query", [b"?limit=1", b"limit=1", b"??limit=1", b"?limit=1&a=b"])
async def test_a_second_question_mark_is_forgiven(world: World, query: bytes) -> None:
    answer = await send(world, "GET", "/api/v0/organizations", query=query)
    assert len(answer.json()["data"]) == 1


SPELLINGS = ["status", "status[]", "status[0]", "status%5B%5D", "status%5b7%5d"]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_arrays_are_understood_in_every_deployed_spelling(
    world: World, spelling: str
) -> None:
    path = f"/api/v0/organizations/{world.shop}/api-keys"
    for value, number in (("enabled", 1), ("disabled", 0)):
        answer = await send(world, "GET", path, query=f"{spelling}={value}".encode())
        assert (answer.status, answer.json()["count"]) == (200, number)
    problem(await send(world, "GET", path, query=f"{spelling}=lost".encode()), 400)


@pytest.mark.parametrize("body", [b"{", b"\x00" * 9, b"x" * (MEBIBYTE + 9), b'{"a":1,"a":2}'])
async def test_what_a_get_request_carries_is_never_read(world: World, body: bytes) -> None:
    for path in ("/api/v0/me", "/api/v0/organizations", f"/api/v0/organizations/{world.shop}"):
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        assert (await send(world, "GET", path, body=body, headers=headers)).status == 200


UNKNOWN = [
    "/",
    "/api",
    "/api/v0",
    "/api/v0/",
    "/api/v1/me",
    "/api/v0x/me",
    "/api/v2",
    "/api/v2/me",
    "/api/v0/mee",
    "/api/v0/me/more",
    "/api/v0/organisations",
    "/api/v0/../v0/me",
    "/api/v0/./me",
    "/API/V0/me",
    "/docs/../api/v0/me",
    "/docs/static/../docs.py",
    "/docs/static/vendor/../../docs.py",
    "/docs/errors.md",
    "/metrics",
    "/openapi.json",
    "/schema",
    "/never-served/openapi.json",
    "*",
    "",
]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_an_unknown_path_is_not_found(world: World, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await send(world, method, path)
        assert problem(answer, 404)["code"] == "E_NOT_FOUND"


@pytest.mark.parametrize("wrong", ["1", "vendor", "%7Bid%7D", "0" * 31, "null", "undefined"])
async def test_a_path_with_a_wrong_id_names_the_parameter(world: World, wrong: str) -> None:
    for path, name in (
        ("/organizations/{}", "organization_id"),
        ("/organizations/{}/users", "organization_id"),
        (f"/organizations/{world.shop}/api-keys/{{}}", "key_id"),
        ("/billing-addresses/{}", "address_id"),
    ):
        answer = await world.vendor_test.get(path.format(wrong))
        if "users" not in path or answer.status_code != 405:
            assert problem(answer, 400)["details"][0]["field"] == f"params.{name}"


@pytest.mark.parametrize("method", ["PUT", "HEAD", "TRACE", "CONNECT", "QUERY", "get", "G€T"])
async def test_a_method_that_a_path_does_not_know_is_told_those_it_knows(
    world: World, method: str
) -> None:
    for path, allowed in (
        ("/api/v0/organizations", "GET, POST"),
        (f"/api/v0/organizations/{world.shop}", "GET, PATCH, DELETE"),
        ("/api/v0/auth", "POST"),
        ("/api/v2/auth", "POST"),
        ("/api/v0/me", "GET"),
        (f"/api/v0/organizations/{world.shop}/handover/", "POST"),
    ):
        answer = await send(world, method, path)
        assert problem(answer, 405)["code"] == "E_METHOD_NOT_ALLOWED"
        assert answer["allow"] == allowed


@pytest.mark.parametrize("path", ["/health", "/docs", "/docs/management.json"])
async def test_pages_are_read_only(world: World, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE"):
        answer = await send(world, method, path)
        assert problem(answer, 405)["code"] == "E_METHOD_NOT_ALLOWED"
        assert "GET" in answer["allow"]


TEXT = [(b"content-type", b"text/plain")]
OWN = "/api/v0/organizations/{}"
ASKS: dict[str, Callable[[World], Awaitable[Raw]]] = {
    "200": lambda world: send(world, "GET", "/api/v0/me"),
    "400": lambda world: send(world, "GET", "/api/v0/organizations", query=b"limit=0"),
    "400 of the edge": lambda world: send(world, "GET", "/api/v0/\x00"),
    "401": lambda world: send(world, "GET", "/api/v0/me", token="none"),
    "403": lambda world: send(
        world, "DELETE", OWN.format(world.vendor), token=token_of(world.vendor_member)
    ),
    "404": lambda world: send(world, "GET", "/api/v0/nowhere"),
    "404 of the edge": lambda world: send(world, "GET", "/nowhere"),
    "405": lambda world: send(world, "PUT", "/api/v0/me"),
    "409": lambda world: send(
        world, "DELETE", OWN.format(world.vendor), token=token_of(world.vendor_live)
    ),
    "413": lambda world: send(world, "POST", "/api/v0/auth", body=b" " * (MEBIBYTE + 1)),
    "415": lambda world: send(world, "POST", "/api/v0/auth", body=b"x", headers=TEXT),
}


def token_of(client: httpx.AsyncClient) -> str:
    return client.headers["authorization"]


@pytest.mark.parametrize("name", ASKS)
async def test_every_answer_carries_the_headers_of_the_house(world: World, name: str) -> None:
    answer = await ASKS[name](world)
    assert answer.status == int(name[:3])
    assert re.fullmatch("[0-9a-f]{32}", answer["x-request-id"])
    assert answer["request-id"] == answer["x-request-id"]
    assert re.fullmatch(r"\d+\.\d{3}", answer["x-response-time"])
    assert answer["strict-transport-security"].startswith("max-age=15724800")
    assert answer["content-type"] == "application/json; charset=utf-8"
    assert answer["cache-control"] == "no-store"
    assert answer["x-content-type-options"] == "nosniff"
    assert int(answer["content-length"]) == len(answer.body)
    assert ("vary" in dict(answer.headers)) is (answer.status == 200)
    assert "server" not in dict(answer.headers)
    names = [name for name, _ in answer.headers]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", [name for name in ASKS if name != "200"])
async def test_a_refusal_says_the_same_id_in_body_and_header(world: World, name: str) -> None:
    found = problem(await ASKS[name](world), int(name[:3]))
    assert found["error"]
    assert found["message"]


async def test_no_two_answers_share_an_id_and_none_is_chosen_by_the_caller(world: World) -> None:
    chosen = b"0" * 32
    headers = [(b"x-request-id", chosen), (b"request-id", chosen)]
    answers = [await send(world, "GET", "/api/v0/me", headers=headers) for _ in range(20)]
    assert len({answer["x-request-id"] for answer in answers} | {chosen.decode()}) == 21


RFC = {"type", "title", "status", "detail", "instance", "error", "request_id"}


@pytest.mark.parametrize(
    "accept",
    [
        b"application/problem+json",
        b"application/problem+json, application/json;q=0.5",
        b"application/json;q=0.5, application/problem+json",
    ],
)
async def test_who_asks_for_rfc_9457_gets_it(world: World, accept: bytes) -> None:
    headers = [(b"accept", accept)]
    for method, path, status in (
        ("GET", "/api/v0/nowhere", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/api/v0/organizations/1", 400),
        ("PUT", "/api/v0/me", 405),
        ("GET", "/\x00", 400),
    ):
        answer = await send(world, method, path, headers=headers)
        assert answer.status == status
        assert answer["content-type"].startswith("application/problem+json")
        found = answer.json()
        assert set(found) - {"code", "details"} == RFC
        assert found["status"] == status
        assert found["type"] == f"/docs/errors#{found['code']}"
        assert found["instance"] == f"urn:request:{answer['x-request-id']}"


async def test_an_answer_that_is_no_refusal_stays_json(world: World) -> None:
    headers = [(b"accept", b"application/problem+json")]
    answer = await send(world, "GET", "/api/v0/me", headers=headers)
    assert answer["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\x00", b"a\tb", b"\xff\x85", b"a\x7f"])
async def test_an_unusable_idempotency_key_is_refused_by_name(world: World, key: bytes) -> None:
    headers = [*JSON_TYPE, (b"idempotency-key", key)]
    path = f"/api/v0/organizations/{world.shop}/api-keys"
    body = json.dumps(KEY).encode()
    answer = await send(world, "POST", path, body=body, headers=headers)
    assert problem(answer, 400)["details"][0]["field"] == "header.idempotency-key"


async def test_nothing_of_what_was_sent_comes_back_in_a_failure_to_read_it(world: World) -> None:
    for body in (b'{"secret":"s3cr3t"', b'{"name": s3cr3t}', b"s3cr3t"):
        answer = await send(world, "POST", "/api/v0/auth", body=body, headers=JSON_TYPE)
        assert b"s3cr3t" not in answer.body
        problem(answer, 400)
