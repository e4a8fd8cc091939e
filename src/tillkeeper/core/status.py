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


class AgreementKind(StrEnum):
    """What organizations agree on."""

    PAYER = "payer"
    MOVE = "move"
    HANDOVER = "handover"


class AgreementParty(StrEnum):
    """What an organization is in an agreement.

    Of one about a payer: who asks, and who pays. Otherwise: who gives an organization, who receives
    it, and that organization itself.
    """

    ASKING = "asking"
    PAYING = "paying"
    GIVING = "giving"
    RECEIVING = "receiving"
    ITSELF = "itself"


class AgreementState(StrEnum):
    """Where an agreement is in its life. Only what is proposed can be decided."""

    PROPOSED = "proposed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    EXECUTED = "executed"
    UNDONE = "undone"
    ENDED = "ended"


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
