"""An audit of its own: a database that these tests may tamper with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from eyes import FromDatabase
from leaks import watched
from tillkeeper.access.operation import House
from tillkeeper.app import make_service
from tillkeeper.core.passwords import Passwords
from tillkeeper.core.secrets import Keyring
from tillkeeper.db.pool import Database, teach_types
from tillkeeper.domains.audit import seals
from tillkeeper.schema.migrate import login_url, migrate
from tillkeeper.surfaces.cli.audit_ledger import export
from tillkeeper.surfaces.cli.audit_verifier import Verified, verify
from world import Connection, World, build_world

LOGIN = "tillkeeper_app_tests"
INSERT = """
INSERT INTO audit_rows (organization_id, env, id, at, operation_id, actor_kind, actor_id,
  actor_organization_id, event, outcome, details)
SELECT $1, 'TEST', gen_random_uuid(), clock_timestamp(), 'op', 'key', $1, $1, 'test.happened',
  'done', '{}' FROM generate_series(1, $2)
"""


@dataclass
class Ledger:
    """A world, and its whole audit."""

    world: World
    url: str

    @property
    def house(self) -> House:
        return self.world.house

    @property
    def owner(self) -> Connection:
        return self.world.owner

    @property
    def keys(self) -> dict[str, str]:
        return dict(seals.public_keys(self.house.keyring))

    async def write(self, number: int = 1) -> None:
        """Write rows as one transaction, past the service."""
        await self.owner.execute(INSERT, self.world.shop, number)

    async def lines(self) -> list[str]:
        """Export, as the owner's connection sees it: in the middle of a transaction too."""
        async with self.owner.transaction():
            ledger = export(self.owner, self.house.keyring, lambda: None)
            return [line.decode() async for line in ledger]

    async def verify(self, **kept: str) -> Verified:
        anchors = {int(number.removeprefix("n")): hash_ for number, hash_ in kept.items()}
        return verify(await self.lines(), self.keys, anchors)


@asynccontextmanager
async def build_ledger(owner_url: str) -> AsyncGenerator[Ledger]:
    name = f"audit_{uuid4().hex[:8]}"
    server = await asyncpg.connect(owner_url)
    await server.execute(f"CREATE DATABASE {name}")
    await server.close()
    url = urlunsplit(urlsplit(owner_url)._replace(path=f"/{name}"))
    await migrate(url, LOGIN, "secret")
    owner = await asyncpg.connect(url)
    await teach_types(owner)
    database = await Database.open(login_url(url, LOGIN, "secret"), size=8)
    keyring = Keyring({1: b"pepper" * 6})
    house = House(database, keyring, Passwords(keyring, memory_kib=8, passes=1))
    eyes = FromDatabase(url)
    async with build_world(watched(make_service(house), eyes), owner, house) as world:
        yield Ledger(world, url)
    await eyes.close()
    await database.close()
    await owner.close()
