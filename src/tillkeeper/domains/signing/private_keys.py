"""Private keys of elliptic curves: made, sealed, unsealed, and signing in the plain format."""

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import Algorithm
from tillkeeper.domains.signing.sealing import CannotUnseal, seal, unseal

Private = ec.EllipticCurvePrivateKey
Public = ec.EllipticCurvePublicKey

CURVES: Final[dict[Algorithm, ec.EllipticCurve]] = {
    Algorithm.P256: ec.SECP256R1(),
    Algorithm.P384: ec.SECP384R1(),
}
_SIGNED_WITH: Final = {
    "secp256r1": (ec.ECDSA(hashes.SHA256()), Algorithm.P256.size_bytes),
    "secp384r1": (ec.ECDSA(hashes.SHA384()), Algorithm.P384.size_bytes),
}


def seal_key(keyring: Keyring, context: bytes, key: Private) -> bytes:
    """Seal a key; it opens in the same context only."""
    secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return seal(keyring, context, secret)


def unseal_key(keyring: Keyring, context: bytes, sealed: bytes) -> Private:
    """Return a sealed key, or raise CannotUnseal."""
    key = load_der_private_key(unseal(keyring, context, sealed), None)
    if not isinstance(key, Private):
        raise CannotUnseal("what was sealed is no key of an elliptic curve")
    return key


def sign_plain(key: Private, to_be_signed: bytes) -> bytes:
    """Return r‖s, each as long as the curve's coordinates."""
    how, size = _SIGNED_WITH[key.curve.name]
    r, s = decode_dss_signature(key.sign(to_be_signed, how))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def point_of(public: Public) -> bytes:
    """Return the uncompressed point of a public key."""
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
