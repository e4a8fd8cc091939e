"""Refusals of the request itself, and of who sends it."""

import math
from uuid import UUID

from tillkeeper.core.errors.base import Conflict, NotFound, Refusal
from tillkeeper.core.rates import Lane, Rate

_COUNTED = {
    Lane.ACTOR: "this key or person",
    Lane.ORGANIZATION: "the keys and people of the organization together",
    Lane.BULK: "creation in bulk",
    Lane.ADDRESS: "requests without a token from this address",
    Lane.LOGIN: "failures to log in with this key or mail address",
}


class SchemaViolation(Refusal):
    """A field breaks a rule: where (`body.x`, `params.x`), which rule, what to do about it."""

    status = 400
    code = "E_FAILED_SCHEMA_VALIDATION"

    def __init__(self, field: str, rule: str, fix: str | None = None) -> None:
        super().__init__(f"{field}: {rule}")
        self.field, self.rule, self.fix = field, rule, fix


class BadRequest(Refusal):
    """The HTTP request itself is ambiguous or broken."""

    status = 400
    code = "E_BAD_REQUEST"


class Unauthorized(Refusal):
    status = 401
    code = None

    def __init__(self, sentence: str = "Invalid credentials") -> None:
        super().__init__(sentence)


class AccessDenied(Refusal):
    status = 403
    code = "E_ACCESS_DENIED"

    def __init__(self, sentence: str, *, right: str, organization_id: UUID, env: str) -> None:
        super().__init__(sentence)
        self.right, self.organization_id, self.env = right, organization_id, env


class PathNotFound(NotFound):
    code = "E_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is nothing at this path: see /docs for what there is")


class MethodNotAllowed(Refusal):
    status = 405
    code = "E_METHOD_NOT_ALLOWED"

    def __init__(self, *allowed: str) -> None:
        super().__init__("This path does not know the method: see the Allow header")
        self.allowed = allowed


class IdempotencyInFlight(Conflict):
    code = "E_IDEMPOTENCY_IN_FLIGHT"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still at work: try again")


class IdempotencySecretGone(Conflict):
    code = "E_IDEMPOTENCY_SECRET_GONE"

    def __init__(self) -> None:
        super().__init__(
            "It was done, but its answer held a secret and was kept for 15 minutes only: "
            "delete what was made and create another with a new Idempotency-Key"
        )


class Stale(Refusal):
    status = 412
    code = "E_STALE"

    def __init__(self) -> None:
        super().__init__("It was changed since you read it: read it again, then decide")


class BodyTooLarge(Refusal):
    status = 413
    code = "E_BODY_TOO_LARGE"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes} bytes: send less at once")


class UnsupportedMediaType(Refusal):
    status = 415
    code = "E_UNSUPPORTED_MEDIA_TYPE"

    def __init__(self) -> None:
        super().__init__("Send JSON in UTF-8 as application/json")


class IdempotencyMismatch(Refusal):
    status = 422
    code = "E_IDEMPOTENCY_MISMATCH"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request: choose a new one")


class RateLimited(Refusal):
    """Too often; the numbers are those of the lane that is exhausted."""

    status = 429
    code = "E_RATE_LIMITED"

    def __init__(self, lane: Lane, rate: Rate, wait_seconds: float, *, is_first: bool) -> None:
        self.retry_after_seconds = max(1, math.ceil(wait_seconds))
        super().__init__(
            f"Too often ({_COUNTED[lane]}): {rate}. Try again in {self.retry_after_seconds} s"
        )
        self.is_first = is_first


class Internal(Refusal):
    status = 500
    code = "E_INTERNAL"

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side: nothing was changed")


class Overloaded(Refusal):
    status = 503
    code = "E_OVERLOADED"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("Too much at once: nothing was changed, try again in a moment")
