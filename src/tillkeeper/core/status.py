"""States that both the database and the wire know."""

from enum import StrEnum


class KeyStatus(StrEnum):
    """Whether a key opens the door at the moment."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class KeyReach(StrEnum):
    """How far a key goes of what its organization reaches."""

    SELF = "self"
    MANAGED = "managed"
    LISTED = "listed"
    ALL = "all"


class LeakedKeyPolicy(StrEnum):
    """What happens to a key whose secret somebody has found."""

    REPORT = "report"
    DISABLE = "disable"


class OrganizationStatus(StrEnum):
    """From the mildest to the strictest: the strictest of itself and all above is what holds."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"
    PENDING_DELETION = "pending_deletion"


class OrganizationType(StrEnum):
    """Main organizations stand for themselves; managed ones stand below exactly one main."""

    ORGANIZATION = "ORGANIZATION"
    MANAGED_ORGANIZATION = "MANAGED_ORGANIZATION"


class Role(StrEnum):
    """What a person is in an organization, from most to least."""

    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    MEMBER = "member"
