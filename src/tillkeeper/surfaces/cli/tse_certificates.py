"""The certificates of an export: who signs, and who vouches for that, up to a root."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tillkeeper.surfaces.cli.tse_der import Wrong
from tillkeeper.surfaces.cli.tse_messages import point_of

_PARTS = ("subject", "issuer", "extensions", "not_valid_before_utc", "not_valid_after_utc")
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)


class Signer(NamedTuple):
    """The TSE: its serial number, its key, and when its certificate and all above it are valid."""

    serial: str
    key: ec.EllipticCurvePublicKey
    not_before: int
    not_after: int
    name: str


def check_certificates(ders: Mapping[str, bytes]) -> Signer:
    """Check certificates by their file names; return the one TSE that is among them."""
    certificates = {name: _load(name, der) for name, der in ders.items()}
    signers = [name for name, each in certificates.items() if not _is_authority(each)]
    if len(signers) != 1:
        raise Wrong(f"The export holds {len(signers)} certificates of a TSE instead of one")
    name = signers[0]
    certificate = certificates[name]
    key = _key_of(name, certificate)
    serial = hashlib.sha256(point_of(key)).hexdigest()
    if not name.startswith(f"{serial}_"):
        raise Wrong(f"{name}: its name is not the hash of its key")
    if not _may(certificate, "digital_signature"):
        raise Wrong(f"{name}: it may not sign")
    chain = _check_chain(name, certificate, certificates)
    return Signer(
        serial,
        key,
        max(_seconds(each.not_valid_before_utc) for each in chain),
        min(_seconds(each.not_valid_after_utc) for each in chain),
        _subject(certificate),
    )


def _check_chain(
    name: str, certificate: x509.Certificate, certificates: Mapping[str, x509.Certificate]
) -> list[x509.Certificate]:
    """Follow the issuers up to one that vouches for itself; return all of them."""
    chain = [certificate]
    while certificate.issuer != certificate.subject:
        issuers = [
            (its_name, each)
            for its_name, each in certificates.items()
            if each.subject == certificate.issuer and _is_authority(each)
        ]
        if not issuers or len(chain) > len(certificates):
            raise Wrong(f"{name}: the certificate of its issuer is missing")
        name_above, above = issuers[0]
        _check_issued(name, certificate, above)
        name, certificate = name_above, above
        chain.append(certificate)
    _check_issued(name, certificate, certificate)
    return chain


def _check_issued(name: str, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, *_UNREADABLE) as error:
        raise Wrong(f"{name}: its issuer has not signed it") from error
    if not _may(issuer, "key_cert_sign"):
        raise Wrong(f"{name}: its issuer may not issue certificates")


def _load(name: str, der: bytes) -> x509.Certificate:
    """Load a certificate and look at all of it: each part is read when it is asked for."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        for part in _PARTS:
            getattr(certificate, part)
        certificate.public_key()
    except _UNREADABLE as error:
        raise Wrong(f"{name}: it is no certificate that can be read") from error
    return certificate


def _key_of(name: str, certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Wrong(f"{name}: its key is none of an elliptic curve")
    return key


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return _may(certificate, "key_cert_sign")


def _may(certificate: x509.Certificate, what: str) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return bool(getattr(usage, what))


def _subject(certificate: x509.Certificate) -> str:
    """Return what the subject calls itself, the part that a person reads."""
    subject = certificate.subject
    wanted = (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    found = [str(each.value) for oid in wanted for each in subject.get_attributes_for_oid(oid)]
    return ", ".join(found) or subject.rfc4514_string()


def _seconds(time: datetime) -> int:
    return int(time.timestamp())
