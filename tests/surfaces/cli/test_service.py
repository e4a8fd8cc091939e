import asyncio
import json
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from post_office import MailServer
from service import COMMAND as COMMAND_LINE
from service import Service, bootstrap, environment, run, serving, starting, wait_until_well
from world import ADDRESS

ROOMY = pytest.mark.timeout(300)


@pytest.fixture
def own_dir() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-service-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


async def test_bootstrap_prints_one_json_object_that_opens_the_api(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    assert {"organization_id", "api_key", "api_secret", "env"} <= set(made)
    async with serving(own_dir) as service, await service.log_in(made) as client:
        me = (await client.get("/me")).json()
        assert me["organization"]["_id"] == made["organization_id"]
        further = await bootstrap(own_dir, "Another vendor")
        assert further["organization_id"] != made["organization_id"]
        async with await service.log_in(further) as other:
            absent = await other.get(f"/organizations/{made['organization_id']}")
            assert absent.status_code == 404


async def test_live_is_the_operators_to_give(own_dir: Path) -> None:
    code, out, _ = await run(
        own_dir, "bootstrap", "--name", "Vendor", "--email", "a@b.de", "--env", "LIVE", "--json"
    )
    made = json.loads(out)
    assert (code, made["env"], made["api_key"][:5]) == (0, "LIVE", "live_")


async def test_a_second_service_on_the_same_directory_is_refused(own_dir: Path) -> None:
    async with serving(own_dir) as service:
        code, _, errors = await run(own_dir, "serve", "--port", "0")
        assert code == 1
        assert "Another Tillkeeper" in errors
        assert str(service.process.pid) in errors


async def test_an_unknown_setting_is_refused_with_the_nearest_right_one(own_dir: Path) -> None:
    code, _, errors = await run(own_dir, "doctor", TILLKEEPER_PROT="8080")
    assert code == 1
    assert "TILLKEEPER_PORT" in errors
    assert not (own_dir / "postgres").exists()


async def set_password(own_dir: Path) -> None:
    process = await asyncio.create_subprocess_shell(
        f"{COMMAND_LINE} password --email it@vendor.example",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"TILLKEEPER_DATA_DIR": str(own_dir), "PATH": "/usr/bin:/bin"},
    )
    await process.communicate(b"correct horse battery staple\n")
    assert process.returncode == 0


async def test_a_service_sends_its_letters_to_the_mail_server_of_its_settings(
    own_dir: Path, mail_server: MailServer
) -> None:
    made = await bootstrap(own_dir)
    settings = {
        "TILLKEEPER_MAIL": f"smtp://127.0.0.1:{mail_server.route.port}",
        "TILLKEEPER_MAIL_FROM": "Kassen <no-reply@tills.example>",
    }
    async with serving(own_dir, **settings) as service, service.client() as client:
        await set_password(own_dir)
        await client.post("/keys/leaked", json={"text": made["api_secret"]})
        assert await asyncio.to_thread(mail_server.has_some.wait, 60)
    [envelope] = mail_server.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "no-reply@tills.example",
        ["it@vendor.example"],
    )
    assert isinstance(envelope.content, bytes)
    assert made["api_secret"].encode() not in envelope.content


async def test_a_password_set_at_the_machine_logs_its_person_in(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    async with serving(own_dir) as service:
        await set_password(own_dir)
        person = {"email": "IT@vendor.example", "password": "correct horse battery staple"}
        async with service.client() as client:
            answer = (await client.post("/auth", json=person)).json()
        claims = {"env": "TEST", "organization_id": made["organization_id"]}
        assert answer["access_token_claims"] == claims | {"user_id": made["user_id"]}


@ROOMY
@pytest.mark.parametrize("victim", ["service", "postgres"])
async def test_nothing_acknowledged_is_lost_by_a_kill(own_dir: Path, victim: str) -> None:
    made = await bootstrap(own_dir)
    acknowledged: list[str] = []
    enough = asyncio.Event()
    async with serving(own_dir) as service:
        async with await service.log_in(made) as client:
            writers = [
                asyncio.create_task(_create_until_it_breaks(client, made, acknowledged, enough))
                for _ in range(8)
            ]
            async with asyncio.timeout(90):
                await enough.wait()
            await _kill(victim, service, own_dir)
            await asyncio.gather(*writers)
        if victim == "postgres":
            await wait_until_well(service)
            found = await _list_ids(service, made)
    if victim == "service":
        async with serving(own_dir) as again:
            found = await _list_ids(again, made)
    assert set(acknowledged) <= found
    assert len(found) <= len(acknowledged) + 8 + 1


@pytest.mark.parametrize("moment", ["its first line of work", "its port", "its health"])
async def test_a_signal_stops_it_cleanly_from_its_first_moment_on(
    own_dir: Path, moment: str
) -> None:
    """A supervisor that changes its mind must not leave a database behind."""
    async with starting(own_dir) as service:
        match moment:
            case "its first line of work":
                await _until((own_dir / "postgres" / "PG_VERSION").exists)
            case "its port":
                await _until(service.is_listening)
            case _:
                await wait_until_well(service)
        assert await service.end(signal.SIGTERM) == 0
    assert not (own_dir / "postgres" / "postmaster.pid").exists()


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not is_true():  # noqa: ASYNC110 - another process, which tells no other way
            await asyncio.sleep(0)


async def _create_until_it_breaks(
    client: httpx.AsyncClient,
    made: dict[str, Any],
    acknowledged: list[str],
    enough: asyncio.Event,
) -> None:
    """Create shops one after another; only what was answered with 200 counts."""
    wanted = {"name": "Shop", "managed_by_organization_id": made["organization_id"]} | ADDRESS
    for _ in range(2000):
        try:
            answer = await client.post("/organizations", json=wanted)
        except httpx.TransportError:
            return
        if answer.status_code != 200:
            assert answer.status_code == 503
            return
        acknowledged.append(answer.json()["_id"])
        if len(acknowledged) >= 200:
            enough.set()


async def _kill(victim: str, service: Service, data_dir: Path) -> None:
    if victim == "service":
        await service.end(signal.SIGKILL)
        return
    first_line = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    process = await asyncio.create_subprocess_exec("kill", "-9", first_line)
    await process.wait()


async def _list_ids(service: Service, made: dict[str, Any]) -> set[str]:
    async with await service.log_in(made) as client:
        answer = await client.get("/organizations", params={"limit": 5000})
        return {organization["_id"] for organization in answer.json()["data"]}


@ROOMY
async def test_provisioning_killed_in_the_middle_and_run_again_makes_no_double(
    own_dir: Path,
) -> None:
    made = await bootstrap(own_dir)
    customers, keys, secret = (own_dir.with_suffix(end) for end in (".csv", ".keys", ".secret"))
    rows = [f"c-{n},Shop {n},Weg {n},10115,Berlin,DEU" for n in range(400)]
    header = "external_id,name,address_line1,zip,town,country_code"
    customers.write_text("\n".join([header, *rows]))
    secret.write_text(made["api_secret"])
    try:
        async with serving(own_dir) as service:
            command = ["provision", str(customers), "--base-url", service.base_url]
            command += ["--api-key", made["api_key"], "--api-secret-file", str(secret)]
            command += ["--out", str(keys)]
            await _start_and_kill(own_dir, command, keys)
            before = len(keys.read_text().splitlines())
            assert 1 < before < 401
            code, out, errors = await run(own_dir, *command)
            assert code == 0, out + errors
            assert len(await _list_ids(service, made)) == 400 + 1
        written = [line.split(",")[0] for line in keys.read_text().splitlines()[1:]]
        assert sorted(written) == sorted(f"c-{n}" for n in range(400))
        assert keys.stat().st_mode & 0o077 == 0
    finally:
        for path in (customers, keys, secret):
            path.unlink(missing_ok=True)


async def _start_and_kill(data_dir: Path, command: list[str], keys: Path) -> None:
    """Start provisioning and kill it once some keys are written."""
    process = await asyncio.create_subprocess_exec(
        COMMAND_LINE,
        *command,
        env=environment(data_dir),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(120):
        while _count_lines(keys) < 30:  # noqa: ASYNC110 - another process writes them
            await asyncio.sleep(0.005)
    process.kill()
    await process.wait()


def _count_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0
