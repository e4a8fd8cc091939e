"""Tokens: what they say is checked here, whether it is still true in `enter`.

HS256 by hand, because the general decoders cost more than the rest of the check together. There
is nothing to choose: header and payload must be, byte for byte, as this installation writes them.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct, json

from tillkeeper.core.env import Env
from tillkeeper.core.errors import Unauthorized
from tillkeeper.core.secrets import Keyring

Use = Literal["access", "refresh"]

_ISSUER = "tillkeeper"
_LONGEST = 1024
_AHEAD_SECONDS = 30
"""How far the clocks of instances that share a pepper may stand apart."""
_TYPES: dict[Use, str] = {"access": "at+jwt", "refresh": "rt+jwt"}


class Credential(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a token says about itself. What is as always stays away: so older tokens stay good."""

    iss: str
    sub: UUID
    kind: Literal["key", "user"]
    organization_id: UUID
    env: Env
    iat: int
    exp: int
    generation: int = 0
    """Which secret of the key it was bought with."""


@dataclass(frozen=True)
class Signer:
    """Signs and reads the tokens of one installation: a key of its own per env, use and version."""

    keyring: Keyring

    @cached_property
    def _keys(self) -> dict[tuple[Use, bytes], tuple[Env, bytes]]:
        """The signing keys by use and exact header."""
        return {
            (use, _header(use, env, version)): (env, self._key(use, env, version))
            for use in _TYPES
            for env in Env
            for version in self.keyring.peppers
        }

    def sign(self, use: Use, credential: Credential) -> str:
        """Return a token that names the credential."""
        header = _header(use, credential.env, self.keyring.active)
        _, key = self._keys[use, header]
        signed = header + b"." + _encode(json.encode(credential))
        return (signed + b"." + _signature(key, signed)).decode()

    def read(self, use: Use, token: str, now: float) -> Credential:
        """Return what a token names, before any database work; refuse all but our own."""
        if len(token) > _LONGEST or not token.isascii():
            raise Unauthorized("The token is not valid: authenticate again")
        signed, _, signature = token.encode().rpartition(b".")
        header, _, payload = signed.partition(b".")
        found = self._keys.get((use, header))
        if found is None or not hmac.compare_digest(signature, _signature(found[1], signed)):
            raise Unauthorized("The token is not valid: authenticate again")
        credential = _decode(payload)
        if credential.iss != _ISSUER or credential.env is not found[0]:
            raise Unauthorized("The token is not valid: authenticate again")
        if credential.exp <= now:
            raise Unauthorized("The token has expired: authenticate again")
        if credential.iat > now + _AHEAD_SECONDS:
            raise Unauthorized("The token is not valid yet: authenticate again")
        return credential

    def _key(self, use: Use, env: Env, version: int) -> bytes:
        return self.keyring.derive(f"{use} token {env}", version)


def issue(  # noqa: PLR0913 - the claims of a token
    *,
    kind: Literal["key", "user"],
    actor_id: UUID,
    organization_id: UUID,
    env: Env,
    now: int,
    seconds: int,
    generation: int = 0,
) -> Credential:
    """Return the claims of a token that lives from now on for so many seconds."""
    return Credential(
        iss=_ISSUER,
        sub=actor_id,
        kind=kind,
        organization_id=organization_id,
        env=env,
        iat=now,
        exp=now + seconds,
        generation=generation,
    )


@cache
def _header(use: Use, env: Env, version: int) -> bytes:
    return _encode(json.encode({"alg": "HS256", "typ": _TYPES[use], "kid": f"{env}-{version}"}))


def _signature(key: bytes, signed: bytes) -> bytes:
    return _encode(hmac.digest(key, signed, "sha256"))


def _encode(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decode(payload: bytes) -> Credential:
    """Read the claims; any other spelling of them, or a claim given twice, is not ours."""
    try:
        raw = urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
        credential = json.decode(raw, type=Credential)
    except (ValueError, msgspec.DecodeError) as error:
        raise Unauthorized("The token is not valid: authenticate again") from error
    if _encode(json.encode(credential)) != payload:
        raise Unauthorized("The token is not valid: authenticate again")
    return credential
