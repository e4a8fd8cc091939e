"""The refusals that an endpoint documents."""

from litestar.openapi import ResponseSpec

from tillkeeper.core import errors
from tillkeeper.core.errors import Refusal
from tillkeeper.core.wire import Problem

_ALWAYS: tuple[type[Refusal], ...] = (
    errors.SchemaViolation,
    errors.BadRequest,
    errors.Unauthorized,
    errors.RateLimited,
    errors.Internal,
    errors.Overloaded,
)
_DENIED: tuple[type[Refusal], ...] = (errors.AccessDenied, errors.OrganizationSuspended)
_CLOSED: tuple[type[Refusal], ...] = (errors.OrganizationArchived,)
_WITH_BODY: tuple[type[Refusal], ...] = (errors.BodyTooLarge, errors.UnsupportedMediaType)
_WITH_KEY: tuple[type[Refusal], ...] = (
    errors.IdempotencyInFlight,
    errors.IdempotencySecretGone,
    errors.IdempotencyMismatch,
)


def public_refusals(*named: type[Refusal]) -> dict[int, ResponseSpec]:
    """Document an operation that asks for no token."""
    return _documented(*_ALWAYS, *_WITH_BODY, *named)


def refusals(*named: type[Refusal]) -> dict[int, ResponseSpec]:
    """Document a reading operation: what each may refuse with, and what this one adds."""
    return _documented(*_ALWAYS, *_DENIED, *named)


def change_refusals(*named: type[Refusal]) -> dict[int, ResponseSpec]:
    """Document a changing operation, which takes a body and an Idempotency-Key besides."""
    return _documented(*_ALWAYS, *_WITH_BODY, *_WITH_KEY, *_DENIED, *_CLOSED, *named)


def _documented(*named: type[Refusal]) -> dict[int, ResponseSpec]:
    codes: dict[int, list[str]] = {}
    for refusal in dict.fromkeys(named):
        codes.setdefault(refusal.status, []).append(refusal.code or "no code")
    return {
        status: ResponseSpec(Problem, description=", ".join(names), generate_examples=False)
        for status, names in sorted(codes.items())
    }
