"""PostgreSQL's data directory: making it once, and seeing who still runs on it."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tillkeeper.db.embedded.account import EmbeddedRefusal
from tillkeeper.db.embedded.processes import end_process, has_ended, spawn, wait_exited
from tillkeeper.db.embedded.site import OPEN_DIRECTORY, Site, clear_socket_dir

SUPERUSER = "postgres"
WORKSHOP_PREFIX = ".initdb-"
PROGRAM_NAMES = {"postgres", "postmaster"}
TAIL_BYTES = 2000
LOG_AT_MOST_BYTES = 10_000_000
# An orphan ends by itself when its service was killed; then we ask, then we insist.
ORPHAN_STEPS = ((None, 5.0), (signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0))


async def ensure_cluster(site: Site, bin_dir: Path, superuser_password: str) -> None:
    """Make the cluster unless it is there; an interrupted attempt leaves nothing behind.

    Checksums on, UTF-8, the C locale, passwords by SCRAM. Call with the service lock held.
    """
    _remove_workshops(site)
    if (site.cluster / "PG_VERSION").exists():
        return
    workshop = Path(tempfile.mkdtemp(prefix=WORKSHOP_PREFIX, dir=site.data_dir))
    try:
        await _run_initdb(site, bin_dir, workshop, superuser_password)
        (workshop / "cluster").rename(site.cluster)
        _flush_directory(site.data_dir)
    finally:
        shutil.rmtree(workshop)


async def end_orphan(site: Site) -> None:
    """Wait for a PostgreSQL that outlived its service, end it, and clear what it left lying.

    Call with the service lock held: whoever still runs on the cluster has no service.
    """
    if pid := find_postmaster(site):
        await _end_postmaster(site, pid)
    _remove_reused_pid_file(site)
    clear_socket_dir(site)


def find_postmaster(site: Site) -> int | None:
    """Return the process id of the PostgreSQL that runs on this very cluster."""
    pid = _read_pid_file(site)
    arguments = _read_command(pid) if pid else None
    if not arguments or Path(arguments[0]).name not in PROGRAM_NAMES:
        return None
    return pid if str(site.cluster) in arguments else None


def measure_log(site: Site) -> int:
    """Return the log's size in bytes, to quote later only what came after."""
    return site.log_file.stat().st_size if site.log_file.exists() else 0


def quote_log(site: Site, start: int) -> str:
    """Return the last lines written to the log after a size in bytes."""
    with site.log_file.open("rb") as log:
        size_bytes = measure_log(site)
        # Shorter than it was: it has been cut meanwhile.
        log.seek(max(start if start <= size_bytes else 0, size_bytes - TAIL_BYTES, 0))
        return log.read().decode(errors="replace").strip()


def bound_log(site: Site) -> None:
    """Move a log that has grown too long to `postgres.log.1`, and begin it anew in its place.

    PostgreSQL holds the file open and appends: it is copied and cut, not renamed. What is written
    between the two is lost, which a log of warnings can bear.
    """
    size_bytes = measure_log(site)
    if size_bytes <= LOG_AT_MOST_BYTES:
        return
    old = site.log_file.with_name(f"{site.log_file.name}.1")
    draft = old.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(site.log_file, os.O_RDWR | os.O_NOFOLLOW), "r+b") as log:
        log.seek(size_bytes - LOG_AT_MOST_BYTES)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as copy:
            os.fchown(copy.fileno(), site.account.uid, site.account.gid)
            shutil.copyfileobj(log, copy)
        draft.replace(old)
        log.truncate(0)


async def _end_postmaster(site: Site, pid: int) -> None:
    with contextlib.suppress(ProcessLookupError), _open_process(pid) as handle:
        if find_postmaster(site) != pid:
            return
        for number, patience_seconds in ORPHAN_STEPS:
            if number is not None:
                signal.pidfd_send_signal(handle, number)
            if await has_ended(handle, patience_seconds):
                return
        raise EmbeddedRefusal(
            f"A PostgreSQL (process {pid}) of an earlier run still uses {site.cluster} "
            "and does not end: end it, then start again."
        )


async def _run_initdb(site: Site, bin_dir: Path, workshop: Path, password: str) -> None:
    password_file = workshop / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(f"{password}\n")
    os.chown(password_file, site.account.uid, site.account.gid)
    os.chown(workshop, site.account.uid, site.account.gid)
    command = [str(bin_dir / "initdb"), "-D", str(workshop / "cluster"), "-U", SUPERUSER]
    command += [f"--pwfile={password_file}", "--auth=scram-sha-256", "--data-checksums"]
    command += ["--encoding=UTF8", "--locale-provider=libc", "--locale=C", "--no-instructions"]
    start = measure_log(site)
    process = spawn(site, command)
    try:
        code = await wait_exited(process)
    finally:
        await end_process(process, ((signal.SIGINT, 5.0),))
    if code != 0:
        raise EmbeddedRefusal(
            f"PostgreSQL could not create its files in {site.data_dir}: {quote_log(site, start)}"
        )


def _remove_workshops(site: Site) -> None:
    for leftover in site.data_dir.glob(f"{WORKSHOP_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)  # Its initdb may be tidying up too.


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, OPEN_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _open_process(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _read_pid_file(site: Site) -> int | None:
    try:
        line = (site.cluster / "postmaster.pid").read_text().partition("\n")[0].strip()
    except FileNotFoundError:
        return None
    return int(line) if line.isdigit() else None


def _read_command(pid: int) -> list[str] | None:
    """Return a process's command line: empty for a zombie, None for no process."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return [os.fsdecode(part) for part in text.split(b"\0") if part]


def _remove_reused_pid_file(site: Site) -> None:
    """Remove a pid file whose number is a zombie's or a process's that serves no such cluster.

    PostgreSQL removes stale files itself, except when the number is in use by the same user:
    usual in containers, where numbers start over and zombies stay. A PostgreSQL that may serve
    this cluster under another name is left for it to judge.
    """
    pid = _read_pid_file(site)
    arguments = _read_command(pid) if pid else None
    if arguments is None or _may_serve(arguments, site.cluster):
        return
    (site.cluster / "postmaster.pid").unlink()


def _may_serve(arguments: list[str], cluster: Path) -> bool:
    if not arguments or Path(arguments[0]).name not in PROGRAM_NAMES:
        return False
    if "-D" not in arguments[:-1]:
        return True
    return Path(arguments[arguments.index("-D") + 1]).resolve() == cluster
