"""What a call raises when its answer is no, or when there is none."""

from collections.abc import Sequence

import httpx2
import msgspec

from tillkeeper.client.wire import Detail, Problem


class ApiProblem(Exception):
    """The server said no; `code` is what a program looks at, `request_id` what support asks for.

    It holds what the server has said and nothing that was sent, so it may be logged.
    """

    def __init__(
        self,
        status_code: int,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        details: Sequence[Detail] = (),
    ) -> None:
        super().__init__(status_code, message)
        self.status_code, self.message = status_code, message
        self.code, self.request_id = code, request_id
        self.details = tuple(details)

    def __str__(self) -> str:
        what = " ".join(str(part) for part in (self.status_code, self.code) if part)
        unsaid = (each for each in self.details if each.rule not in self.message)
        rules = "".join(f"; {each.field}: {each.rule}" for each in unsaid)
        asked = f" (request {self.request_id})" if self.request_id else ""
        return f"{what}{': ' if what else ''}{self.message}{rules}{asked}"


class Unreachable(ApiProblem):
    """Nobody has answered, after all retries. Whether a change was made is not known.

    Say it again with the same `idempotency_key`: it is then done once.
    """

    def __init__(self, message: str) -> None:
        super().__init__(0, message, code="UNREACHABLE")


def problem_of(response: httpx2.Response) -> ApiProblem:
    """Read an answer that is not a success; what is not our shape, such as a proxy's page, too."""
    try:
        said = msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        said = Problem()
    return ApiProblem(
        response.status_code,
        said.message or response.reason_phrase or "The server gave no reason",
        code=said.code,
        request_id=said.request_id or response.headers.get("x-request-id"),
        details=said.details or (),
    )
