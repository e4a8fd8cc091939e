"""The command as a person runs it: a process of its own, a port, a data directory."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tillkeeper.core.rates import Lane

COMMAND = str(Path(sys.executable).with_name("tillkeeper"))


@dataclass
class Service:
    """A running `tillkeeper serve`."""

    process: asyncio.subprocess.Process
    base_url: str

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=f"{self.base_url}/api/v0", headers=headers, timeout=30)

    async def log_in(self, bootstrapped: dict[str, Any]) -> httpx.AsyncClient:
        body = {name: bootstrapped[name] for name in ("api_key", "api_secret")}
        async with self.client() as client:
            answer = await client.post("/auth", json=body)
        return self.client(answer.json()["access_token"])

    def is_listening(self) -> bool:
        """Tell whether something takes connections there already."""
        port = int(self.base_url.rpartition(":")[2])
        with socket.socket() as knocker:
            return knocker.connect_ex(("127.0.0.1", port)) == 0

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await self.process.wait()


async def run(data_dir: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run a command to its end: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        env=environment(data_dir) | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()


async def bootstrap(data_dir: Path, name: str = "Vendor") -> dict[str, Any]:
    """Make a main organization by the command, as scripts do."""
    code, out, errors = await run(
        data_dir, "bootstrap", "--name", name, "--email", "it@vendor.example", "--json"
    )
    assert code == 0, errors
    made: dict[str, Any] = json.loads(out)
    return made


@contextlib.asynccontextmanager
async def serving(data_dir: Path, **settings: str) -> AsyncGenerator[Service]:
    """Serve on a free port until the test is over, however the test ends it."""
    async with starting(data_dir, **settings) as service:
        await wait_until_well(service)
        yield service


@contextlib.asynccontextmanager
async def starting(data_dir: Path, **settings: str) -> AsyncGenerator[Service]:
    """Start to serve on a free port; whether it answers yet is not waited for."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "serve",
        "--port",
        str(port),
        env=environment(data_dir) | settings,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    service = Service(process, f"http://127.0.0.1:{port}")
    try:
        yield service
    finally:
        if process.returncode is None:
            await service.end(signal.SIGTERM)


async def wait_until_well(service: Service) -> None:
    """Ask for its health until it is well, a minute and a half at most."""
    async with httpx.AsyncClient(timeout=5) as client, asyncio.timeout(90):
        while True:
            assert service.process.returncode is None, "the service ended by itself"
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{service.base_url}/health")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


def environment(data_dir: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # Some tests hammer their service on purpose; tests/access/test_rate_limits.py is about limits.
    off = {f"TILLKEEPER_RATE_{lane.upper()}": "0" for lane in Lane}
    return inherited | off | {"TILLKEEPER_DATA_DIR": str(data_dir)}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
