"""Seals: Merkle trees over the rows' hashes (RFC 6962), linked to one another and signed.

What is signed is the text of the body, byte for byte; the next body holds the digest of this one.
The signing key is derived from the installation's pepper and never in the database.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct, json

from tillkeeper.core.secrets import Keyring

SIGNED_FOR = b"tillkeeper audit seal\n"
_HASH = 32


class SealBody(Struct, kw_only=True):
    """What a seal says; documented for readers in docs/audit.md."""

    v: Literal[1] = 1
    number: int
    kind: Literal["rows", "restored"] = "rows"
    cluster: str
    timeline: int
    epoch: int
    tx_from: int
    tx_upto: int
    count: int
    root: str
    previous: str
    at: str
    key_id: str


class Signed(Struct):
    """A body as it is stored, and its signature."""

    number: int
    body: str
    signature: bytes

    @property
    def hash(self) -> str:
        """Return what the next seal calls this one."""
        return hash_of(self.body)


def split_leaves(leaves: bytes) -> list[bytes]:
    """Return the hashes of a seal's rows."""
    return [leaves[start : start + _HASH] for start in range(0, len(leaves), _HASH)]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over these leaves; of none it is the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = _half(len(leaves))
    return _node(root_of(leaves[:half]), root_of(leaves[half:]))


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return what has to be hashed with a leaf to arrive at the root, from below."""
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*path_of(leaves[:half], index), root_of(leaves[half:])]
    return [*path_of(leaves[half:], index - half), root_of(leaves[:half])]


def _half(count: int) -> int:
    """Return the largest power of two below a count."""
    return int(1 << (count - 1).bit_length() - 1)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def key_of(keyring: Keyring, version: int | None = None) -> Ed25519PrivateKey:
    """Return the key that signs, of the active pepper or of another one."""
    return Ed25519PrivateKey.from_private_bytes(keyring.derive("audit seal", version))


def public_of(key: Ed25519PrivateKey) -> tuple[str, str]:
    """Return the id of a key's public half, and that half."""
    public = key.public_key().public_bytes_raw()
    return key_id_of(public), public.hex()


def key_id_of(public: bytes) -> str:
    """Return what a public key is called in seals."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_keys(keyring: Keyring) -> Iterator[tuple[str, str]]:
    """Yield the public keys of all peppers that are known or were, newest first."""
    for version in reversed(keyring.oldest_first):
        yield public_of(key_of(keyring, version))
    for version in sorted(keyring.retired, reverse=True):
        if public := keyring.retired[version]:
            yield key_id_of(bytes.fromhex(public)), public


def sign(keyring: Keyring, body: SealBody) -> Signed:
    """Sign a body, in the key's name."""
    key = key_of(keyring)
    body.key_id = public_of(key)[0]
    text = json.encode(body)
    return Signed(body.number, text.decode(), key.sign(SIGNED_FOR + text))


def hash_of(body: str) -> str:
    """Return the digest by which a seal is known outside."""
    return hashlib.sha256(body.encode()).hexdigest()


def written_at(now: datetime) -> str:
    """Return a time as bodies have it."""
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
