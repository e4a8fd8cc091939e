"""What a service has signed and exported by HTTP, the command verifies."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from service import bootstrap, run, serving
from tills import Till


@pytest.fixture
def own_dir() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-service-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


async def exported(till: Till, client: httpx.AsyncClient) -> bytes:
    """Have all of it exported, ask until the worker has made it, a minute at most, and download."""
    path = f"{till.path}/export/{uuid4()}"
    asked = (await client.put(path, json={})).json()
    async with asyncio.timeout(60):
        while asked["state"] != "COMPLETED":
            assert asked["state"] in ("PENDING", "WORKING"), asked
            await asyncio.sleep(0.1)
            asked = (await client.get(path)).json()
    answer = await client.get(f"{path}/file")
    assert answer.headers["content-type"] == "application/x-tar"
    return answer.content


@pytest.mark.timeout(300)
async def test_the_command_verifies_what_a_service_has_exported(
    own_dir: Path, tmp_path: Path
) -> None:
    key, file = await bootstrap(own_dir), tmp_path / "export.tar"
    async with serving(own_dir) as service, await service.log_in(key) as client:
        till = await Till(client, base=f"{service.base_url}/api/v2").open()
        for _ in range(3):
            await till.sell()
        file.write_bytes(await exported(till, client))
    code, out, errors = await run(own_dir, "tse", "verify", str(file), "--json")
    assert code == 0, errors
    assert json.loads(out)["transactions"] == 3
    content = file.read_bytes()
    place = content.index(b"FinishTransaction") + 100
    file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert (await run(own_dir, "tse", "verify", str(file)))[0] == 1
