"""How every command begins and runs."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from tillkeeper.logs import configure_logs
from tillkeeper.settings import Settings, read_settings

T = TypeVar("T")


def open_settings(**overrides: object) -> Settings:
    """Read the settings and set up the log that they ask for."""
    settings = read_settings(os.environ, **overrides)
    configure_logs(settings.log_level)
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the asynchronous work of a command."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
