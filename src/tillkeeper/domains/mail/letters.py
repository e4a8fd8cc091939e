"""What the service writes to people: one struct a kind, holding what its text fills in."""

from typing import Literal, TypeAlias

from msgspec import Struct

LeakOutcome: TypeAlias = Literal["key_works", "key_closed", "old_secret_works", "old_secret_ended"]
"""What holds once a found secret is dealt with; old: replaced by a rotation, and retiring."""


class _Letter(Struct, frozen=True, kw_only=True, tag_field="letter"):
    pass


class _Linked(_Letter, frozen=True, kw_only=True):
    """Has a link: a page of the service, and in its fragment a token that is worth something."""

    token: str
    ends_at: int
    """When the token ends; afterwards the letter is not sent any more. Unix seconds."""


class SignUp(_Linked, frozen=True, kw_only=True, tag="sign_up"):
    """Somebody wants an account with this address."""


class SignUpAgain(_Letter, frozen=True, kw_only=True, tag="sign_up_again"):
    """Somebody wants an account with this address, which has one."""


class Invitation(_Linked, frozen=True, kw_only=True, tag="invitation"):
    """An organization invites the holder of this address."""

    organization: str
    role: str


class PasswordReset(_Linked, frozen=True, kw_only=True, tag="password_reset"):
    """Somebody forgot the password of this address."""


class PasswordChanged(_Letter, frozen=True, kw_only=True, tag="password_changed"):
    """The password is another one now: whoever did not do it must hear of it."""


class AddressChange(_Linked, frozen=True, kw_only=True, tag="address_change"):
    """An account is to move to this address."""


class AddressChanged(_Letter, frozen=True, kw_only=True, tag="address_changed"):
    """An account has moved from this address to another."""


class _OfKey(_Letter, frozen=True, kw_only=True):
    """Is about a key, to whoever looks after it: they see all that it names."""

    organization: str
    env: str
    key_name: str
    key: str
    """Its public half."""


class KeyExpiring(_OfKey, frozen=True, kw_only=True, tag="key_expiring"):
    """An API key ends soon."""

    ends_at: int
    """Afterwards this letter is not sent any more: another one says that it has ended."""


class KeyExpired(_OfKey, frozen=True, kw_only=True, tag="key_expired"):
    """An API key has ended."""

    ended_at: int


class KeyLeaked(_OfKey, frozen=True, kw_only=True, tag="key_leaked"):
    """Somebody found a secret of an API key where it does not belong."""

    outcome: LeakOutcome


Letter: TypeAlias = (
    SignUp
    | SignUpAgain
    | Invitation
    | PasswordReset
    | PasswordChanged
    | AddressChange
    | AddressChanged
    | KeyExpiring
    | KeyExpired
    | KeyLeaked
)
PAGES: dict[type[Struct], str] = {
    SignUp: "/activate",
    Invitation: "/invitation",
    PasswordReset: "/reset",
    AddressChange: "/address",
}
"""The page that a letter's link opens."""
