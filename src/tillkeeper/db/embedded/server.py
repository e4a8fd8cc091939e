"""The embedded database as its users see it: start, attach, addresses, stop."""

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tillkeeper.db.embedded.account import EmbeddedRefusal, choose_account
from tillkeeper.db.embedded.binaries import find_binaries
from tillkeeper.db.embedded.cluster import SUPERUSER, end_orphan, ensure_cluster, find_postmaster
from tillkeeper.db.embedded.lock import ServiceLock, acquire_lock, find_holder
from tillkeeper.db.embedded.processes import has_ended
from tillkeeper.db.embedded.site import (
    Site,
    clear_socket_dir,
    prepare_data_dir,
    prepare_socket_dir,
    refuse_foreign_socket_dir,
)
from tillkeeper.db.embedded.supervisor import SETTINGS, Answer, Supervisor, knock

ATTACH_SECONDS = 10.0
ATTACH_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Embedded:
    """Where an embedded database listens."""

    socket_dir: Path

    def url_for(self, user: str, password: str, database: str) -> str:
        """Return an address for asyncpg; every part may hold any character."""
        name, secret, base, host = (
            quote(part, safe="") for part in (user, password, database, str(self.socket_dir))
        )
        return f"postgresql://{name}:{secret}@/{base}?host={host}&port={SETTINGS['port']}"


class Server:
    """A running embedded PostgreSQL, ours to stop or (attached) another service's."""

    def __init__(self, site: Site, superuser_password: str) -> None:
        self._site = site
        self._password = superuser_password
        self._supervisor: Supervisor | None = None
        self._lock: ServiceLock | None = None
        self._stopping = asyncio.Lock()
        self.embedded = Embedded(site.socket_dir)

    @property
    def socket_dir(self) -> Path:
        """Where the server's socket is; never inside the data directory."""
        return self.embedded.socket_dir

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, another one after a restart."""
        return self._supervisor.pid if self._supervisor else find_postmaster(self._site)

    def url_for(self, user: str, password: str, database: str) -> str:
        """Return an address for asyncpg as any login."""
        return self.embedded.url_for(user, password, database)

    def superuser_url(self, database: str = "postgres") -> str:
        """Return an address for asyncpg as the superuser: set-up and upkeep only."""
        return self.embedded.url_for(SUPERUSER, self._password, database)

    async def stop(self) -> None:
        """End the database and give the data directory free; an attached one is left alone."""
        async with self._stopping:
            if self._supervisor and self._lock:
                await self._supervisor.stop()
                with contextlib.suppress(OSError):
                    clear_socket_dir(self._site)
                    self.socket_dir.rmdir()
                self._lock.release()
                self._lock = None

    async def wait_died(self) -> None:
        """Return when the database is gone for good: stopped, or its restarts used up."""
        if self._supervisor:
            await self._supervisor.gone.wait()
        elif pid := self.pid:
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                try:
                    await has_ended(handle, None)
                finally:
                    os.close(handle)

    async def _take(self, bin_dir: Path | None) -> None:
        binaries = await asyncio.to_thread(find_binaries, self._site.account, bin_dir)
        await asyncio.to_thread(prepare_data_dir, self._site)
        self._lock = await acquire_lock(self._site)
        self._supervisor = Supervisor(self._site, binaries, self.superuser_url())
        prepare_socket_dir(self._site)
        await end_orphan(self._site)
        await ensure_cluster(self._site, binaries, self._password)
        await self._supervisor.start()


async def start(data_dir: Path, *, superuser_password: str, bin_dir: Path | None = None) -> Server:
    """Serve the database of a data directory, made on the first start, until `stop`.

    Holds the directory's lock: a second service is refused, an orphan of a killed one is ended.
    The server ends when the calling thread does: call it from the thread of the service's loop.
    """
    site = await asyncio.to_thread(_find_site, data_dir)
    server = Server(site, superuser_password)
    try:
        await server._take(bin_dir)  # noqa: SLF001 - its second half
    except OSError as error:
        await server.stop()
        raise EmbeddedRefusal(
            f"The embedded PostgreSQL cannot be prepared in {site.data_dir}: {error}."
        ) from error
    except BaseException:
        await server.stop()
        raise
    return server


async def attach(data_dir: Path, *, superuser_password: str) -> Server | None:
    """Join the database of a service that runs already, or None: then `start` one's own.

    Waits a moment for a service that is just starting; its `stop` leaves the database alone.
    """
    site = await asyncio.to_thread(_find_site, data_dir)
    try:
        holder = find_holder(site)
    except PermissionError:
        raise EmbeddedRefusal(
            f"{site.data_dir} belongs to another user: use the one the service runs as, or root."
        ) from None
    if holder is None:
        return None
    server = Server(site, superuser_password)
    return server if await _is_answering(site, server.superuser_url()) else None


async def _is_answering(site: Site, url: str) -> bool:
    give_up_at = time.monotonic() + ATTACH_SECONDS
    while time.monotonic() < give_up_at and find_holder(site) is not None:
        if find_postmaster(site) and site.socket_dir.exists():
            refuse_foreign_socket_dir(site)
            if await knock(url) is Answer.READY:
                return True
        await asyncio.sleep(ATTACH_PAUSE_SECONDS)
    return False


def _find_site(data_dir: Path) -> Site:
    resolved = data_dir.expanduser().resolve()
    return Site(resolved, choose_account(resolved))
