"""Every way the API says no. Codes are public, append-only, and explained in docs/errors.md."""

from typing import ClassVar
from uuid import UUID


class Refusal(Exception):
    """An answer that says no. Its sentence tells the caller what to do."""

    status: ClassVar[int]
    code: ClassVar[str | None]
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


# 400: the shape is wrong.


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


# 401: we do not know you. Deployed clients know it without a code.


class Unauthorized(Refusal):
    status = 401
    code = None

    def __init__(self, sentence: str = "Invalid credentials") -> None:
        super().__init__(sentence)


# 403: we know you, you may see it, you may not do it.


class AccessDenied(Refusal):
    status = 403
    code = "E_ACCESS_DENIED"

    def __init__(self, sentence: str, *, right: str, organization_id: UUID, env: str) -> None:
        super().__init__(sentence)
        self.right, self.organization_id, self.env = right, organization_id, env


class OrganizationSuspended(Refusal):
    """Says the reason of the actor's own organization; of one above it says nothing."""

    status = 403
    code = "E_ORGANIZATION_SUSPENDED"

    def __init__(self, reason: str | None = None) -> None:
        said = f": {reason}" if reason else ""
        super().__init__(f"Your organization is suspended{said}. Ask who manages it")


# 404: not there, or not for your eyes: byte for byte the same.


class NotFound(Refusal):
    status = 404


class PathNotFound(NotFound):
    code = "E_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is nothing at this path: see /docs for what there is")


class ParentNotFound(NotFound):
    """Recorded: creating below an unknown organization answers without a code."""

    code = None

    def __init__(self) -> None:
        super().__init__("Not Found")


class OrganizationNotFound(NotFound):
    code = "E_ORGANIZATION_NOT_FOUND"

    def __init__(self, organization_id: UUID) -> None:
        super().__init__(f"There is no organization {organization_id}")


class ApiKeyNotFound(NotFound):
    code = "E_API_KEY_NOT_FOUND"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"There is no API key {key_id}")


class UserNotFound(NotFound):
    code = "E_USER_NOT_FOUND"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"There is no user {user_id}")


class AuditRowNotFound(NotFound):
    code = "E_AUDIT_ROW_NOT_FOUND"

    def __init__(self, row_id: UUID) -> None:
        super().__init__(f"There is no audit entry {row_id}")


class BillingAddressNotFound(NotFound):
    code = "E_BILLING_ADDRESS_NOT_FOUND"

    def __init__(self, address_id: UUID) -> None:
        super().__init__(f"There is no billing address {address_id}")


class MethodNotAllowed(Refusal):
    status = 405
    code = "E_METHOD_NOT_ALLOWED"

    def __init__(self, *allowed: str) -> None:
        super().__init__("This path does not know the method: see the Allow header")
        self.allowed = allowed


# 409: not in this state, or someone was first.


class Conflict(Refusal):
    status = 409


class ApiKeyConflict(Conflict):
    code = "E_API_KEY_CONFLICT"

    def __init__(self, name: str) -> None:
        super().__init__(f"An API key named {name!r} exists: choose another `name`")


class AuditRowNotSealed(Conflict):
    code = "E_AUDIT_ROW_NOT_SEALED"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("This entry is not sealed yet: ask again in a second")


class AuditRowChanged(Conflict):
    code = "E_AUDIT_ROW_CHANGED"

    def __init__(self) -> None:
        super().__init__("This entry is not what was sealed: tell whoever runs the installation")


class ExternalIdConflict(Conflict):
    code = "E_EXTERNAL_ID_CONFLICT"

    def __init__(self) -> None:
        super().__init__("Another organization has this `external_id`: it is unique per manager")


class UserConflict(Conflict):
    code = "E_USER_CONFLICT"

    def __init__(self) -> None:
        super().__init__("This person already belongs to the organization")


class LastOwner(Conflict):
    code = "E_LAST_OWNER"

    def __init__(self) -> None:
        super().__init__("The last owner cannot leave: make somebody else the owner first")


class OrganizationHasChildren(Conflict):
    code = "E_ORGANIZATION_HAS_CHILDREN"

    def __init__(self) -> None:
        super().__init__("This organization manages or administers others: delete those first")


class ApiKeyNotRotatable(Conflict):
    code = "E_API_KEY_NOT_ROTATABLE"

    def __init__(self) -> None:
        super().__init__(
            "The key is disabled, has expired, or its last secret is still retiring: "
            "enable it, or end the retiring secret with rotate/expire-now"
        )


class OrganizationArchived(Conflict):
    code = "E_ORGANIZATION_ARCHIVED"

    def __init__(self) -> None:
        super().__init__("This organization is archived: set its status to active first")


class OrganizationProtected(Conflict):
    code = "E_ORGANIZATION_PROTECTED"

    def __init__(self) -> None:
        super().__init__("The organization is protected: set delete_protection to false first")


class OrganizationIsLive(Conflict):
    code = "E_ORGANIZATION_IS_LIVE"

    def __init__(self) -> None:
        super().__init__("A LIVE organization keeps its fiscal records and cannot be deleted")


class OrganizationIsPayer(Conflict):
    code = "E_ORGANIZATION_IS_PAYER"

    def __init__(self) -> None:
        super().__init__("Other organizations are billed to this one: change those first")


class OrganizationCannotMove(Conflict):
    code = "E_ORGANIZATION_CANNOT_MOVE"

    def __init__(self) -> None:
        super().__init__("`managed_by_organization_id` cannot change: repeat it or leave it out")


class LiveNotAvailable(Conflict):
    code = "E_LIVE_NOT_AVAILABLE"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class HandoverNotPossible(Conflict):
    code = "E_HANDOVER_NOT_POSSIBLE"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class BillingAddressInUse(Conflict):
    code = "E_BILLING_ADDRESS_IN_USE"

    def __init__(self) -> None:
        super().__init__("Organizations point to this billing address: change those first")


class PayerNotLive(Conflict):
    code = "E_PAYER_NOT_LIVE"

    def __init__(self) -> None:
        super().__init__("A LIVE organization is billed to a LIVE one: see `bill_to_organization`")


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


# 412: the client has seen another one.


class Stale(Refusal):
    status = 412
    code = "E_STALE"

    def __init__(self) -> None:
        super().__init__("It was changed since you read it: read it again, then decide")


# 413 to 429: the request as a whole.


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


# 5xx: our side.


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
