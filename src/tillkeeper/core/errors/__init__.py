"""Every way the API says no, a module an area. Public, append-only, explained in docs/errors.md."""

from tillkeeper.core.errors.api_keys import (
    ApiKeyConflict,
    ApiKeyNotFound,
    ApiKeyNotRotatable,
)
from tillkeeper.core.errors.audit import (
    AuditRowChanged,
    AuditRowNotFound,
    AuditRowNotSealed,
)
from tillkeeper.core.errors.base import (
    Conflict,
    NotFound,
    Refusal,
)
from tillkeeper.core.errors.billing import (
    BillingAddressInUse,
    BillingAddressNotFound,
    PayerNotLive,
)
from tillkeeper.core.errors.organizations import (
    ExternalIdConflict,
    HandoverNotPossible,
    LiveNotAvailable,
    OrganizationArchived,
    OrganizationCannotMove,
    OrganizationHasChildren,
    OrganizationIsLive,
    OrganizationIsPayer,
    OrganizationNotFound,
    OrganizationProtected,
    OrganizationSuspended,
    ParentNotFound,
)
from tillkeeper.core.errors.people import (
    LastOwner,
    UserConflict,
    UserNotFound,
)
from tillkeeper.core.errors.request import (
    AccessDenied,
    BadRequest,
    BodyTooLarge,
    IdempotencyInFlight,
    IdempotencyMismatch,
    IdempotencySecretGone,
    Internal,
    MethodNotAllowed,
    Overloaded,
    PathNotFound,
    SchemaViolation,
    Stale,
    Unauthorized,
    UnsupportedMediaType,
)
from tillkeeper.core.errors.signing import SigningUnitUnavailable

__all__ = (
    "AccessDenied",
    "ApiKeyConflict",
    "ApiKeyNotFound",
    "ApiKeyNotRotatable",
    "AuditRowChanged",
    "AuditRowNotFound",
    "AuditRowNotSealed",
    "BadRequest",
    "BillingAddressInUse",
    "BillingAddressNotFound",
    "BodyTooLarge",
    "Conflict",
    "ExternalIdConflict",
    "HandoverNotPossible",
    "IdempotencyInFlight",
    "IdempotencyMismatch",
    "IdempotencySecretGone",
    "Internal",
    "LastOwner",
    "LiveNotAvailable",
    "MethodNotAllowed",
    "NotFound",
    "OrganizationArchived",
    "OrganizationCannotMove",
    "OrganizationHasChildren",
    "OrganizationIsLive",
    "OrganizationIsPayer",
    "OrganizationNotFound",
    "OrganizationProtected",
    "OrganizationSuspended",
    "Overloaded",
    "ParentNotFound",
    "PathNotFound",
    "PayerNotLive",
    "Refusal",
    "SchemaViolation",
    "SigningUnitUnavailable",
    "Stale",
    "Unauthorized",
    "UnsupportedMediaType",
    "UserConflict",
    "UserNotFound",
)
