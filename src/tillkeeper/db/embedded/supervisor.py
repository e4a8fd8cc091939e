"""Keeping one PostgreSQL running: start, wait until it answers, restart, stop."""

import asyncio
import logging
import signal
import subprocess
import time
from collections import deque
from enum import Enum, auto
from pathlib import Path

import asyncpg

from tillkeeper.db.embedded.account import EmbeddedRefusal
from tillkeeper.db.embedded.cluster import bound_log, measure_log, quote_log
from tillkeeper.db.embedded.processes import end_process, spawn, wait_exited
from tillkeeper.db.embedded.site import Site, prepare_socket_dir

READY_SECONDS = 30.0
# Replaying the log after a crash may take long: giving up would only start it over.
RECOVERY_SECONDS = 600.0
SHARED_MEMORY_SECONDS = 15.0
SHARED_MEMORY_IN_USE = "pre-existing shared memory block"
KNOCK_SECONDS = 5.0
PAUSE_SECONDS = 0.03
LOG_LOOK_SECONDS = 60.0
RESTART_LIMIT = 3
RESTART_WINDOW_SECONDS = 60.0
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0))
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "off",
    "jit": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "warning",
    # No statement and no value may reach the log: they carry secrets.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
NOT_NOW = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)

log = logging.getLogger("tillkeeper.postgres")


class Answer(Enum):
    """What a server says when one connects to it."""

    READY = auto()
    RECOVERING = auto()
    SILENT = auto()


class Supervisor:
    """Own one postmaster: after `start` it is restarted when it dies, until `stop`."""

    def __init__(self, site: Site, bin_dir: Path, url: str) -> None:
        self._site = site
        self._url = url
        self._command = _command(site, bin_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._restarts: deque[float] = deque()
        self.gone = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, another one after a restart."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Bring the server up and watch over it; refuse with the log's last lines."""
        await asyncio.to_thread(bound_log, self._site)
        await self._launch()
        self._tasks = [
            asyncio.create_task(self._watch(), name="postgres-watcher"),
            asyncio.create_task(self._tend_log(), name="postgres-log"),
        ]

    async def stop(self) -> None:
        """End the server: fast, then at once; harmless when it is already gone."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._process:
            await end_process(self._process, STOP_STEPS)
        self.gone.set()

    async def _launch(self) -> None:
        """Start a postmaster, again while the backends of a killed one are still ending."""
        give_up_at = time.monotonic() + SHARED_MEMORY_SECONDS
        while True:
            prepare_socket_dir(self._site)
            start = measure_log(self._site)
            self._process = spawn(self._site, self._command)
            if await self._is_ready(self._process):
                return
            words = quote_log(self._site, start)
            if SHARED_MEMORY_IN_USE not in words or time.monotonic() > give_up_at:
                raise EmbeddedRefusal(
                    f"PostgreSQL did not start. {self._site.log_file} ends with: {words}"
                )
            await asyncio.sleep(PAUSE_SECONDS * 10)

    async def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until the server answers; False when its process ended instead."""
        began = time.monotonic()
        patience_seconds = READY_SECONDS
        while process.poll() is None:
            answer = await knock(self._url)
            if answer is Answer.READY:
                return True
            if answer is Answer.RECOVERING:
                patience_seconds = RECOVERY_SECONDS
            if time.monotonic() - began > patience_seconds:
                raise EmbeddedRefusal(
                    f"PostgreSQL did not answer within {patience_seconds:.0f} seconds: "
                    f"see {self._site.log_file}."
                )
            await asyncio.sleep(PAUSE_SECONDS)
        return False

    async def _watch(self) -> None:
        try:
            while self._process:
                code = await wait_exited(self._process)
                log.error("postgres.died pid=%s exit_code=%s", self.pid, code)
                if not self._may_restart():
                    break
                await self._restart()
            log.error("postgres.given_up restarts=%s", RESTART_LIMIT)
        finally:
            self.gone.set()

    async def _tend_log(self) -> None:
        """Keep the log from filling the disk, for as long as the server runs."""
        while True:
            await asyncio.sleep(LOG_LOOK_SECONDS)
            try:
                await asyncio.to_thread(bound_log, self._site)
            except OSError as error:
                log.warning("postgres.log_not_cut reason=%s", error)

    def _may_restart(self) -> bool:
        now = time.monotonic()
        while self._restarts and now - self._restarts[0] > RESTART_WINDOW_SECONDS:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= RESTART_LIMIT

    async def _restart(self) -> None:
        """Launch again; a refusal ends the process, so that the watcher counts one more."""
        try:
            await self._launch()
        except (EmbeddedRefusal, OSError) as refusal:
            log.error("postgres.restart_failed reason=%s", refusal)  # noqa: TRY400 - a sentence
            if self._process:
                await end_process(self._process, STOP_STEPS)
            return
        log.warning("postgres.restarted pid=%s", self.pid)


async def knock(url: str) -> Answer:
    """Try one connection as the superuser; refuse when the password is not the cluster's."""
    try:
        connection = await asyncpg.connect(url, timeout=KNOCK_SECONDS)
        await connection.close(timeout=KNOCK_SECONDS)
    except asyncpg.CannotConnectNowError:
        return Answer.RECOVERING
    except asyncpg.InvalidPasswordError:
        raise EmbeddedRefusal(
            "The embedded PostgreSQL does not accept its superuser password: "
            "the data directory was made with another one; restore the secret it belongs to."
        ) from None
    except (OSError, *NOT_NOW):
        return Answer.SILENT
    return Answer.READY


def _command(site: Site, bin_dir: Path) -> list[str]:
    settings = {**SETTINGS, "unix_socket_directories": str(site.socket_dir)}
    command = [str(bin_dir / "postgres"), "-D", str(site.cluster)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command
