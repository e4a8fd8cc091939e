"""How every command begins, runs and is ended."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
import rich_click as click
import uvloop

from tillkeeper.logs import configure_logs
from tillkeeper.settings import Settings, read_settings

T = TypeVar("T")


def open_settings(**overrides: object) -> Settings:
    """Read the settings and set up the log that they ask for."""
    settings = read_settings(os.environ, **overrides)
    configure_logs(settings.log_level)
    return settings


def checked(kind: type[T], **values: object) -> T:
    """Return what the options say as the API would take it; a wrong one is told as an option."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error).replace("$.", "--").replace("`", "")) from error


def operator_id() -> UUID:
    """Return what the person at this machine is called in the audit, the same every time."""
    return uuid5(NAMESPACE_URL, f"operator:{os.getuid()}@{socket.gethostname()}")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the asynchronous work of a command."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def run_service(work: Coroutine[Any, Any, bool]) -> int:
    """Do the work of a service and return the exit code of its process.

    SIGINT and SIGTERM end it from its first moment on: while it starts they cancel it, so that
    what has been opened is closed again. Later it says itself what they do, by `on_signals`.
    """
    return 0 if run(_stoppable(work)) else 1


async def _stoppable(work: Coroutine[Any, Any, bool]) -> bool:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a coroutine runs in a task")
    on_signals(task.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        if not task.cancelling():
            raise
        return True


def on_signals(do: Callable[[], object]) -> None:
    """From now on let SIGINT and SIGTERM do this, and nothing else."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, do)
