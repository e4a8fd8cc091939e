"""Writing to people: a sealed row in the transaction that has a reason to, sent by the worker."""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct, json

from tillkeeper.access.operation import Operation
from tillkeeper.core.mail import Language
from tillkeeper.core.secrets import Keyring
from tillkeeper.domains.mail import queries
from tillkeeper.domains.mail.letters import Letter

LONGEST_WAIT = timedelta(days=2)
_NONCE = 12


class Envelope(Struct, frozen=True):
    """What is sealed: to whom, and what is written."""

    to: str
    letter: Letter
    keeper_id: UUID | None = None


async def post(  # noqa: PLR0913 - what stands on an envelope
    op: Operation,
    to: str,
    letter: Letter,
    language: Language = Language.EN,
    *,
    organization_id: UUID | None = None,
    keeper_id: UUID | None = None,
) -> None:
    """Have a letter sent once the operation commits; where mail is switched off, do nothing.

    Address and words are sealed until then and gone afterwards: a letter may hold a token. With a
    `keeper_id` it is for whoever looks after the organization, and not sent to that person when
    they no longer do.
    """
    if not op.house.is_mail_on:
        return
    mail_id, keyring = uuid4(), op.keyring
    await queries.insert_mail(
        op.tx,
        mail_id=mail_id,
        organization_id=organization_id,
        language=language,
        sealed=seal(keyring, mail_id, Envelope(to, letter, keeper_id)),
        pepper_version=keyring.active,
        at=op.now,
        ends_at=min(op.now + LONGEST_WAIT, _end_of(letter, op.now + LONGEST_WAIT)),
    )


def _end_of(letter: Letter, otherwise: datetime) -> datetime:
    """Return when what a letter speaks of ends: it is not sent any more then."""
    seconds: int | None = getattr(letter, "ends_at", None)
    return otherwise if seconds is None else datetime.fromtimestamp(seconds, UTC)


def seal(keyring: Keyring, mail_id: UUID, envelope: Envelope) -> bytes:
    """Encrypt an envelope under the active version of the installation's secrets."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(keyring.derive("mail")).encrypt(
        nonce, json.encode(envelope), mail_id.bytes
    )


def open_envelope(keyring: Keyring, mail_id: UUID, sealed: bytes, *, version: int) -> Envelope:
    """Decrypt what was sealed for this mail. Raises KeyError without that version."""
    cipher = AESGCM(keyring.derive("mail", version))
    opened = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], mail_id.bytes)
    return json.decode(opened, type=Envelope)
