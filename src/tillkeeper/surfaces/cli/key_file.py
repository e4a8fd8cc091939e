"""The file that provisioned keys are written to."""

import asyncio
import csv
import fcntl
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tillkeeper.client.wire import NewApiKey, Organization
from tillkeeper.core.env import Env

COLUMNS = ("external_id", "name", "organization_id", "api_key", "api_secret", "env")

_HEADER = (",".join(COLUMNS) + "\n").encode()


class KeyFileRefusal(Exception):
    """The file for the keys cannot be used; the sentence says why and what to do."""


class KeyFile:
    """The secrets on disk, for their owner only; a line is there whole or not at all."""

    def __init__(self, descriptor: int, content: bytes) -> None:
        self._descriptor, self._size_bytes = descriptor, len(content)
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        self.done = {row["external_id"] for row in rows}
        self.envs = {row["env"] for row in rows}

    async def append(
        self, external_id: str, organization: Organization, api_key: NewApiKey
    ) -> None:
        """Write one line and wait until the disk has it."""
        cells = (external_id, organization.name, organization.id, api_key.key, api_key.secret)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow((*cells, api_key.envs[0]))
        try:
            self._write(text.getvalue().encode())
            await self._sync()
        except OSError as error:
            sentence = f"The keys cannot be written, so nothing more is sent: {error}"
            raise KeyFileRefusal(sentence) from error

    async def _sync(self) -> None:
        """Return when the disk has it, also where the run is broken off meanwhile.

        A file that is closed under a sync stays held until that ends, and a sync that begins after
        it was closed may be of another file, under the same number.
        """
        syncing = asyncio.ensure_future(asyncio.to_thread(os.fsync, self._descriptor))
        try:
            await asyncio.shield(syncing)
        except asyncio.CancelledError:
            await asyncio.wait([syncing])
            raise

    def _write(self, line: bytes) -> None:
        if os.write(self._descriptor, line) != len(line):
            os.ftruncate(self._descriptor, self._size_bytes)
            raise OSError("the disk is full")
        self._size_bytes += len(line)


@contextmanager
def open_key_file(path: Path, env: Env) -> Iterator[KeyFile]:
    """Open or create the file with mode 0600 and hold it against a second run.

    Refused where others may read it, where it is not ours, and where it holds keys of the other
    env: those customers would be skipped. A last line that was cut off by a crash is removed.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise KeyFileRefusal(f"{path} cannot be opened for the keys: {error.strerror}") from error
    try:
        _check_ours(path, descriptor)
        _hold(path, descriptor)
        keys = KeyFile(descriptor, _whole_lines(path, descriptor))
        if keys.envs - {env}:
            raise KeyFileRefusal(f"{path} holds keys that are not {env}: choose another file")
        yield keys
    finally:
        os.close(descriptor)


def _check_ours(path: Path, descriptor: int) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileRefusal(f"{path} is not a file: choose another name")
    if status.st_mode & 0o077:
        raise KeyFileRefusal(f"Others may read {path}, where the secrets go: run chmod 600 {path}")


def _hold(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise KeyFileRefusal(f"Another run is writing to {path}: wait for its end") from error


def _whole_lines(path: Path, descriptor: int) -> bytes:
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    if not (content.startswith(_HEADER) or _HEADER.startswith(content)):
        names = ",".join(COLUMNS)
        raise KeyFileRefusal(f"{path} does not begin with {names}: choose another file")
    whole = content[: content.rfind(b"\n") + 1]
    os.ftruncate(descriptor, len(whole))
    if not whole:
        os.write(descriptor, _HEADER)
    return whole or _HEADER
