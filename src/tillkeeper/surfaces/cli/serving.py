"""One process that serves: uvicorn in our own loop, stopped cleanly by a signal."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import Any

import uvicorn

from tillkeeper.access.peppers import (
    list_unknown_versions,
    tell_of_the_end,
    tell_what_is_held,
)
from tillkeeper.app import make_service
from tillkeeper.core.mail import parse_sender
from tillkeeper.db import embedded
from tillkeeper.domains.audit.jobs import OtherCluster, check_cluster
from tillkeeper.domains.mail.jobs import Mailroom
from tillkeeper.domains.mail.postmen import hire
from tillkeeper.domains.mail.rendering import Letterhead
from tillkeeper.installation import Installation
from tillkeeper.keys import key_file
from tillkeeper.logs import log
from tillkeeper.settings import Settings
from tillkeeper.surfaces.cli.running import on_signals
from tillkeeper.surfaces.worker import Chore, working
from tillkeeper.surfaces.worker.chores import CHORES, KINDS
from tillkeeper.surfaces.worker.jobs import doing_jobs
from tillkeeper.surfaces.worker.key_watch import KeyWatch

_GRACE_SECONDS = 10
_MAIL_EVERY_SECONDS = 1
_WATCH_SECONDS = 1


class ServingRefusal(Exception):
    """The service cannot start where it was told to; the sentence says why."""


class _Server(uvicorn.Server):
    """Leaves signals to us: the database stops after the last answer, not before."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture nothing."""
        yield


@contextlib.asynccontextmanager
async def serving(installation: Installation) -> AsyncGenerator[uvicorn.Server]:
    """Serve while the caller waits; on the way out wait for running requests and chores."""
    settings = installation.settings
    try:
        await check_cluster(installation.house)
    except OtherCluster as refusal:
        raise ServingRefusal(str(refusal)) from refusal
    if unknown := await list_unknown_versions(installation.house):
        raise ServingRefusal(
            f"Secrets are stored here under versions of the pepper that are missing: "
            f"{', '.join(map(str, unknown))}. Restore the newest keys.json, or TILLKEEPER_PEPPER"
        )
    app = make_service(
        installation.house,
        is_logging_access=settings.access_log,
        trusted_proxies=settings.proxies,
    )
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    task = asyncio.create_task(_run(server, settings.host, settings.port))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells no other way
            await asyncio.sleep(0.01)
        if task.done():
            task.result()
        await tell_what_is_held(installation.house)
        async with (
            working(installation.house, _chores(settings)),
            doing_jobs(installation.house, KINDS),
        ):
            yield server
    finally:
        server.should_exit = True
        await task
        await tell_of_the_end(installation.house)


def _chores(settings: Settings) -> tuple[Chore, ...]:
    """Return what the service does; it watches the key file where its secrets come from one."""
    chores = (*CHORES, _mailing(settings))
    if settings.pepper is not None:
        return chores
    watch = KeyWatch(key_file(settings.data_dir))
    return (*chores, Chore("watch the keys", _WATCH_SECONDS, watch.run))


def _mailing(settings: Settings) -> Chore:
    head = Letterhead(parse_sender(settings.mail_from), settings.base_url)
    room = Mailroom(hire(settings.mail_route), head)
    return Chore("send mail", _MAIL_EVERY_SECONDS, room.run)


async def wait_for_the_end(server: uvicorn.Server, installation: Installation) -> bool:
    """Wait for SIGINT or SIGTERM; tell whether it was that, and not the database's end."""
    asked = asyncio.Event()
    on_signals(asked.set)
    waiting: set[asyncio.Task[Any]] = {asyncio.create_task(asked.wait())}
    if installation.server is not None:
        waiting.add(asyncio.create_task(_ended(installation.server)))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    server.should_exit = True
    return asked.is_set()


async def _ended(server: embedded.Server) -> None:
    await server.wait_died()
    log.error("database.given_up")


async def _run(server: uvicorn.Server, host: str, port: int) -> None:
    """Serve; a port that is taken becomes a sentence instead of an exit from within."""
    try:
        await server.serve()
    except SystemExit as error:
        raise ServingRefusal(
            f"Nothing can listen on {host}:{port}: is the port taken? Choose another with --port"
        ) from error
