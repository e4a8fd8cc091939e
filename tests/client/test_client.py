"""The client logs in by itself, repeats only what is safe, and says what went wrong."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID, uuid4

import httpx2
import pytest

from tillkeeper.client import ApiProblem, Client, Unreachable, wire
from tillkeeper.core.env import Env

Answer = Callable[[httpx2.Request], httpx2.Response]
SECRET = "sssh-it-is-a-secret"
ORGANIZATION = uuid4()
SHOWN = {
    "_id": str(ORGANIZATION),
    "_type": "ORGANIZATION",
    "_envs": ["TEST"],
    "name": "Bakery",
    "address_line1": "High Street 1",
    "zip": "1",
    "town": "Berlin",
    "country_code": "DEU",
    "created_by_user": str(uuid4()),
    "added_in_2031": True,
}


class FakeServer:
    """Logs in whoever asks, and gives its answers one by one; the last one is repeated."""

    def __init__(self, *answers: Answer | httpx2.Response, token_seconds: int = 86_400) -> None:
        self.answers = list(answers) or [ok(SHOWN)]
        self.token_seconds = token_seconds
        self.logins = 0
        self.requests: list[httpx2.Request] = []
        self.waits: list[float] = []

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        if request.url.path == "/api/v0/auth":
            return self.log_in()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, httpx2.Response) else answer(request)

    def log_in(self) -> httpx2.Response:
        self.logins += 1
        claims = {"env": "TEST", "organization_id": str(ORGANIZATION)}
        return ok(
            {
                "access_token": f"token-{self.logins}",
                "access_token_claims": claims,
                "access_token_expires_in": self.token_seconds,
            }
        )

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def client(self, base_url: str = "http://127.0.0.1:8080") -> Client:
        transport = httpx2.MockTransport(self.handle)
        return Client(base_url, "key", SECRET, transport=transport, sleep=self.sleep)


def ok(body: object) -> httpx2.Response:
    return httpx2.Response(200, json=body)


def no(status: int, code: str | None = None, **headers: str) -> httpx2.Response:
    body = {"status_code": status, "error": "x", "code": code, "message": "No", "request_id": "r-1"}
    return httpx2.Response(status, json=body, headers=headers)


def broken(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadError("gone", request=request)


async def create(server: FakeServer) -> wire.Organization:
    async with server.client() as client:
        return await client.create_organization({"name": "Bakery"})


def keys_sent(server: FakeServer) -> set[str]:
    return {request.headers["idempotency-key"] for request in server.requests}


async def test_twenty_calls_at_once_share_one_login() -> None:
    server = FakeServer()
    async with server.client() as client:
        found = await asyncio.gather(*[client.get_organization(ORGANIZATION) for _ in range(20)])
    assert (server.logins, len(server.requests)) == (1, 20)
    assert {each.id for each in found} == {ORGANIZATION}


async def test_a_token_is_renewed_before_it_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    server, now = FakeServer(token_seconds=600), [1000.0]
    monkeypatch.setattr("tillkeeper.client.connection.time.monotonic", lambda: now[0])
    async with server.client() as client:
        for after, logins in ((0, 1), (539, 1), (1, 2)):
            now[0] += after
            await client.get_organization(ORGANIZATION)
            assert server.logins == logins


async def test_a_refused_token_is_renewed_once_for_all_who_held_it() -> None:
    def only_the_second(request: httpx2.Request) -> httpx2.Response:
        is_good = request.headers["authorization"] == "Bearer token-2"
        return ok(SHOWN) if is_good else no(401)

    server = FakeServer(only_the_second)
    async with server.client() as client:
        await asyncio.gather(*[client.get_organization(ORGANIZATION) for _ in range(5)])
    assert server.logins == 2


async def test_a_second_refusal_is_told_and_not_tried_forever() -> None:
    server = FakeServer(no(401))
    with pytest.raises(ApiProblem) as refused:
        await create(server)
    assert (refused.value.status_code, server.logins, len(server.requests)) == (401, 2, 2)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_passing_trouble_is_waited_out_with_the_same_idempotency_key(status: int) -> None:
    server = FakeServer(no(status), broken, ok(SHOWN))
    assert (await create(server)).name == "Bakery"
    assert len(server.requests) == 3
    assert len(keys_sent(server)) == 1


async def test_a_first_request_that_is_still_at_work_is_waited_for() -> None:
    server = FakeServer(no(409, "E_IDEMPOTENCY_IN_FLIGHT"), ok(SHOWN))
    await create(server)
    assert len(keys_sent(server)) == 1


async def test_retry_after_is_honoured_as_seconds_and_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    answers = (no(503, **{"Retry-After": "7"}), no(429, **{"Retry-After": later}), ok(SHOWN))
    server = FakeServer(*answers)
    await create(server)
    assert server.waits[0] == 7
    assert 25 < server.waits[1] <= 30


async def test_without_retry_after_the_waits_grow() -> None:
    server = FakeServer(no(503))
    with pytest.raises(ApiProblem):
        await create(server)
    assert len(server.waits) == 4
    assert all(2**n / 8 <= wait <= 2**n / 4 for n, wait in enumerate(server.waits))


async def test_a_server_that_asks_for_an_hour_is_not_waited_for() -> None:
    server = FakeServer(no(429, **{"Retry-After": "3600"}))
    with pytest.raises(ApiProblem):
        await create(server)
    assert server.waits == []


async def test_another_conflict_is_told_at_once_with_code_and_request() -> None:
    server = FakeServer(no(409, "E_EXTERNAL_ID_CONFLICT"))
    with pytest.raises(ApiProblem) as refused:
        await create(server)
    problem = refused.value
    assert (problem.code, problem.request_id) == ("E_EXTERNAL_ID_CONFLICT", "r-1")
    assert len(server.requests) == 1


def test_a_problem_says_each_rule_once() -> None:
    details = [wire.Detail(field="body.zip", rule="too long"), wire.Detail(field="x", rule="bad")]
    problem = ApiProblem(400, "body.zip: too long", details=details, request_id="r-1")
    assert str(problem) == "400: body.zip: too long; x: bad (request r-1)"


async def test_a_server_that_never_answers_is_unreachable_and_no_secret_is_told() -> None:
    server = FakeServer(broken)
    with pytest.raises(Unreachable) as refused:
        await create(server)
    assert len(server.requests) == 5
    assert "http://127.0.0.1:8080 does not answer" in str(refused.value)
    assert SECRET not in str(refused.value) + repr(refused.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx2.Response(500, text="<html>"), "500: Internal Server Error"),
        (httpx2.Response(302, headers={"Location": "/login"}), "302: Found"),
        (httpx2.Response(200, text="<html>"), "does not understand the answer"),
        (httpx2.Response(200, json={"_id": 1}), "does not understand the answer"),
    ],
)
async def test_an_answer_that_is_not_ours_is_a_problem(answer: httpx2.Response, said: str) -> None:
    with pytest.raises(ApiProblem, match=said):
        await create(FakeServer(answer))


async def test_each_change_has_a_key_of_its_own_unless_one_is_given() -> None:
    server = FakeServer()
    async with server.client() as client:
        await client.create_organization({})
        await client.update_organization(ORGANIZATION, {})
        await client.create_organization({}, idempotency_key="mine")
        await client.get_organization(ORGANIZATION)
    sent = [request.headers.get("idempotency-key") for request in server.requests]
    assert sent[2:] == ["mine", None]
    assert len(set(sent)) == 4


async def test_organizations_are_walked_by_cursor_to_the_end() -> None:
    first = ok({"data": [SHOWN], "has_more": True, "next_cursor": "c2", "_type": "x"})
    server = FakeServer(first, ok({"data": [SHOWN], "has_more": False, "_type": "x"}))
    async with server.client() as client:
        found = [each async for each in client.list_organizations(env=Env.TEST, tax_number=None)]
    asked = [dict(request.url.params) for request in server.requests]
    assert len(found) == 2
    assert asked[0] == {"env": "TEST", "limit": "1000", "cursor": ""}
    assert asked[1]["cursor"] == "c2"


async def test_users_are_walked_by_offset_to_the_end() -> None:
    user = {
        "_id": str(uuid4()),
        "_type": "USER",
        "_envs": [],
        "email": "a@b.c",
        "role": "astronaut",
    }
    server = FakeServer(
        ok({"data": [user] * 100, "count": 101}), ok({"data": [user], "count": 101})
    )
    async with server.client() as client:
        found = [each async for each in client.list_users(ORGANIZATION)]
    assert len(found) == 101
    assert [request.url.params["offset"] for request in server.requests] == ["0", "100"]


@pytest.mark.parametrize("given", ["http://a:1", "http://a:1/", "http://a:1/api/v0/"])
async def test_the_address_may_end_as_people_write_it(given: str) -> None:
    server = FakeServer()
    async with server.client(given) as client:
        await client.get_organization(ORGANIZATION)
    assert str(server.requests[0].url) == f"http://a:1/api/v0/organizations/{ORGANIZATION}"


def test_an_address_without_a_scheme_is_refused_before_a_secret_is_sent() -> None:
    with pytest.raises(ValueError, match="should begin with http"):
        Client("localhost:8080", "key", SECRET)


async def test_every_call_asks_for_its_own_path() -> None:
    server, one, two = FakeServer(ok({})), ORGANIZATION, uuid4()
    async with server.client() as client:
        calls = [
            client.me(),
            client.delete_organization(one),
            client.enable_env(one, Env.LIVE),
            client.hand_over(one),
            client.tree(one),
            client.provision_organization({}),
            client.create_batch([{}]),
            client.create_api_key(one, {}),
            client.get_api_key(one, two),
            client.update_api_key(one, two, {}),
            client.delete_api_key(one, two),
            client.invite_user(one, {}),
            client.delete_user(one, two),
            client.create_billing_address({}),
            client.get_billing_address(two),
            client.update_billing_address(two, {}),
            client.delete_billing_address(two),
        ]
        for call in calls:
            with pytest.raises(ApiProblem, match="does not understand"):
                await call
    assert [asked(request, one, two) for request in server.requests] == PATHS


PATHS = """
GET /me
DELETE /organizations/1
POST /organizations/1/enable-env
POST /organizations/1/handover
GET /organizations/1/tree
POST /organizations/provision
POST /organizations/batch
POST /organizations/1/api-keys
GET /organizations/1/api-keys/2
PATCH /organizations/1/api-keys/2
DELETE /organizations/1/api-keys/2
POST /organizations/1/users
DELETE /organizations/1/users/2
POST /billing-addresses
GET /billing-addresses/2
PATCH /billing-addresses/2
DELETE /billing-addresses/2
""".strip().splitlines()


def asked(request: httpx2.Request, one: UUID, two: UUID) -> str:
    path = request.url.path.removeprefix("/api/v0")
    return f"{request.method} {path}".replace(str(one), "1").replace(str(two), "2")
