"""A real PostgreSQL, the real service, and a world of characters for each test."""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import asyncpg
import pytest

import tokens
from amounts import record_database
from eyes import FromDatabase
from leaks import watched
from ledger import Ledger, build_ledger
from post_office import MailServer, serve_mail
from room import Room, furnish
from tillkeeper.access.operation import House
from tillkeeper.app import make_service
from tillkeeper.core.passwords import Passwords
from tillkeeper.core.secrets import Keyring
from tillkeeper.db import embedded
from tillkeeper.db.pool import Database, teach_types
from tillkeeper.domains.signing.pkcs11 import Token
from tillkeeper.domains.signing.software import SoftwareUnit
from tillkeeper.schema.migrate import login_url, migrate
from tillkeeper.surfaces.http.edge import Edge
from world import Connection, World, build_world

_SUPERUSER, _LOGIN, _DATABASE = "superuser", "tillkeeper_app_tests", "tests"


@pytest.fixture(scope="session")
def data_dir() -> Generator[Path]:
    """A directory of our own: pytest's is closed to the user that the database runs as."""
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-test-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
async def owner_url(data_dir: Path) -> AsyncGenerator[str]:
    """Start PostgreSQL (TILLKEEPER_TEST_PG_BIN chooses another one) with an empty database."""
    chosen = os.environ.get("TILLKEEPER_TEST_PG_BIN")
    server = await embedded.start(
        data_dir, superuser_password=_SUPERUSER, bin_dir=Path(chosen) if chosen else None
    )
    connection = await asyncpg.connect(server.superuser_url())
    await connection.execute(f"CREATE DATABASE {_DATABASE}")
    record_database(await connection.fetchval("SHOW server_version"))
    await connection.close()
    yield server.superuser_url(_DATABASE)
    await server.stop()


@pytest.fixture(scope="session")
async def serving_url(owner_url: str) -> str:
    """Migrate, and return the address of the login that owns nothing."""
    await migrate(owner_url, _LOGIN, "secret")
    return login_url(owner_url, _LOGIN, "secret")


@pytest.fixture(scope="session")
async def owner(owner_url: str, serving_url: str) -> AsyncGenerator[Connection]:
    """A connection that sees through the walls, to look at what was left behind."""
    assert serving_url, "the schema is installed first"
    connection = await asyncpg.connect(owner_url)
    await teach_types(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def holder(owner_url: str, serving_url: str) -> AsyncGenerator[Connection]:
    """A connection beside the service's that takes a row first."""
    assert serving_url, "the schema is installed first"
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    return Keyring({1: b"pepper" * 6})


@pytest.fixture(scope="session")
async def db(serving_url: str) -> AsyncGenerator[Database]:
    database = await Database.open(serving_url, size=8)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def house(db: Database, keyring: Keyring) -> House:
    """Passwords as cheap as argon2 allows: nothing here is about its cost."""
    passwords = Passwords(keyring, memory_kib=8, passes=1)
    return House(db, keyring, passwords, SoftwareUnit(keyring))


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """The one token of this process: the library behind it reads its settings once."""
    return tokens.make_token(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture(scope="session")
async def app(house: House, owner_url: str) -> AsyncGenerator[Edge]:
    """Every answer to every test is read by the leak scanner first."""
    eyes = FromDatabase(owner_url)
    yield watched(make_service(house), eyes)
    await eyes.close()


@pytest.fixture(scope="session")
async def room(owner_url: str, keyring: Keyring) -> AsyncGenerator[Room]:
    """A database beside the tests' own, for worlds of thousands of organizations."""
    async with furnish(owner_url, _LOGIN, keyring) as furnished:
        yield furnished


@pytest.fixture
async def world(app: Edge, owner: Connection, house: House) -> AsyncGenerator[World]:
    """Build organizations of its own for each test: nothing is shared, nothing needs cleaning."""
    async with build_world(app, owner, house) as characters:
        yield characters


@pytest.fixture(scope="session")
async def ledger(owner_url: str, serving_url: str) -> AsyncGenerator[Ledger]:
    """An audit of its own, beside the one that all tests share: this one may be tampered with."""
    assert serving_url, "the roles are made first"
    async with build_ledger(owner_url) as built:
        yield built


@pytest.fixture
def mail_server() -> Generator[MailServer]:
    """A server on this machine that takes the letters of a test."""
    with serve_mail() as server:
        yield server


@pytest.fixture(autouse=True)
async def no_connection_stays_out(request: pytest.FixtureRequest) -> AsyncGenerator[None]:
    """Every connection is back after every test that has used the pool."""
    yield
    if "db" in request.fixturenames or "world" in request.fixturenames:
        database: Database = request.getfixturevalue("db")
        assert database.is_idle()
