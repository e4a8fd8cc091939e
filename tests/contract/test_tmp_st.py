"""T09: the documents, believed to the letter and tried against the running service."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import uvicorn

from tillkeeper.surfaces.http.edge import Edge
from world import World

COMMAND = Path(sys.executable).with_name("schemathesis")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
)
SECONDS_AT_MOST = 60


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
        host="127.0.0.1",
        port=0,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = _Server(config)
    sockets = [config.bind_socket()]
    task = asyncio.create_task(server.serve(sockets))
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task
    sockets[0].close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["management", "sign"])
async def test_the_service_keeps_what_its_documents_promise(
    world: World, base_url: str, tmp_path: Path, name: str
) -> None:
    report = tmp_path / "report.json"
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "--config-file=/tmp/st.toml",
        "run",
        f"{base_url}/docs/{name}.json",
        f"--url={base_url}",
        f"--header=Authorization: {world.vendor_test.headers['authorization']}",
        f"--checks={','.join(CHECKS)}",
        f"--report-json-path={report}",
        "--report=ndjson", "--report-ndjson-path=/tmp/st.ndjson", "--phases=coverage",
        "--max-examples=15",
        "--workers=4",
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
    assert json.loads(report.read_text("utf-8"))
