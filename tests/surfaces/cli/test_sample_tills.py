"""`make run`: every sample customer has a till and a receipt, and has it once."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import httpx
import httpx2
import pytest

from service import COMMAND, environment, free_port
from tillkeeper.client import ApiProblem
from tillkeeper.client.connection import Connection
from tillkeeper.surfaces.cli.sample_tills import Admins, Till, read_keys
from tillkeeper.surfaces.cli.tse_export import Verified, verify_export
from tillkeeper.surfaces.cli.tse_qr import verify_qr
from world import World

CUSTOMERS = """external_id,name,address_line1,zip,town,country_code
c-1,Bakery,Weg 1,10115,Berlin,DEU
c-2,Kiosk,Weg 2,10115,Berlin,DEU
"""
REQUESTS = 13


@pytest.fixture
def own_dir() -> Generator[Path]:
    """A directory that the user of the database may enter, with customers in it."""
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-sample-", dir="/var/tmp"))
    path.chmod(0o755)
    (path / "customers.csv").write_text(CUSTOMERS)
    yield path
    shutil.rmtree(path)


async def run_the_sample(data_dir: Path, customers: Path) -> tuple[list[str], list[Verified]]:
    """Start as a new user does, until it serves; return the receipts and each TSS's export."""
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "demo", str(customers), "--port", port),
        env=environment(data_dir),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        async with asyncio.timeout(90):
            while not lines or not lines[-1].startswith("Stop with Ctrl-C"):
                lines.append((await process.stdout.readuntil()).decode().rstrip("\n"))
        found = await export_all(f"http://127.0.0.1:{port}/api/v2", data_dir)
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()
    return [line for line in lines if line.startswith("V0;")], found


async def export_all(base_url: str, data_dir: Path) -> list[Verified]:
    """Let each customer export what its TSS has signed, and check it."""
    found: list[Verified] = []
    keys = read_keys(data_dir / "sample-keys.csv")
    for customer in sorted(keys, key=lambda each: each.external_id):
        async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
            secret = {"api_key": customer.api_key, "api_secret": customer.api_secret}
            token = (await http.post("/auth", json=secret)).json()["access_token"]
            http.headers["authorization"] = f"Bearer {token}"
            for tss in (await http.get("/tss")).json()["data"]:
                file = data_dir / "export.tar"
                await download(http, f"/tss/{tss['_id']}/export/{uuid4()}", file)
                found.append(verify_export(file))
    return found


async def download(http: httpx.AsyncClient, path: str, file: Path) -> None:
    """Ask for an export, wait until the worker has made it, and fetch its file."""
    assert (await http.put(path, json={})).status_code == 200
    async with asyncio.timeout(60):
        while (await http.get(path)).json()["state"] != "COMPLETED":  # noqa: ASYNC110 - by HTTP
            await asyncio.sleep(0.05)
    with file.open("wb") as target:
        target.write((await http.get(f"{path}/file")).content)


@pytest.mark.timeout(200)
async def test_each_customer_of_the_sample_signs_a_receipt_that_others_can_check(
    own_dir: Path,
) -> None:
    data, customers = own_dir / "data", own_dir / "customers.csv"
    texts, exports = await run_the_sample(data, customers)
    receipts = [verify_qr(text) for text in texts]
    assert [each.serial_number for each in receipts] == [each.serial_number for each in exports]
    assert len({each.serial_number for each in exports}) == 2
    assert [(each.transactions, each.first_counter) for each in exports] == [(1, 1), (1, 1)]
    assert [each.transaction_number for each in receipts] == [1, 1]
    for file in ("sample-keys.csv", "sample-tills.json"):
        assert (data / file).stat().st_mode & 0o077 == 0
    assert await run_the_sample(data, customers) == (texts, exports)


class Breaking(httpx2.AsyncBaseTransport):
    """Answers so many requests; the next one is carried out, and its answer lost."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, left: int) -> None:
        self.inner, self.left = inner, left

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self.inner.handle_async_request(request)
        if not self.left:
            raise httpx2.ReadError("broken off")
        self.left -= 1
        return answer


@pytest.mark.parametrize("left", range(REQUESTS))
async def test_stopped_anywhere_and_run_again_it_goes_on_with_the_same_till(
    world: World, tmp_path: Path, left: int
) -> None:
    secret = world.keys["shop_test"]["api_key"], world.keys["shop_test"]["api_secret"]
    inner = httpx2.ASGITransport(app=world.app)

    async def sell(transport: httpx2.AsyncBaseTransport) -> str:
        """Each run reads the file anew, as a process that starts does."""
        url = "http://test/api/v2"
        async with httpx2.AsyncClient(base_url=url, transport=transport) as http:
            connection = Connection(http, secret, retries=0, sleep=asyncio.sleep)
            return await Till(connection, world.shop, Admins(tmp_path / "tills.json")).sell()

    with pytest.raises(ApiProblem, match="does not answer"):
        await sell(Breaking(inner, left))
    text = await sell(inner)
    assert verify_qr(text).transaction_number == 1
    assert await sell(inner) == text
    tss = "SELECT count(*) FROM tss WHERE organization_id = $1"
    assert await world.owner.fetchval(tss, world.shop) == 1


def test_without_a_sample_there_is_nobody_to_sign(tmp_path: Path) -> None:
    assert read_keys(tmp_path / "sample-keys.csv") == []
