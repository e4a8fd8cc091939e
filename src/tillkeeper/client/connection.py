"""Calls that authenticate, wait and try again by themselves."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import TypeVar

import httpx2
import msgspec

from tillkeeper.client.problems import ApiProblem, Unreachable, problem_of
from tillkeeper.client.wire import Claims, Session

T = TypeVar("T")
Params = Mapping[str, str | Sequence[str]]
Sleep = Callable[[float], Awaitable[None]]

_RENEWED_SECONDS_BEFORE = 60
_FIRST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 8.0
_MOST_PATIENCE_SECONDS = 300.0
_PASSING = {429, 502, 503, 504}
_IN_FLIGHT = "E_IDEMPOTENCY_IN_FLIGHT"
_CHANCE = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, the same at every attempt."""

    method: str
    path: str
    params: Params | None = None
    body: bytes | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    claims: Claims
    good_until: float


class Connection:
    """A server and a credential for it; one login serves all calls until it runs out."""

    def __init__(
        self, http: httpx2.AsyncClient, credential: tuple[str, str], *, retries: int, sleep: Sleep
    ) -> None:
        self._http, self._credential = http, credential
        self._retries, self._sleep = retries, sleep
        self._token: _Token | None = None
        self._logging_in = asyncio.Lock()

    async def call(self, call: Call, into: type[T]) -> T:
        """Return the answer; raises ApiProblem. A token that is refused is renewed once."""
        token = await self._enter()
        response = await self._send(call, token)
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            response = await self._send(call, await self._enter(refused=token))
        return _read(response, into)

    async def claims(self) -> Claims:
        """Return what the token says; logs in where nobody has yet."""
        return (await self._enter()).claims

    async def _enter(self, refused: _Token | None = None) -> _Token:
        """Return a token other than the refused one. Callers queue: the first logs in for all."""
        async with self._logging_in:
            token = self._token
            if token is None or token is refused or time.monotonic() >= token.good_until:
                token = self._token = await self._log_in()
            return token

    async def _log_in(self) -> _Token:
        # Counted from before the request, by our own clock: the server's may be another.
        asked_at = time.monotonic()
        api_key, api_secret = self._credential
        body = msgspec.json.encode({"api_key": api_key, "api_secret": api_secret})
        session = _read(await self._send(Call("POST", "/auth", body=body), None), Session)
        lifetime = session.access_token_expires_in
        margin = min(_RENEWED_SECONDS_BEFORE, lifetime / 2)
        return _Token(
            session.access_token, session.access_token_claims, asked_at + lifetime - margin
        )

    async def _send(self, call: Call, token: _Token | None) -> httpx2.Response:
        """Try until there is an answer worth giving to the caller."""
        headers = _headers(call, token)
        for attempt in count():
            wait = _backoff_seconds(attempt)
            try:
                response = await self._http.request(
                    call.method, call.path, params=call.params, content=call.body, headers=headers
                )
            except httpx2.RequestError as error:
                if attempt >= self._retries:
                    raise Unreachable(_no_answer(self._http.base_url, error)) from error
            else:
                asked = _asked_to_wait_seconds(response)
                is_worth_it = _is_passing(response) and asked <= _MOST_PATIENCE_SECONDS
                if attempt >= self._retries or not is_worth_it:
                    return response
                wait = max(wait, asked)
            await self._sleep(wait)
        raise AssertionError


def _headers(call: Call, token: _Token | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.text}"
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    return headers


def _read(response: httpx2.Response, into: type[T]) -> T:
    if not response.is_success:
        raise problem_of(response)
    try:
        return msgspec.json.decode(response.content, type=into)
    except msgspec.DecodeError as error:
        raise ApiProblem(
            response.status_code,
            f"This client does not understand the answer: {error}",
            code="NOT_UNDERSTOOD",
            request_id=response.headers.get("x-request-id"),
        ) from error


def _is_passing(response: httpx2.Response) -> bool:
    """Tell whether the same request may succeed in a moment."""
    if response.status_code in _PASSING:
        return True
    is_conflict = response.status_code == httpx2.codes.CONFLICT
    return is_conflict and problem_of(response).code == _IN_FLIGHT


def _backoff_seconds(attempt: int) -> float:
    """Double at each attempt; the chance keeps many clients from coming back together."""
    most = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(attempt, 16))
    return _CHANCE.uniform(most / 2, most)


def _asked_to_wait_seconds(response: httpx2.Response) -> float:
    """Read Retry-After, which is a number of seconds or a date; nonsense counts as none."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _no_answer(base_url: httpx2.URL, error: httpx2.RequestError) -> str:
    where = f"{base_url.scheme}://{base_url.netloc.decode()}"
    return f"{where} does not answer ({type(error).__name__}): check the address and the network"
