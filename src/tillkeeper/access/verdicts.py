"""How questions of access end, and the rule that ended them, by names that are public."""

from enum import StrEnum


class Verdict(StrEnum):
    """What enforcement would answer."""

    ALLOWED = "allowed"
    UNKNOWN_CREDENTIAL = "unknown_credential"
    """401: for the door it is nobody."""
    SUSPENDED = "suspended"
    """403: the organization that it acts for is suspended or closed, or one above it is."""
    INVISIBLE = "invisible"
    """404: for this credential the organization does not exist."""
    DENIED = "denied"
    """403: it sees the organization and may not do this to it."""
    WRONG_STATE = "wrong_state"
    """409: it may, but not as things stand."""


class RuleName(StrEnum):
    """Every way of being refused, in the order in which they are asked."""

    OWN_ENV = "own_env"
    """The organization that it acts for is not in the env."""
    KEY_DISABLED = "key_disabled"
    KEY_NOT_BEGUN = "key_not_begun"
    KEY_EXPIRED = "key_expired"
    ADDRESS = "address"
    """The address is none that the key allows."""
    STANDING = "standing"
    """A suspension whose grace is over, or a closure, leaves nothing."""
    UNRELATED = "unrelated"
    """Rights flow downwards alone, and the organization is not below."""
    OWN_EYES = "own_eyes"
    """In the grace of a suspension it sees its own organization alone."""
    TARGET_ENV = "target_env"
    """The organization is not in the env."""
    REACH = "reach"
    """The reach of the key leaves the organization out."""
    SUSPENSION = "suspension"
    """In the grace of a suspension it reads, and changes nothing."""
    RIGHT_NOT_HELD = "right_not_held"
    """The position, the role or the permissions of the key do not contain the right."""
    RELATION = "relation"
    """How the two organizations are related does not allow it, whatever rights are held."""
    OTHER_ENV = "other_env"
    """The credential belongs to the other env."""
    LIVE_NEEDS_LIVE = "live_needs_live"
    """What changes a LIVE organization as a whole, or makes it LIVE, is not for TEST keys."""
    CLOSED = "closed"
    """The organization is archived or marked for deletion: it is read, or restored first."""
    NONE = "none"
    """No rule refuses."""


VERDICTS: dict[RuleName, Verdict] = {
    RuleName.OWN_ENV: Verdict.UNKNOWN_CREDENTIAL,
    RuleName.KEY_DISABLED: Verdict.UNKNOWN_CREDENTIAL,
    RuleName.KEY_NOT_BEGUN: Verdict.UNKNOWN_CREDENTIAL,
    RuleName.KEY_EXPIRED: Verdict.UNKNOWN_CREDENTIAL,
    RuleName.ADDRESS: Verdict.UNKNOWN_CREDENTIAL,
    RuleName.STANDING: Verdict.SUSPENDED,
    RuleName.UNRELATED: Verdict.INVISIBLE,
    RuleName.OWN_EYES: Verdict.INVISIBLE,
    RuleName.TARGET_ENV: Verdict.INVISIBLE,
    RuleName.REACH: Verdict.INVISIBLE,
    RuleName.SUSPENSION: Verdict.SUSPENDED,
    RuleName.RIGHT_NOT_HELD: Verdict.DENIED,
    RuleName.RELATION: Verdict.DENIED,
    RuleName.OTHER_ENV: Verdict.DENIED,
    RuleName.LIVE_NEEDS_LIVE: Verdict.DENIED,
    RuleName.CLOSED: Verdict.WRONG_STATE,
    RuleName.NONE: Verdict.ALLOWED,
}
"""What each rule answers."""
