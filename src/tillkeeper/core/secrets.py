"""Minting machine secrets, and the keys under which they are stored, sealed and signed."""

import hmac
import re
import secrets
import string
from binascii import crc32
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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
_FINGERPRINT_LENGTH = 8


@dataclass(frozen=True)
class Keyring:
    """What the installation keeps secret, by version; it cannot be printed.

    Everything else is derived from a version's 32 bytes under a label of its own, so that no two
    purposes ever share a key. A version is prepared, then active, then old, then retired; a
    prepared one verifies and does nothing else, so that it can be everywhere before it is used.
    """

    peppers: Mapping[int, bytes] = field(repr=False)
    activated: int | None = None
    """The active version; without one it is the highest."""
    retired: Mapping[int, str] = field(default_factory=dict)
    """What is kept of versions that are gone: in hex, the public key that their seals bear."""

    @cached_property
    def active(self) -> int:
        """The version under which new secrets are stored and new tokens signed."""
        return max(self.peppers) if self.activated is None else self.activated

    @cached_property
    def oldest_first(self) -> list[int]:
        """The versions that verify."""
        return sorted(self.peppers)

    @cached_property
    def prepared(self) -> int | None:
        """The version that waits to be activated."""
        return next((version for version in self.oldest_first if version > self.active), None)

    @cached_property
    def _secrets(self) -> dict[int, bytes]:
        return {version: self.derive("secret", version) for version in self.peppers}

    @cached_property
    def _derived(self) -> dict[tuple[str, int | None], bytes]:
        return {}

    def derive(self, label: str, version: int | None = None) -> bytes:
        """Return the 32 bytes that serve one purpose, worked out once."""
        if (label, version) not in self._derived:
            pepper = self.peppers[self.active if version is None else version]
            digest = hmac.digest(pepper, f"tillkeeper {label}".encode(), "sha256")
            self._derived[label, version] = digest
        return self._derived[label, version]

    def digest(self, secret: str) -> bytes:
        """Return what is stored of a secret: 220 random bits need a pepper, not a slow hash."""
        return hmac.digest(self._secrets[self.active], secret.encode(), "sha256")

    def digests(self, secret: str) -> list[bytes]:
        """Return what may be stored of a secret, by pepper, newest first."""
        text = secret.encode()
        return [
            hmac.digest(self._secrets[version], text, "sha256")
            for version in reversed(self.oldest_first)
        ]

    def fingerprint(self, version: int) -> bytes:
        """Return what tells two peppers of one version apart, and nothing else of them."""
        return self.derive("fingerprint", version)[:_FINGERPRINT_LENGTH]

    def is_newer(self, version: int | None) -> bool:
        """Tell whether what is stored under a version is to be stored anew; None: not known which.

        Never from a newer version back: another process may be a step ahead.
        """
        return version is None or version < self.active

    def prepare(self, pepper: bytes) -> "Keyring":
        """Return these with one more version, which waits."""
        version = max([*self.peppers, *self.retired]) + 1
        return replace(self, peppers={**self.peppers, version: pepper}, activated=self.active)

    def activate(self, version: int) -> "Keyring":
        """Return these with another active version."""
        return replace(self, activated=version)

    def retire(self, version: int, public: str) -> "Keyring":
        """Return these without a version; the public half of its seals stays."""
        left = {each: pepper for each, pepper in self.peppers.items() if each != version}
        return Keyring(left, self.active, {**self.retired, version: public})


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
