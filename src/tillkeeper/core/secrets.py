"""Minting machine secrets, and the keys under which they are stored, sealed and signed."""

import hmac
import re
import secrets
import string
from binascii import crc32
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from tillkeeper.core.env import Env

KEY_PATTERN = re.compile(r"(?:test|live)_[0-9a-z]{25}_[a-z0-9\-]{3,30}")
SECRET_PATTERN = re.compile(r"[0-9A-Za-z]{43}")

# The public expressions of docs/keys.md: the same, where they stand in other text.
KEY_IN_TEXT = re.compile(rf"(?<![0-9A-Za-z]){KEY_PATTERN.pattern}(?![a-z0-9\-])")
SECRET_IN_TEXT = re.compile(rf"(?<![0-9A-Za-z]){SECRET_PATTERN.pattern}(?![0-9A-Za-z])")

_BASE36 = string.digits + string.ascii_lowercase
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH, _CHECKSUM_LENGTH = 37, 6


@dataclass(frozen=True)
class Keyring:
    """What the installation keeps secret, by version; it cannot be printed.

    Everything else is derived from a version's 32 bytes under a label of its own, so that no two
    purposes ever share a key.
    """

    peppers: Mapping[int, bytes] = field(repr=False)

    @cached_property
    def newest(self) -> int:
        """The version under which new secrets are stored and new tokens signed."""
        return max(self.peppers)

    @cached_property
    def _secrets(self) -> dict[int, bytes]:
        return {version: self.derive("secret", version) for version in self.peppers}

    @cached_property
    def _derived(self) -> dict[tuple[str, int | None], bytes]:
        return {}

    def derive(self, label: str, version: int | None = None) -> bytes:
        """Return the 32 bytes that serve one purpose, worked out once."""
        if (label, version) not in self._derived:
            pepper = self.peppers[self.newest if version is None else version]
            digest = hmac.digest(pepper, f"tillkeeper {label}".encode(), "sha256")
            self._derived[label, version] = digest
        return self._derived[label, version]

    def digest(self, secret: str) -> bytes:
        """Return what is stored of a secret: 220 random bits need a pepper, not a slow hash."""
        return hmac.digest(self._secrets[self.newest], secret.encode(), "sha256")

    def digests(self, secret: str) -> list[bytes]:
        """Return what may be stored of a secret, newest pepper first."""
        text = secret.encode()
        return [
            hmac.digest(self._secrets[version], text, "sha256")
            for version in sorted(self._secrets, reverse=True)
        ]


def mint_key_text(env: Env, name: str) -> str:
    """Return the public half of a key, such as test_0f3k…_till-1."""
    return f"{env.lower()}_{_encode(secrets.randbits(128), _BASE36, 25)}_{name}"


def mint_secret() -> str:
    """Return a secret whose last six characters let a scanner recognise it without asking."""
    random = _encode(secrets.randbits(256), _BASE62, _RANDOM_LENGTH)
    return random + _checksum(random)


def looks_minted(secret: str) -> bool:
    """Tell a secret of ours from a typing error before any work is done for it."""
    if not SECRET_PATTERN.fullmatch(secret):
        return False
    return secret[_RANDOM_LENGTH:] == _checksum(secret[:_RANDOM_LENGTH])


@dataclass(frozen=True)
class Found:
    """A key or a secret of ours in some text; the secret itself cannot be printed."""

    kind: Literal["key", "secret"]
    start: int
    text: str = field(repr=False)


def find_minted(text: str) -> Iterator[Found]:
    """Yield the keys and secrets in a text in their order, without asking any installation.

    A key has no checksum: what looks like one is named. A secret is named by its checksum alone.
    """
    keys = [Found("key", found.start(), found[0]) for found in KEY_IN_TEXT.finditer(text)]
    minted = [
        Found("secret", found.start(), found[0])
        for found in SECRET_IN_TEXT.finditer(text)
        if looks_minted(found[0])
    ]
    yield from sorted(keys + minted, key=lambda found: found.start)


def _checksum(random: str) -> str:
    return _encode(crc32(random.encode()), _BASE62, _CHECKSUM_LENGTH)


def _encode(number: int, alphabet: str, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))
