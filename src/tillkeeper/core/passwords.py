"""People's passwords: weak secrets, so a slow hash in a bounded pool that refuses when full."""

import asyncio
import hmac
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tillkeeper.core.errors import Overloaded
from tillkeeper.core.secrets import Keyring

R = TypeVar("R")
_WAITING_AT_MOST = 16


class Passwords:
    """Hash and check with argon2id over an HMAC under the installation's pepper.

    Argon2 releases the interpreter's lock, so a check needs a core, not the event loop. All but
    one core may be busy with it; sixteen may wait; the next one is refused. What is stored begins
    with the version of its pepper, `2:$argon2id$…`; without one it is the oldest there is.
    """

    def __init__(self, keyring: Keyring, *, memory_kib: int = 19_456, passes: int = 2) -> None:
        self.keyring = keyring
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        workers = max(1, (os.cpu_count() or 2) - 1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._room = workers + _WAITING_AT_MOST
        self._decoy = self._hasher.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        """Return what is stored of a password; its parameters are part of it."""
        version = self.keyring.active
        digest = await self._run(self._hasher.hash, self._mix(password, version))
        return f"{version}:{digest}"

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether it is right; without anything stored the same work is done in vain."""
        version, digest = _apart(stored)
        known = self.keyring.oldest_first[0] if version is None else version
        if known not in self.keyring.peppers:
            known, digest = self.keyring.active, None
        is_right = await self._run(self._verify, digest or self._decoy, self._mix(password, known))
        return is_right and digest is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a password is to be hashed anew, now that somebody has said it."""
        return self.keyring.is_newer(_apart(stored)[0])

    def _verify(self, stored: str, mixed: bytes) -> bool:
        try:
            return self._hasher.verify(stored, mixed)
        except (VerificationError, InvalidHashError):
            return False

    def _mix(self, password: str, version: int) -> bytes:
        key = self.keyring.derive("password", version)
        return hmac.digest(key, password.encode("utf-8", "replace"), "sha256")

    async def _run(self, work: Callable[..., R], *arguments: object) -> R:
        if not self._room:
            raise Overloaded
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._room += 1


def _apart(stored: str | None) -> tuple[int | None, str | None]:
    """Return the version of the pepper, and what argon2 knows."""
    if stored is None:
        return None, None
    version, colon, digest = stored.partition(":")
    return (int(version), digest) if colon and version.isdigit() else (None, stored)
