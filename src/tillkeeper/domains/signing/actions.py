"""Certifying TSS: by the newest authority that can, which is made when there is none."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import SigningUnitUnavailable
from tillkeeper.db.pool import Tx
from tillkeeper.domains.signing import certificates, queries
from tillkeeper.domains.signing.certificates import Voucher
from tillkeeper.domains.signing.private_keys import Private, seal_key, unseal_key
from tillkeeper.domains.signing.queries import Authority, Chain
from tillkeeper.domains.signing.sealing import CannotUnseal, pepper_of
from tillkeeper.logs import log


class Certified(Struct, kw_only=True):
    """A TSS's certificate in DER, and who vouches for it."""

    certificate: bytes
    chain: Chain


async def certify(grant: Grant, point: bytes) -> Certified:
    """Certify the key of a TSS in the granted env.

    The authority is read, and made where there is none, in the transaction of whoever creates the
    TSS: what is rolled back was never there.
    """
    authorities = await queries.list_authorities(grant)
    authority = _usable(grant, authorities) or await _make_authority(grant, authorities)
    issuer = Voucher(
        x509.load_der_x509_certificate(authority.issuer_certificate),
        _unsealed(grant, "issuer", authority.issuer_key),
    )
    chain = Chain(
        issuer_certificate=authority.issuer_certificate, root_certificate=authority.root_certificate
    )
    certificate = certificates.certify(grant.env, issuer, point, grant.op.now)
    return Certified(certificate=certificate, chain=chain)


async def find_chain(tx: Tx, certificate: bytes) -> Chain:
    """Find who vouches for a certificate of ours."""
    chain = await queries.find_chain(tx, certificates.issuer_id_of(certificate))
    if chain is None:
        raise LookupError("no authority of this installation has issued the certificate")
    return chain


def _usable(grant: Grant, authorities: list[Authority]) -> Authority | None:
    """Return the newest authority that outlives a TSS and is sealed under the newest pepper.

    Under an older one it would go with that pepper: a rotation makes another issuer.
    """
    return next(
        (
            each
            for each in authorities
            if pepper_of(each.issuer_key) == grant.op.keyring.active
            and certificates.outlives_tss(
                grant.env, x509.load_der_x509_certificate(each.issuer_certificate), grant.op.now
            )
        ),
        None,
    )


async def _make_authority(grant: Grant, authorities: list[Authority]) -> Authority:
    """Make the next generation, or take the one of somebody who was first."""
    now, env = grant.op.now, grant.env
    root = _lasting_root(grant, authorities[0]) if authorities else None
    root = root or certificates.make_root(env, now)
    issuer = certificates.make_issuer(env, root, now)
    made = Authority(
        generation=authorities[0].generation + 1 if authorities else 1,
        issuer_id=certificates.id_of(issuer.key.public_key()),
        root_certificate=root.certificate.public_bytes(Encoding.DER),
        root_key=_sealed(grant, "root", root.key),
        issuer_certificate=issuer.certificate.public_bytes(Encoding.DER),
        issuer_key=_sealed(grant, "issuer", issuer.key),
    )
    await queries.insert_authority(grant, made)
    authority = _usable(grant, await queries.list_authorities(grant))
    if authority is None:
        # Somebody with another pepper was first: at the next attempt it is our turn.
        raise SigningUnitUnavailable
    return authority


def _lasting_root(grant: Grant, newest: Authority) -> Voucher | None:
    """Return the root there is, if it outlives another issuer and its pepper is still known."""
    certificate = x509.load_der_x509_certificate(newest.root_certificate)
    is_known = pepper_of(newest.root_key) in grant.op.keyring.peppers
    if not is_known or not certificates.outlives_issuer(certificate, grant.op.now):
        return None
    return Voucher(certificate, _unsealed(grant, "root", newest.root_key))


def _sealed(grant: Grant, role: str, key: Private) -> bytes:
    return seal_key(grant.op.keyring, _context(grant, role), key)


def _unsealed(grant: Grant, role: str, sealed: bytes) -> Private:
    try:
        return unseal_key(grant.op.keyring, _context(grant, role), sealed)
    except CannotUnseal as error:
        log.error("signing_authority.cannot_unseal", env=grant.env, role=role, reason=str(error))
        raise SigningUnitUnavailable from error


def _context(grant: Grant, role: str) -> bytes:
    return f"tillkeeper signing {role} {grant.env}".encode()
