"""The software unit: keys of `cryptography`, sealed in the database. A simulator, not certified."""

from collections import OrderedDict
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from tillkeeper.core.errors import SigningUnitUnavailable
from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import Algorithm, KeyOwner, UnitKey
from tillkeeper.domains.signing.private_keys import (
    CURVES,
    Private,
    point_of,
    seal_key,
    sign_plain,
    unseal_key,
)
from tillkeeper.domains.signing.sealing import CannotUnseal
from tillkeeper.logs import log

# Unsealing costs 20 µs on P-256 and 150 on P-384, as much as signing: the keys in use stay open.
_OPEN_AT_MOST: Final = 1024


class SoftwareUnit:
    """Signs in the event loop: a thread would cost more than a signature does."""

    name = "software"

    def __init__(self, keyring: Keyring, algorithm: Algorithm = Algorithm.P256) -> None:
        self.algorithm = algorithm
        self._keyring = keyring
        self._open: OrderedDict[tuple[KeyOwner, bytes], Private] = OrderedDict()

    async def generate(self, owner: KeyOwner) -> UnitKey:
        """Make a key and seal it for its owner."""
        key = ec.generate_private_key(CURVES[self.algorithm])
        return UnitKey(seal_key(self._keyring, _context(owner), key), point_of(key.public_key()))

    async def sign(self, owner: KeyOwner, sealed: bytes, to_be_signed: bytes) -> bytes:
        """Sign with the key's own curve, whichever one new keys get."""
        return sign_plain(self._key(owner, sealed), to_be_signed)

    async def destroy(self, owner: KeyOwner, sealed: bytes) -> None:
        """Forget the open key; the sealed one goes with its row."""
        self._open.pop((owner, sealed), None)

    def take_up(self, keyring: Keyring) -> None:
        """Seal under the newest of these; keys in use stay open."""
        self._keyring = keyring

    async def close(self) -> None:
        """Forget every open key."""
        self._open.clear()

    def _key(self, owner: KeyOwner, sealed: bytes) -> Private:
        # The owner belongs to the place in the cache: a sealed key that was moved to somebody else
        # must meet the seal, not a key that its own owner has opened a moment ago.
        place = (owner, sealed)
        key = self._open.get(place)
        if key is not None:
            self._open.move_to_end(place)
            return key
        self._open[place] = key = self._unseal(owner, sealed)
        if len(self._open) > _OPEN_AT_MOST:
            self._open.popitem(last=False)
        return key

    def _unseal(self, owner: KeyOwner, sealed: bytes) -> Private:
        try:
            return unseal_key(self._keyring, _context(owner), sealed)
        except CannotUnseal as error:
            log.error("signing_key.cannot_unseal", tss_id=str(owner.tss_id), reason=str(error))
            raise SigningUnitUnavailable from error


def _context(owner: KeyOwner) -> bytes:
    """Return what a seal is bound to: a sealed key is worth nothing in another place."""
    return (
        b"tillkeeper tss key\n"
        + owner.organization_id.bytes
        + owner.env.encode()
        + owner.tss_id.bytes
        + owner.version.to_bytes(4, "big")
    )
