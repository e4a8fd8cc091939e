"""One service per data directory: a file lock that ends with the process that holds it."""

import asyncio
import contextlib
import fcntl
import os
from dataclasses import dataclass

from tillkeeper.db.embedded.account import EmbeddedRefusal
from tillkeeper.db.embedded.site import Site

# The command line looks with a shared lock, for an instant: that must not refuse a start.
ATTEMPTS = 4
PAUSE_SECONDS = 0.05
PID_BYTES = 20


@dataclass(frozen=True)
class ServiceLock:
    """The lock as held; it writes our process id into the file for those who are refused."""

    file: int

    def release(self) -> None:
        """Let the next service in."""
        os.ftruncate(self.file, 0)
        os.close(self.file)


async def acquire_lock(site: Site) -> ServiceLock:
    """Take the data directory for this process, or refuse and name the process that has it."""
    file = os.open(site.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        await _lock(site, file)
        os.fchown(file, site.account.uid, site.account.gid)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(file)
        raise
    return ServiceLock(file)


def find_holder(site: Site) -> int | None:
    """Return the process id of the service that holds the data directory (0: not yet known)."""
    try:
        file = os.open(site.lock_file, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(file)
    else:
        return None
    finally:
        os.close(file)


async def _lock(site: Site, file: int) -> None:
    for _ in range(ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise EmbeddedRefusal(
        f"Another Tillkeeper (process {_read_pid(file) or 'unknown'}) already serves from "
        f"{site.data_dir}: stop it first, or choose another TILLKEEPER_DATA_DIR."
    )


def _read_pid(file: int) -> int:
    text = os.pread(file, PID_BYTES, 0).strip()
    return int(text) if text.isdigit() else 0
