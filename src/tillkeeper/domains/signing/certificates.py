"""The certificates of a TSS and of those who vouch for it. All of them say what they are not.

An authority is a root and, under it, the issuer that certifies TSS. Their keys are P-384, whichever
curve TSS use. Nobody outlives whoever vouches for them: an issuer that a new TSS would outlive is
followed by the next one, under the same root for as long as that one lasts.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tillkeeper.core.env import Env
from tillkeeper.core.signing_units import Algorithm
from tillkeeper.domains.signing.names import ORGANIZATION, SIMULATOR
from tillkeeper.domains.signing.private_keys import CURVES, Private, Public, point_of

_YEAR: Final = timedelta(days=365)
_ROOT_LIFE, _ISSUER_LIFE = 32 * _YEAR, 16 * _YEAR
_TSS_LIFE: Final = {Env.TEST: _YEAR, Env.LIVE: 8 * _YEAR}
_BACKDATED: Final = timedelta(days=1)
"""A verifier's clock, or another machine's of ours, may be behind."""
_DIGEST: Final = hashes.SHA384()


class Voucher(NamedTuple):
    """Who vouches for others: a certificate and its key."""

    certificate: x509.Certificate
    key: Private


def make_root(env: Env, now: datetime) -> Voucher:
    """Make a root, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = _name(env, key.public_key())
    builder = _builder(name, key.public_key(), now, now + _ROOT_LIFE).issuer_name(name)
    builder = _as_authority(builder, below=1)
    return Voucher(builder.sign(key, _DIGEST), key)


def make_issuer(env: Env, root: Voucher, now: datetime) -> Voucher:
    """Make an issuer, for which a root vouches."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = _name(env, key.public_key())
    builder = _builder(name, key.public_key(), now, now + _ISSUER_LIFE)
    builder = _as_authority(_vouched_for(builder, root), below=0)
    return Voucher(builder.sign(root.key, _DIGEST), key)


def certify(env: Env, issuer: Voucher, point: bytes, now: datetime) -> bytes:
    """Return the certificate of a TSS in DER."""
    curve = CURVES[Algorithm.of_point(point)]
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    name = _name(env, public)
    name = x509.Name([*name, x509.NameAttribute(NameOID.SERIAL_NUMBER, id_of(public))])
    builder = _vouched_for(_builder(name, public, now, now + _TSS_LIFE[env]), issuer)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(is_authority=False), critical=True)
    return builder.sign(issuer.key, _DIGEST).public_bytes(Encoding.DER)


def outlives_tss(env: Env, issuer: x509.Certificate, now: datetime) -> bool:
    """Tell whether a TSS that is certified now ends before its issuer."""
    return issuer.not_valid_after_utc >= _ends(now + _TSS_LIFE[env])


def outlives_issuer(root: x509.Certificate, now: datetime) -> bool:
    """Tell whether an issuer that is made now ends before its root."""
    return root.not_valid_after_utc >= _ends(now + _ISSUER_LIFE)


def id_of(public: Public) -> str:
    """Return what a key is called in its certificate, in log messages and in file names."""
    return hashlib.sha256(point_of(public)).hexdigest()


def issuer_id_of(certificate: bytes) -> str:
    """Return what the issuer of a certificate is called."""
    return _common_name(x509.load_der_x509_certificate(certificate).issuer)


def common_name_of(certificate: bytes) -> str:
    """Return what a certificate calls whom it belongs to."""
    return _common_name(x509.load_der_x509_certificate(certificate).subject)


def _common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def ends_at(certificate: bytes) -> int:
    """Return when a certificate ends, in seconds since 1970."""
    return int(x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp())


def file_name(certificate: bytes) -> str:
    """Return what an export calls a certificate."""
    public = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(public, Public)  # noqa: S101 - we make no others
    return f"{id_of(public)}_X509.der"


def _name(env: Env, public: Public) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{env} {SIMULATOR}"),
            x509.NameAttribute(NameOID.COMMON_NAME, id_of(public)),
        ]
    )


def _builder(
    subject: x509.Name, public: Public, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(_ends(until))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _ends(until: datetime) -> datetime:
    """Return an end as certificates have it, in whole seconds."""
    return until.replace(microsecond=0)


def _vouched_for(builder: x509.CertificateBuilder, by: Voucher) -> x509.CertificateBuilder:
    known_as = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    return builder.issuer_name(by.certificate.subject).add_extension(known_as, critical=False)


def _as_authority(builder: x509.CertificateBuilder, *, below: int) -> x509.CertificateBuilder:
    """Let it vouch for others, with so many authorities below it."""
    constraints = x509.BasicConstraints(ca=True, path_length=below)
    return builder.add_extension(constraints, critical=True).add_extension(
        _usage(is_authority=True), critical=True
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
