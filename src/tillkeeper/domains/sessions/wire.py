"""Trading a credential for a token."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from tillkeeper.core.env import Env
from tillkeeper.core.wire import Reply, Request

_Short = Annotated[str, Meta(min_length=1, max_length=4096)]
_FORMS = ({"api_key", "api_secret"}, {"refresh_token"}, {"email", "password"})
_BESIDE_PASSWORD = {"organization_id", "env", "environment"}


class Credentials(Request, kw_only=True):
    """One of three forms: key and secret, refresh token, or address and password.

    A person may name the organization and the env (as `env` or `environment`) to enter; without
    them it is the organization joined first, in TEST.
    """

    api_key: _Short | None = None
    api_secret: _Short | None = None
    refresh_token: _Short | None = None
    email: _Short | None = None
    password: _Short | None = None
    organization_id: UUID | None = None
    env: Env | None = None
    environment: Env | None = None

    def __post_init__(self) -> None:
        given = {name for name in self.__struct_fields__ if getattr(self, name) is not None}
        form = given - _BESIDE_PASSWORD
        if form not in _FORMS or (form != _FORMS[2] and given - form):
            raise ValueError(
                "should be api_key with api_secret, refresh_token, or email with password"
            )


class Claims(Reply, kw_only=True):
    env: Env
    organization_id: UUID
    user_id: UUID | None = None


class Session(Reply, kw_only=True):
    access_token: str
    access_token_claims: Claims
    access_token_expires_in: int
    access_token_expires_at: int
    refresh_token: str
    refresh_token_expires_in: int
    refresh_token_expires_at: int
