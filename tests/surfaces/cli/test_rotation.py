"""The pepper is replaced under load, by command, and nobody notices."""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service import Service, bootstrap, run, serving
from tillkeeper.db import embedded
from tillkeeper.keys import KeysRefusal, load_keys
from world import ADDRESS, Connection

ROOMY = pytest.mark.timeout(300)
HEX = re.compile(r"[0-9a-f]{64}")


@pytest.fixture
def own_dir() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-rotation-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


async def keys(data_dir: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command about keys, and look that it tells no secret."""
    code, out, errors = await run(data_dir, "keys", *arguments, **settings)
    assert not HEX.search(out + errors)
    return code, " ".join((out + errors).split())


async def until_done(data_dir: Path, *arguments: str, **settings: str) -> None:
    """Ask again while a service has not taken up the last step: that takes a second."""
    async with asyncio.timeout(60):
        while (said := await keys(data_dir, *arguments, **settings))[0]:
            assert "Not yet" in said[1], said


async def activate(data_dir: Path) -> None:
    """Activate version 2, and wait until the service on this directory works with it."""
    await until_done(data_dir, "activate")
    await until_told(data_dir, "holds 1, 2 in use")


async def until_told(data_dir: Path, words: str) -> str:
    """Ask for the status until it says this: a service takes up a step within a second."""
    async with asyncio.timeout(60):
        while words not in (said := (await keys(data_dir, "status"))[1]):
            pass
    return said


@asynccontextmanager
async def database(data_dir: Path) -> AsyncGenerator[Connection]:
    """Look into a running service's database, and turn its clock where a test cannot wait."""
    password = load_keys(data_dir, None).password_of("postgres")
    server = await embedded.attach(data_dir, superuser_password=password)
    assert server is not None
    connection = await asyncpg.connect(server.superuser_url("tillkeeper"))
    yield connection
    await connection.close()


@dataclass
class Stream:
    """Clients that log in, ask and write without a pause."""

    service: Service
    made: dict[str, Any]
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    rounds: int = 0

    async def flow(self) -> None:
        body = {"name": "Shop", "managed_by_organization_id": self.made["organization_id"]}
        while not self.is_over.is_set():
            async with await self.service.log_in(self.made) as client:
                for number in range(3):
                    answers = [
                        await client.get("/me"),
                        await client.post(
                            "/organizations",
                            json=body | ADDRESS,
                            headers={"idempotency-key": f"{id(client)}-{self.rounds}-{number}"},
                        ),
                    ]
                    assert [answer.status_code for answer in answers] == [200, 200]
            self.rounds += 1

    async def go_round(self) -> None:
        """Wait until everybody has logged in since now."""
        seen = self.rounds
        async with asyncio.timeout(60):
            while self.rounds < seen + 8:  # noqa: ASYNC110 - the stream counts
                await asyncio.sleep(0.01)


@asynccontextmanager
async def streaming(service: Service, made: dict[str, Any]) -> AsyncGenerator[Stream]:
    """Let four of them flow; a request that fails fails the test."""
    stream = Stream(service, made)
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(stream.flow())
        yield stream
        stream.is_over.set()


async def let_tokens_and_answers_end(data_dir: Path) -> None:
    async with database(data_dir) as connection:
        await connection.execute(
            "UPDATE pepper_holders SET tokens_end_at = now() - interval '1 minute' "
            "WHERE NOT is_active"
        )
        await connection.execute(
            "UPDATE kept_answers SET ends_at = now() - interval '1 minute' "
            "WHERE coalesce(pepper_version, 1) = 1"
        )


@ROOMY
async def test_a_pepper_is_replaced_under_load_without_a_failed_request(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    exported = own_dir.with_suffix(".jsonl")
    database_secret = json.loads((own_dir / "keys.json").read_text())["database"]
    async with serving(own_dir) as service, streaming(service, made) as stream:
        await stream.go_round()
        assert (await run(own_dir, "audit", "export", str(exported)))[0] == 0
        assert (await keys(own_dir, "prepare"))[0] == 0
        await activate(own_dir)
        await stream.go_round()
        code, said = await keys(own_dir, "retire", "1")
        assert (code, "tokens until" in said) == (1, True)
        await let_tokens_and_answers_end(own_dir)
        await until_done(own_dir, "retire", "1")
        said = await until_told(own_dir, "holds 2 in use")
        assert ("version 2, active" in said, "version 1, retired" in said) == (True, True)
        await stream.go_round()
    stored = json.loads((own_dir / "keys.json").read_text())
    assert (list(stored["peppers"]), stored["database"]) == (["2"], database_secret)
    assert (await run(own_dir, "audit", "verify"))[0] == 0
    public = stored["retired"]["1"]
    code, _, _ = await run(own_dir, "audit", "verify", str(exported), "--public-key", public)
    exported.unlink()
    assert code == 0


@ROOMY
async def test_a_version_is_not_retired_while_something_needs_it(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    async with serving(own_dir) as service:
        await keys(own_dir, "prepare")
        code, said = await keys(own_dir, "prepare")
        assert (code, "Version 2 is prepared already" in said) == (1, True)
        await activate(own_dir)
        async with await service.log_in(made):
            pass
        other = await bootstrap(own_dir, "Another vendor")
        assert other
        async with database(own_dir) as connection:
            await connection.execute(
                "UPDATE api_keys SET pepper_version = 1 WHERE key = $1", other["api_key"]
            )
        await let_tokens_and_answers_end(own_dir)
        code, said = await keys(own_dir, "retire", "1")
        assert (code, "1 secrets of keys" in said) == (1, True)
        for version in ("2", "3", "0"):
            code, said = await keys(own_dir, "retire", version, "--lock-out")
            assert (code, "is not an old one" in said) == (1, True)
        assert (await keys(own_dir, "retire", "1", "--lock-out"))[0] == 0
        async with await service.log_in(made) as client:
            assert (await client.get("/me")).status_code == 200


@ROOMY
async def test_a_service_does_not_start_with_older_secrets_than_are_in_use(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    path = own_dir / "keys.json"
    before = path.read_text()
    await keys(own_dir, "prepare")
    await keys(own_dir, "activate")
    await bootstrap(own_dir, "Another vendor")
    after = path.read_text()
    path.write_text(before)
    code, said = await keys(own_dir, "status")
    assert (code, "version 2, missing" in said) == (0, True)
    async with asyncio.timeout(60):
        code, _, errors = await run(own_dir, "serve", "--port", "0")
    assert (code, "Restore the newest keys.json" in " ".join(errors.split())) == (1, True)
    path.write_text(after)
    async with serving(own_dir) as service, await service.log_in(made) as client:
        assert (await client.get("/me")).status_code == 200


@ROOMY
async def test_two_services_at_different_stages_serve_one_installation(own_dir: Path) -> None:
    """One with the file, one with the setting, which is restarted between the steps."""
    made = await bootstrap(own_dir)
    path = own_dir / "keys.json"
    async with serving(own_dir) as first, database(own_dir) as connection:
        url = await _url(own_dir)
        stages: list[int] = []
        for _ in ("prepare", "activate"):
            pepper = _setting(path)
            async with (
                serving(
                    own_dir.with_suffix(".none"),
                    TILLKEEPER_DATABASE_URL=url,
                    TILLKEEPER_PEPPER=pepper,
                ) as second,
            ):
                if stages:
                    await activate(own_dir)
                else:
                    await keys(own_dir, "prepare")
                    code, said = await keys(own_dir, "activate")
                    assert (code, "does not hold version 2 yet" in said) == (1, True)
                for one, other in ((first, second), (second, first)):
                    async with await one.log_in(made) as client:
                        token = client.headers["authorization"].removeprefix("Bearer ")
                    async with other.client(token) as client:
                        assert (await client.get("/me")).status_code == 200
            stages.append(await connection.fetchval("SELECT max(pepper_version) FROM api_keys"))
        assert stages == [1, 2]


async def _url(data_dir: Path) -> str:
    password = load_keys(data_dir, None).password_of("postgres")
    server = await embedded.attach(data_dir, superuser_password=password)
    assert server is not None
    return server.superuser_url("tillkeeper")


def _setting(path: Path) -> str:
    stored = json.loads(path.read_text())
    active = stored.get("active", 1)
    marked = [
        f"{version}:{pepper}" + (":prepared" if int(version) > active else "")
        for version, pepper in stored["peppers"].items()
    ]
    return ",".join([f"database:{stored['database']}", *marked])


async def test_the_setting_is_rotated_into_a_file_for_its_owner(own_dir: Path) -> None:
    first = f"1:{'ab' * 32}"
    out = own_dir / "next"
    code, said = await keys(own_dir, "prepare", TILLKEEPER_PEPPER=first)
    assert (code, "--out" in said) == (2, True)
    code, said = await keys(own_dir, "prepare", "--out", str(out), TILLKEEPER_PEPPER=first)
    assert (code, out.stat().st_mode & 0o077) == (0, 0)
    text = out.read_text().strip()
    before, after = load_keys(own_dir, first), load_keys(own_dir, text)
    assert (after.database, after.keyring.active, after.keyring.prepared) == (before.database, 1, 2)
    code, said = await keys(own_dir, "prepare", "--out", str(out), TILLKEEPER_PEPPER=first)
    assert (code, "cannot be made" in said) == (1, True)
    for step in (("activate",), ("retire", "1")):
        target = own_dir / step[0]
        code, said = await keys(own_dir, *step, "--out", str(target), TILLKEEPER_PEPPER=text)
        assert code == 0, said
        text = target.read_text().strip()
    last = load_keys(own_dir, text)
    assert last.database == before.database
    assert (list(last.keyring.peppers), list(last.keyring.retired)) == ([2], [1])


@pytest.mark.parametrize(
    "pepper",
    ["", "1", "1:", "1:xy", "x:{}", "-1:{}", "1:{}ab", "1:{}:prepared", "1:{}:later",
     "database:{}", "1:{},2:", "1:{},1:{}:retired:x"],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_refused_without_repeating_it(pepper: str) -> None:
    with pytest.raises(KeysRefusal) as refused:
        load_keys(Path("/nowhere"), pepper.replace("{}", "ab" * 32))
    assert "ab" * 20 not in str(refused.value)
