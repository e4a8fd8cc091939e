"""T09: the documents, believed to the letter and tried against the running service."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import uvicorn

from tillkeeper.surfaces.http.edge import Edge
from world import World

COMMAND = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# Left out: positive_data_acceptance, because rules between fields (withhold_billing needs a payer,
# a cursor stands alone) and ids that must exist cannot be said in a document;
# missing_required_header, because no header is required; ensure_resource_availability, because a
# handover makes what was created disappear from sight, as it should.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
)


class _Server(uvicorn.Server):
    """Leaves signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@pytest.fixture
async def base_url(app: Edge) -> AsyncGenerator[str]:
    """Serve on a free port of this machine, in this loop."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    # TCP by name: asyncio turns Nagle's algorithm off for such sockets only, and 40 ms a request
    # would be spent waiting.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task
    listener.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["management", "sign"])
async def test_the_service_keeps_what_its_documents_promise(
    world: World, base_url: str, tmp_path: Path, name: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        f"--config-file={CONFIGURATION}",
        "run",
        f"{base_url}/docs/{name}.json",
        f"--url={base_url}",
        f"--header=Authorization: {world.vendor_test.headers['authorization']}",
        f"--checks={','.join(CHECKS)}",
        "--max-examples=25",
        "--workers=1",  # with more, CPython 3.11 fails now and then in ast.parse
        "--continue-on-failure",
        "--generation-deterministic",
        "--no-color",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    assert "Tested: " in printed.decode()
