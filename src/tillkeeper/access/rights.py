"""Every right, who holds it, and the sentence that is said to those who do not."""

from enum import StrEnum
from typing import assert_never

from tillkeeper.core.status import Role


class Right(StrEnum):
    """What an actor may do; the name is public in `GET /me` and in refusals."""

    ORGANIZATION_READ = "organization:read"
    ORGANIZATION_CREATE = "organization:create"
    ORGANIZATION_ADMINISTER = "organization:administer"
    ORGANIZATION_UPDATE = "organization:update"
    ORGANIZATION_DELETE = "organization:delete"
    ORGANIZATION_ENABLE_ENV = "organization:enable_env"
    ORGANIZATION_HAND_OVER = "organization:hand_over"
    ORGANIZATION_SUSPEND = "organization:suspend"
    USER_READ = "user:read"
    USER_INVITE = "user:invite"
    USER_DELETE = "user:delete"
    API_KEY_READ = "api_key:read"
    API_KEY_CREATE = "api_key:create"
    API_KEY_UPDATE = "api_key:update"
    API_KEY_DELETE = "api_key:delete"
    API_KEY_ROTATE = "api_key:rotate"
    ACCESS_READ = "access:read"
    BILLING_ADDRESS_READ = "billing_address:read"
    BILLING_ADDRESS_CREATE = "billing_address:create"
    BILLING_ADDRESS_UPDATE = "billing_address:update"
    BILLING_ADDRESS_DELETE = "billing_address:delete"
    AUDIT_READ = "audit:read"
    AGREEMENT_READ = "agreement:read"
    AGREEMENT_PROPOSE = "agreement:propose"
    AGREEMENT_DECIDE = "agreement:decide"
    TEST_DATA_DELETE = "test_data:delete"


DENIALS = {
    Right.ORGANIZATION_READ: "read this organization",
    Right.ORGANIZATION_CREATE: "create managed organizations here",
    Right.ORGANIZATION_ADMINISTER: "create main organizations: only a main organization that "
    "nobody administers may",
    Right.ORGANIZATION_UPDATE: "change this organization",
    Right.ORGANIZATION_DELETE: "delete this organization",
    Right.ORGANIZATION_ENABLE_ENV: "enable an env of this organization",
    Right.ORGANIZATION_HAND_OVER: "hand this organization over: only who administers it may",
    Right.ORGANIZATION_SUSPEND: "set the status of this organization: only who stands above it may",
    Right.USER_READ: "see the people of this organization",
    Right.USER_INVITE: "invite people to this organization",
    Right.USER_DELETE: "remove people from this organization",
    Right.API_KEY_READ: "see the API keys of this organization",
    Right.API_KEY_CREATE: "create this API key",
    Right.API_KEY_UPDATE: "change this API key",
    Right.API_KEY_DELETE: "delete this API key",
    Right.API_KEY_ROTATE: "rotate the secret of this API key",
    Right.ACCESS_READ: "see who has access to this organization",
    Right.BILLING_ADDRESS_READ: "see billing addresses here",
    Right.BILLING_ADDRESS_CREATE: "create billing addresses here",
    Right.BILLING_ADDRESS_UPDATE: "change this billing address",
    Right.BILLING_ADDRESS_DELETE: "delete this billing address",
    Right.AUDIT_READ: "read the audit log of this organization",
    Right.AGREEMENT_READ: "see the agreements of this organization",
    Right.AGREEMENT_PROPOSE: "propose an agreement about this organization",
    Right.AGREEMENT_DECIDE: "decide an agreement for this organization",
    Right.TEST_DATA_DELETE: "delete the TEST data of this organization",
}

PROFILE_WRITES = frozenset(
    {
        Right.ORGANIZATION_UPDATE,
        Right.ORGANIZATION_DELETE,
        Right.ORGANIZATION_HAND_OVER,
        Right.ORGANIZATION_SUSPEND,
        Right.USER_INVITE,
        Right.USER_DELETE,
        Right.BILLING_ADDRESS_CREATE,
        Right.BILLING_ADDRESS_UPDATE,
        Right.BILLING_ADDRESS_DELETE,
        Right.AGREEMENT_PROPOSE,
        Right.AGREEMENT_DECIDE,
    }
)
"""What changes an organization as a whole: where it is LIVE, a TEST key may not."""

IN_TEST_ALONE = frozenset({Right.TEST_DATA_DELETE})
"""What nobody may in LIVE."""

_ALL = frozenset(Right)
_LOOKS = frozenset(
    {
        Right.ORGANIZATION_READ,
        Right.USER_READ,
        Right.API_KEY_READ,
        Right.BILLING_ADDRESS_READ,
        Right.AGREEMENT_READ,
    }
)
READS = _LOOKS | {Right.ACCESS_READ, Right.AUDIT_READ}
"""What changes nothing: a suspended organization still may, and an archived one allows it."""

_KEYS = frozenset(
    {Right.API_KEY_CREATE, Right.API_KEY_UPDATE, Right.API_KEY_DELETE, Right.API_KEY_ROTATE}
)
_PEOPLE = frozenset({Right.USER_INVITE, Right.USER_DELETE})
_MONEY = frozenset(
    {
        Right.ORGANIZATION_READ,
        Right.BILLING_ADDRESS_READ,
        Right.BILLING_ADDRESS_CREATE,
        Right.BILLING_ADDRESS_UPDATE,
        Right.BILLING_ADDRESS_DELETE,
    }
)
_OF_MANAGED_KEY = READS | _KEYS | {Right.AGREEMENT_DECIDE}
_FROM_MANAGED = _OF_MANAGED_KEY | _PEOPLE
_OF_ADMINISTERED = _ALL - {Right.ORGANIZATION_ADMINISTER}


def rights_of_key(*, is_main: bool, is_administered: bool) -> frozenset[Right]:
    """Return what a key may do at most: a managed organization minds its own keys alone."""
    if not is_main:
        return _OF_MANAGED_KEY
    return _OF_ADMINISTERED if is_administered else _ALL


def rights_of_role(role: Role, *, is_main: bool, is_administered: bool) -> frozenset[Right]:
    """Return what a person may do at most: never more than the organization's position allows."""
    match role:
        case Role.OWNER | Role.ADMIN:
            held = _ALL
        case Role.BILLING:
            held = _MONEY
        case Role.MEMBER:
            held = _LOOKS
        case _:
            assert_never(role)
    if not is_main:
        return held & _FROM_MANAGED
    return held & _OF_ADMINISTERED if is_administered else held


def rights_held(
    role: Role | None, permissions: list[str] | None, *, is_main: bool, is_administered: bool
) -> frozenset[Right]:
    """Return what a credential may do: of its position and role, what a key is not denied."""
    position = {"is_main": is_main, "is_administered": is_administered}
    held = rights_of_key(**position) if role is None else rights_of_role(role, **position)
    return held if permissions is None else held & frozenset(permissions)
