"""Starting, watching and ending the database's processes without blocking the event loop."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tillkeeper.db.embedded.site import Site, open_log

LAUNCHER = Path(__file__).with_name("launcher.py")
# Nothing inherited: PGDATA, PGPORT or a locale of the caller must not change the database.
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


def spawn(site: Site, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program as the site's account, its output appended to the log.

    It gets SIGINT when the calling *thread* ends, however that happens: call it from the thread
    that lives as long as the service, never from a worker thread.
    """
    account = site.account
    ticket = (os.getpid(), account.uid, account.gid, int(signal.SIGINT))
    log = open_log(site)
    try:
        return subprocess.Popen(  # noqa: S603 - our own launcher, no shell
            [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, ticket), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
        )
    finally:
        os.close(log)


async def wait_exited(process: subprocess.Popen[bytes]) -> int:
    """Wait for our own process and return its exit code (negative: the signal)."""
    if process.poll() is None:
        handle = os.pidfd_open(process.pid)
        try:
            await _wait_readable(handle)
        finally:
            os.close(handle)
    return process.wait()


async def end_process(
    process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]
) -> int:
    """Send each signal in turn and wait its seconds, then kill; return the exit code."""
    for number, patience_seconds in steps:
        if process.poll() is None:
            process.send_signal(number)
        try:
            return await asyncio.wait_for(wait_exited(process), patience_seconds)
        except TimeoutError:
            continue
    process.kill()
    return await wait_exited(process)


async def has_ended(handle: int, patience_seconds: float | None) -> bool:
    """Say whether the process of a pidfd, anybody's, ends within the time (None: any)."""
    try:
        await asyncio.wait_for(_wait_readable(handle), patience_seconds)
    except TimeoutError:
        return False
    return True


async def _wait_readable(handle: int) -> None:
    """Wait until a pidfd becomes readable, which is when its process has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
