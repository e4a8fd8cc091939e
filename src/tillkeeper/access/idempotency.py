"""Answers kept for clients that did not receive them.

The table holds a MAC of the client's key, and the answer sealed under a key that only the client's
key and the pepper together give: whoever reads the database opens neither.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from sqlalchemy import LargeBinary, bindparam, func, select, update

from tillkeeper.access.operation import Operation
from tillkeeper.core.errors import (
    IdempotencyInFlight,
    IdempotencyMismatch,
    IdempotencySecretGone,
    SchemaViolation,
)
from tillkeeper.core.secrets import Keyring
from tillkeeper.db.pool import Tx
from tillkeeper.schema import kept_answers
from tillkeeper.sql import execute, given, one_or_none

KEPT = timedelta(hours=72)
SECRET_KEPT = timedelta(minutes=15)
_LONGEST = 255
_NONCE = 12


class Replay(Exception):
    """The same request was answered before; this is what was said."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("replayed")
        self.status, self.body = status, body


class Answered(Protocol):
    """What is known of a claim once it was made, or found to be made already."""

    is_claimed: bool | None
    fingerprint: bytes | None
    status: int | None
    answer: bytes | None


class Claimed(Struct):
    """The same, of a claim that was made outside the statement that enters."""

    is_claimed: bool | None
    fingerprint: bytes | None
    status: int | None
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class Name:
    """What a claim is called under one version of the pepper, and how its answer is sealed."""

    id: bytes
    _sealing_key: bytes

    def seal(self, body: bytes) -> bytes:
        """Encrypt an answer so that only this name opens it."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._sealing_key).encrypt(nonce, body, self.id)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt an answer that this name has sealed."""
        try:
            return AESGCM(self._sealing_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], self.id)
        except InvalidTag as error:
            raise IdempotencySecretGone from error


@dataclass(frozen=True, slots=True)
class Claim:
    """One use of an Idempotency-Key: for this route, by this actor in this organization and env.

    By this actor, because a colleague may hold fewer rights than the answer shows. While a pepper
    is being replaced it has a name for each version, all of them claimed, oldest first: processes
    a step apart in the rotation still know one version together, and meet there.
    """

    names: tuple[Name, ...]
    fingerprint: bytes
    newest: int
    """The newest version that it has a name for."""

    @classmethod
    def of(cls, keyring: Keyring, key: str, actor_id: UUID, route: str, body: bytes) -> "Claim":
        """Read a header; the route is method, path and query."""
        if not 1 <= len(key) <= _LONGEST or not key.isprintable():
            raise SchemaViolation(
                "header.idempotency-key", f"should be 1 to {_LONGEST} printable characters"
            )
        scope = f"{actor_id}\n{route}\n{key}".encode()
        names = tuple(
            Name(
                hmac.digest(keyring.derive("idempotency id", version), scope, "sha256"),
                hmac.digest(keyring.derive("idempotency seal", version), scope, "sha256"),
            )
            for version in keyring.oldest_first
        )
        return cls(names, hashlib.sha256(body).digest(), keyring.oldest_first[-1])

    @property
    def id(self) -> bytes:
        """The name that is claimed in the statement that enters."""
        return self.names[0].id


async def answer_claim(tx: Tx, claim: Claim, entered: Answered) -> None:
    """Return where the claim is new; otherwise raise what was answered, or why it cannot be."""
    _answer(claim, claim.names[0], entered)
    for name in claim.names[1:]:
        found = await _CLAIM(tx, claim=name.id, wanted_fingerprint=claim.fingerprint)
        if found is not None:
            _answer(claim, name, found)


def _answer(claim: Claim, name: Name, found: Answered) -> None:
    if found.is_claimed:
        return
    if found.fingerprint is None or not hmac.compare_digest(found.fingerprint, claim.fingerprint):
        raise IdempotencyMismatch
    if found.status is None:
        raise IdempotencyInFlight
    if found.answer is None:
        raise IdempotencySecretGone
    raise Replay(found.status, name.open(found.answer))


_CLAIM = one_or_none(
    select(
        func.claim_answer(
            bindparam("claim", type_=LargeBinary),
            bindparam("wanted_fingerprint", type_=LargeBinary),
        ).table_valued(*Claimed.__struct_fields__)
    ),
    Claimed,
)


_KEPT: tuple[Any, ...] = (
    kept_answers.c.status,
    kept_answers.c.answer,
    kept_answers.c.answer_ends_at,
    kept_answers.c.pepper_version,
)
_KEEP = execute(
    update(kept_answers)
    .where(
        kept_answers.c.organization_id == bindparam("of_organization"),
        kept_answers.c.env == bindparam("of_env"),
        kept_answers.c.id == bindparam("claim_id"),
    )
    .values(given(*_KEPT))
)


async def keep_answer(op: Operation, claim: Claim) -> None:
    """Store the encoded answer beside the change, before both are committed."""
    if op.answer is None:
        return
    for name in claim.names:
        await _KEEP(
            op.tx,
            of_organization=op.actor.organization_id,
            of_env=op.actor.env,
            claim_id=name.id,
            status=op.status,
            answer=name.seal(op.answer),
            answer_ends_at=op.now + (SECRET_KEPT if op.holds_secret else KEPT),
            pepper_version=claim.newest,
        )
