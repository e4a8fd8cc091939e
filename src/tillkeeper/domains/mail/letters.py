"""What the service writes to people: one struct a kind, holding what its text fills in."""

from typing import TypeAlias

from msgspec import Struct


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


class KeyExpiring(_Letter, frozen=True, kw_only=True, tag="key_expiring"):
    """An API key ends in so many days."""

    organization: str
    key_name: str
    env: str
    days: int


class KeyLeaked(_Letter, frozen=True, kw_only=True, tag="key_leaked"):
    """Somebody found the secret of an API key where it does not belong."""

    organization: str
    key_name: str
    env: str
    is_disabled: bool


Letter: TypeAlias = (
    SignUp
    | SignUpAgain
    | Invitation
    | PasswordReset
    | PasswordChanged
    | AddressChange
    | AddressChanged
    | KeyExpiring
    | KeyLeaked
)
PAGES: dict[type[Struct], str] = {
    SignUp: "/activate",
    Invitation: "/invitation",
    PasswordReset: "/reset",
    AddressChange: "/address",
}
"""The page that a letter's link opens."""
