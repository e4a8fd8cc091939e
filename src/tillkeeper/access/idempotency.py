"""Answers kept for clients that did not receive them.

The table holds a MAC of the client's key, and the answer sealed under a key that only the client's
key and the pepper together give: whoever reads the database opens neither.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, update

from tillkeeper.access.operation import Operation
from tillkeeper.access.queries import Entered
from tillkeeper.core.errors import (
    IdempotencyInFlight,
    IdempotencyMismatch,
    IdempotencySecretGone,
    SchemaViolation,
)
from tillkeeper.core.secrets import Keyring
from tillkeeper.schema import kept_answers
from tillkeeper.sql import execute, given

KEPT = timedelta(hours=72)
SECRET_KEPT = timedelta(minutes=15)
_LONGEST = 255
_NONCE = 12


class Replay(Exception):
    """The same request was answered before; this is what was said."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("replayed")
        self.status, self.body = status, body


@dataclass(frozen=True, slots=True)
class Claim:
    """One use of an Idempotency-Key: for this route, by this actor in this organization and env.

    By this actor, because a colleague may hold fewer rights than the answer shows.
    """

    id: bytes
    fingerprint: bytes
    _sealing_key: bytes

    @classmethod
    def of(cls, keyring: Keyring, key: str, actor_id: UUID, route: str, body: bytes) -> "Claim":
        """Read a header; the route is method, path and query."""
        if not 1 <= len(key) <= _LONGEST or not key.isprintable():
            raise SchemaViolation(
                "header.idempotency-key", f"should be 1 to {_LONGEST} printable characters"
            )
        scope = f"{actor_id}\n{route}\n{key}".encode()
        return cls(
            hmac.digest(keyring.derive("idempotency id"), scope, "sha256"),
            hashlib.sha256(body).digest(),
            hmac.digest(keyring.derive("idempotency seal"), scope, "sha256"),
        )

    def seal(self, body: bytes) -> bytes:
        """Encrypt an answer so that only this claim opens it."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._sealing_key).encrypt(nonce, body, self.id)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt an answer that this claim has sealed."""
        try:
            return AESGCM(self._sealing_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], self.id)
        except InvalidTag as error:
            raise IdempotencySecretGone from error


def answer_claim(claim: Claim, entered: Entered) -> None:
    """Return where the claim is new; otherwise raise what was answered, or why it cannot be."""
    if entered.is_claimed:
        return
    if entered.fingerprint is None or not hmac.compare_digest(
        entered.fingerprint, claim.fingerprint
    ):
        raise IdempotencyMismatch
    if entered.status is None:
        raise IdempotencyInFlight
    if entered.answer is None:
        raise IdempotencySecretGone
    raise Replay(entered.status, claim.open(entered.answer))


_KEEP = execute(
    update(kept_answers)
    .where(
        kept_answers.c.organization_id == bindparam("of_organization"),
        kept_answers.c.env == bindparam("of_env"),
        kept_answers.c.id == bindparam("claim_id"),
    )
    .values(given(kept_answers.c.status, kept_answers.c.answer, kept_answers.c.answer_ends_at))
)


async def keep_answer(op: Operation, claim: Claim) -> None:
    """Store the encoded answer beside the change, before both are committed."""
    if op.answer is None:
        return
    await _KEEP(
        op.tx,
        of_organization=op.actor.organization_id,
        of_env=op.actor.env,
        claim_id=claim.id,
        status=op.status,
        answer=claim.seal(op.answer),
        answer_ends_at=op.now + (SECRET_KEPT if op.holds_secret else KEPT),
    )
