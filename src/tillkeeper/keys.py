"""The installation's secrets: a file that only its owner reads, or a setting."""

import os
import secrets
import stat
from pathlib import Path

import msgspec
from msgspec import Struct, json

from tillkeeper.core.secrets import Keyring

_LENGTH = 32
_NAME = "keys.json"


class KeysRefusal(Exception):
    """The secrets cannot be trusted or read; the sentence says what to do."""


class _Stored(Struct, kw_only=True):
    peppers: dict[str, str]
    database: str


class Keys(Struct, frozen=True):
    """What the installation keeps secret: by version for the API, one for the database logins."""

    keyring: Keyring
    database: bytes

    def password_of(self, login: str) -> str:
        """Return the password of a database login."""
        return Keyring({1: self.database}).derive(f"database login {login}").hex()


def load_keys(data_dir: Path, pepper: str | None) -> Keys:
    """Return the secrets; make the file where there is none.

    With TILLKEEPER_PEPPER several instances share their secrets without sharing a directory.
    """
    if pepper is not None:
        peppers = _parse(pepper)
        oldest = Keyring(peppers).derive("database", min(peppers))
        return Keys(Keyring(peppers), oldest)
    path = data_dir / _NAME
    try:
        stored = _read(path)
    except FileNotFoundError:
        stored = _create(path)
    peppers = {int(version): bytes.fromhex(text) for version, text in stored.peppers.items()}
    return Keys(Keyring(peppers), bytes.fromhex(stored.database))


def _parse(pepper: str) -> dict[int, bytes]:
    try:
        pairs = (part.strip().partition(":") for part in pepper.split(","))
        peppers = {int(version): bytes.fromhex(text) for version, _, text in pairs}
    except ValueError as error:
        raise KeysRefusal(_WANTED) from error
    if any(len(secret) != _LENGTH for secret in peppers.values()):
        raise KeysRefusal(_WANTED)
    return peppers


_WANTED = "TILLKEEPER_PEPPER should read `1:` and 64 hex digits; older versions behind commas"


def _read(path: Path) -> _Stored:
    """Read the file; one that others may read, or that somebody else has put there, is refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
            raise KeysRefusal(f"{path} must belong to you and be closed to others: chmod 600")
        try:
            return json.decode(file.read(), type=_Stored)
        except msgspec.DecodeError as error:
            raise KeysRefusal(f"{path} is damaged: restore it from a backup") from error


def _create(path: Path) -> _Stored:
    """Write the file whole or not at all: a half-written secret would lock everybody out."""
    stored = _Stored(peppers={"1": secrets.token_hex(_LENGTH)}, database=secrets.token_hex(_LENGTH))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{_NAME}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.encode(stored))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        stored = _read(path)
    finally:
        draft.unlink()
    return stored
