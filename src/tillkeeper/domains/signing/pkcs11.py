"""The PKCS#11 unit: keys that never leave their token. Whatever the token is, a simulator here."""

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters

from tillkeeper.core.errors import SigningUnitUnavailable
from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import Algorithm, KeyOwner, UnitKey
from tillkeeper.logs import log

T = TypeVar("T")

_CURVES: Final = {
    Algorithm.P256: encode_named_curve_parameters("secp256r1"),
    Algorithm.P384: encode_named_curve_parameters("secp384r1"),
}
_DIGESTS: Final = {
    _CURVES[Algorithm.P256]: hashlib.sha256,
    _CURVES[Algorithm.P384]: hashlib.sha384,
}
_FORMAT: Final = b"\x02"
_ID_LENGTH: Final = 16
_PATIENCE_SECONDS: Final = 3
"""Shorter than the database waits for a transaction that is idle."""
# Finding a key takes a token milliseconds, more with every key that it holds.
_FOUND_AT_MOST: Final = 4096
# The session is gone, so nothing was done: with another one it may be tried again.
_SESSION_IS_GONE: Final = (
    pkcs11.SessionHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.UserNotLoggedIn,
    pkcs11.KeyHandleInvalid,
    pkcs11.ObjectHandleInvalid,
    pkcs11.DeviceRemoved,
)
# Each of these tries counts against the token, which locks itself after a few.
_PIN_IS_WRONG: Final = (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinExpired)


@dataclass(frozen=True)
class Token:
    """Where the keys are; it cannot be printed with its PIN."""

    module: str
    label: str
    pin: str = field(repr=False)


class _Found(NamedTuple):
    key: Any
    """The binding's classes of keys are made at run time: none of them has a type that signs."""
    curve: bytes


class _PinRefused(Exception):
    pass


class Pkcs11Unit:
    """Signs in one thread with one session.

    The binding initializes modules as single-threaded ones, which then take no locks: a second
    thread would race inside them. The digest is made here, since not every token offers to.
    """

    name = "pkcs11"

    def __init__(self, token: Token, algorithm: Algorithm = Algorithm.P256) -> None:
        self.algorithm = algorithm
        self._token = token
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pkcs11")
        self._session: pkcs11.Session | None = None
        self._found: OrderedDict[tuple[KeyOwner, bytes], _Found] = OrderedDict()
        self._is_pin_refused = False

    async def generate(self, owner: KeyOwner) -> UnitKey:
        """Make a key in the token; sealed is no more than its id."""
        return await self._in_thread(lambda session: self._generate(session, owner))

    async def sign(self, owner: KeyOwner, sealed: bytes, to_be_signed: bytes) -> bytes:
        """Sign with the key that has this id and its owner's label."""

        def work(session: pkcs11.Session) -> bytes:
            found = self._find(session, owner, sealed)
            digest = _DIGESTS[found.curve](to_be_signed).digest()
            return bytes(found.key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))

        return await self._in_thread(work)

    async def destroy(self, owner: KeyOwner, sealed: bytes) -> None:
        """Destroy both halves in the token."""

        def work(session: pkcs11.Session) -> None:
            self._found.pop((owner, sealed), None)
            for each in list(session.get_objects(_attributes(owner, sealed))):
                each.destroy()

        await self._in_thread(work)

    def take_up(self, keyring: Keyring) -> None:
        """Go on as before: the keys are in the token, and under no secret of the installation."""

    async def close(self) -> None:
        """Close the session and end the thread, unless the token has it for good."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._leave)
        try:
            await asyncio.wait_for(future, _PATIENCE_SECONDS)
        except TimeoutError:
            log.warning("signing_unit.hangs", unit=self.name)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[pkcs11.Session], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)
        try:
            return await asyncio.wait_for(future, _PATIENCE_SECONDS)
        except (pkcs11.PKCS11Error, _PinRefused, TimeoutError) as error:
            # The kind alone: a text could name what the token was called with.
            log.error("signing_unit.unavailable", unit=self.name, kind=type(error).__name__)
            raise SigningUnitUnavailable from error

    def _work(self, work: Callable[[pkcs11.Session], T]) -> T:
        try:
            return work(self._enter())
        except _SESSION_IS_GONE:
            self._leave()
            return work(self._enter())

    def _enter(self) -> pkcs11.Session:
        if self._session is not None:
            return self._session
        if self._is_pin_refused:
            raise _PinRefused
        token = pkcs11.lib(self._token.module).get_token(token_label=self._token.label)
        try:
            self._session = token.open(rw=True, user_pin=self._token.pin)
        except pkcs11.UserAlreadyLoggedIn:
            self._session = token.open(rw=True)
        except _PIN_IS_WRONG as error:
            self._is_pin_refused = True
            raise _PinRefused from error
        return self._session

    def _leave(self) -> None:
        self._found.clear()
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except pkcs11.PKCS11Error:
                log.warning("signing_unit.session_was_gone", unit=self.name)

    def _generate(self, session: pkcs11.Session, owner: KeyOwner) -> UnitKey:
        sealed = _FORMAT + os.urandom(_ID_LENGTH)
        curve = {pkcs11.Attribute.EC_PARAMS: _CURVES[self.algorithm]}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        private = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
        public, _ = parameters.generate_keypair(
            store=True,
            id=sealed[1:],
            label=_label(owner),
            capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            private_template=private,
        )
        # The point comes as an OCTET STRING around it.
        return UnitKey(sealed, public[pkcs11.Attribute.EC_POINT][2:])

    def _find(self, session: pkcs11.Session, owner: KeyOwner, sealed: bytes) -> _Found:
        place = (owner, sealed)
        found = self._found.get(place)
        if found is not None:
            self._found.move_to_end(place)
            return found
        wanted = _attributes(owner, sealed)
        wanted[pkcs11.Attribute.CLASS] = pkcs11.ObjectClass.PRIVATE_KEY
        keys = list(session.get_objects(wanted))
        if len(keys) != 1 or sealed[:1] != _FORMAT:
            log.error("signing_key.not_found", tss_id=str(owner.tss_id), found=len(keys))
            raise pkcs11.NoSuchKey
        self._found[place] = found = _Found(keys[0], keys[0][pkcs11.Attribute.EC_PARAMS])
        if len(self._found) > _FOUND_AT_MOST:
            self._found.popitem(last=False)
        return found


def _attributes(owner: KeyOwner, sealed: bytes) -> dict[pkcs11.Attribute, object]:
    return {pkcs11.Attribute.ID: sealed[1:], pkcs11.Attribute.LABEL: _label(owner)}


def _label(owner: KeyOwner) -> str:
    return f"tillkeeper {owner.env} {owner.organization_id} {owner.tss_id} {owner.version}"
