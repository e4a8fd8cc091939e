"""The installation's secrets: a file that only its owner reads, or a setting."""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct, field, json

from tillkeeper.core.secrets import Keyring

_LENGTH = 32
_NAME = "keys.json"


class KeysRefusal(Exception):
    """The secrets cannot be trusted or read; the sentence says what to do."""


class _Stored(Struct, kw_only=True, omit_defaults=True):
    peppers: dict[str, str]
    database: str
    active: int | None = None
    retired: dict[str, str] = field(default_factory=dict)


class Keys(Struct, frozen=True):
    """What the installation keeps secret: by version for the API, one for the database logins."""

    keyring: Keyring
    database: bytes

    def password_of(self, login: str) -> str:
        """Return the password of a database login."""
        return Keyring({1: self.database}).derive(f"database login {login}").hex()


Step = Callable[[Keyring], Keyring]
"""One step of a rotation."""


def load_keys(data_dir: Path, pepper: str | None) -> Keys:
    """Return the secrets; make the file where there is none.

    With TILLKEEPER_PEPPER several instances share their secrets without sharing a directory.
    """
    if pepper is not None:
        return _parse(pepper)
    path = key_file(data_dir)
    try:
        return read_keys(path)
    except FileNotFoundError:
        return _create(path)


def key_file(data_dir: Path) -> Path:
    """Return where the secrets are, when they are not in a setting."""
    return data_dir / _NAME


def change_key_file(path: Path, step: Step) -> Keys:
    """Change the secrets in their file, which is there whole, as it was or as it is now.

    Held against a second command; whoever reads meanwhile reads the one or the other.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KeysRefusal("Another command is changing the keys: wait for its end") from error
        if os.fstat(descriptor).st_ino != path.stat().st_ino:
            raise KeysRefusal("Another command has just changed the keys: look at them again")
        keys = read_keys(path)
        keys = Keys(step(keys.keyring), keys.database)
        draft = _draft(path, json.encode(_stored(keys)))
        draft.replace(path)
        _flush(path.parent)
    finally:
        os.close(descriptor)
    return keys


def write_setting(out: Path, keys: Keys, step: Step) -> Keys:
    """Write the next value of TILLKEEPER_PEPPER into a new file, for its owner alone."""
    keys = Keys(step(keys.keyring), keys.database)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise KeysRefusal(f"{out} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_text(keys) + "\n")
    return keys


def _parse(pepper: str) -> Keys:
    """Read the setting: `1:<hex>` for each version, and what a rotation has written beside."""
    peppers: dict[int, bytes] = {}
    waiting: set[int] = set()
    retired: dict[int, str] = {}
    database = None
    for part in pepper.split(","):
        name, text, mark, *more = (*part.strip().split(":"), "", "", "")
        secret = _bytes_of(text, is_empty_fine=mark == "retired")
        match name, mark + "".join(more):
            case "database", "":
                database = secret
            case _, "retired":
                retired[_version_of(name)] = secret.hex()
            case _, "" | "prepared":
                peppers[_version_of(name)] = secret
                waiting |= {_version_of(name)} if mark else set()
            case _:
                raise KeysRefusal(_WANTED)
    used = peppers.keys() - waiting
    if not used:
        raise KeysRefusal(_WANTED)
    keyring = Keyring(peppers, max(used), retired)
    # Before a rotation could take the oldest version away the logins hung on it.
    return Keys(keyring, database or keyring.derive("database", min(peppers)))


def _version_of(name: str) -> int:
    if not name.isascii() or not name.isdigit():
        raise KeysRefusal(_WANTED)
    return int(name)


def _bytes_of(text: str, *, is_empty_fine: bool) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError as error:
        raise KeysRefusal(_WANTED) from error
    if len(secret) != _LENGTH and not (is_empty_fine and not secret):
        raise KeysRefusal(_WANTED)
    return secret


_WANTED = (
    "TILLKEEPER_PEPPER should read `1:` and 64 hex digits; other versions behind commas, one that "
    "is not in use yet with `:prepared` at its end"
)


def _text(keys: Keys) -> str:
    """Return the setting that says what these keys are."""
    ring = keys.keyring
    parts = [f"database:{keys.database.hex()}"]
    for version in reversed(ring.oldest_first):
        mark = ":prepared" if version > ring.active else ""
        parts.append(f"{version}:{ring.peppers[version].hex()}{mark}")
    parts += [f"{version}:{public}:retired" for version, public in ring.retired.items()]
    return ",".join(parts)


def _stored(keys: Keys) -> _Stored:
    ring = keys.keyring
    return _Stored(
        peppers={str(version): pepper.hex() for version, pepper in ring.peppers.items()},
        database=keys.database.hex(),
        active=ring.active,
        retired={str(version): public for version, public in ring.retired.items()},
    )


def read_keys(path: Path) -> Keys:
    """Read the file; one that others may read, or that somebody else has put there, is refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
            raise KeysRefusal(f"{path} must belong to you and be closed to others: chmod 600")
        try:
            return _understood(json.decode(file.read(), type=_Stored))
        except (msgspec.DecodeError, ValueError) as error:
            raise KeysRefusal(f"{path} is damaged: restore it from a backup") from error


def _understood(stored: _Stored) -> Keys:
    peppers = {int(version): bytes.fromhex(text) for version, text in stored.peppers.items()}
    if not peppers or (stored.active is not None and stored.active not in peppers):
        raise ValueError("the active version is not among them")
    retired = {int(version): public for version, public in stored.retired.items()}
    return Keys(Keyring(peppers, stored.active, retired), bytes.fromhex(stored.database))


def _create(path: Path) -> Keys:
    """Write the file whole or not at all: a half-written secret would lock everybody out."""
    stored = _Stored(peppers={"1": secrets.token_hex(_LENGTH)}, database=secrets.token_hex(_LENGTH))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path, json.encode(stored))
    try:
        os.link(draft, path)
    except FileExistsError:
        return read_keys(path)
    finally:
        draft.unlink()
    return _understood(stored)


def _draft(path: Path, content: bytes) -> Path:
    """Write a file beside, closed to others, and wait until the disk has it."""
    draft = path.with_name(f".{_NAME}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
