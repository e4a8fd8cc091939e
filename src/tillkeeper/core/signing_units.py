"""What every signing unit can do: make keys, sign with them, destroy them. No I/O here."""

from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from tillkeeper.core.env import Env
from tillkeeper.core.secrets import Keyring


class KeyOwner(NamedTuple):
    """Whom a key belongs to. A sealed key opens for its owner and for nobody else."""

    organization_id: UUID
    env: Env
    tss_id: UUID
    version: int = 1


class UnitKey(NamedTuple):
    """A key as its unit gives it away: `sealed` is the unit's own affair.

    The point is uncompressed: 65 bytes on P-256, 97 on P-384.
    """

    sealed: bytes
    point: bytes


class Algorithm(StrEnum):
    """How a key signs; the value is what the wire, the QR text and the certificates say."""

    P256 = "ecdsa-plain-SHA256"
    P384 = "ecdsa-plain-SHA384"

    @property
    def size_bytes(self) -> int:
        """The length of a coordinate, a digest and half a signature: all three are the same."""
        return {Algorithm.P256: 32, Algorithm.P384: 48}[self]

    @classmethod
    def of_point(cls, point: bytes) -> "Algorithm":
        """Return how the key of a point signs: a key keeps its curve when settings change."""
        return {2 * each.size_bytes + 1: each for each in cls}[len(point)]


class SigningUnit(Protocol):
    """Signs for the TSS of an installation. Raises SigningUnitUnavailable when it cannot."""

    name: str
    algorithm: Algorithm
    """How keys sign that are generated from now on."""

    async def generate(self, owner: KeyOwner) -> UnitKey:
        """Make a key pair for a TSS."""
        ...

    async def sign(self, owner: KeyOwner, sealed: bytes, to_be_signed: bytes) -> bytes:
        """Return r‖s over the bytes, 64 or 96 long; the unit hashes them itself."""
        ...

    async def destroy(self, owner: KeyOwner, sealed: bytes) -> None:
        """Make a key unusable; one that is gone already is no refusal."""
        ...

    def take_up(self, keyring: Keyring) -> None:
        """Seal under other secrets of the installation from now on."""
        ...

    async def close(self) -> None:
        """Give back what the unit holds open."""
        ...
