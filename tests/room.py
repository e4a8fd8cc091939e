"""A database of its own for drawn worlds, and a service on it whose changes are all undone."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from amounts import record_figure
from eyes import FromDatabase
from facts import Actor
from leaks import FromFacts, watched
from random_worlds import Drawn, write
from tillkeeper.access.identity import Signer, issue
from tillkeeper.access.operation import House
from tillkeeper.app import make_service
from tillkeeper.core.env import Env
from tillkeeper.core.passwords import Passwords
from tillkeeper.core.secrets import Keyring
from tillkeeper.db.pool import Database, Tx, teach_types
from tillkeeper.schema import metadata
from tillkeeper.schema.migrate import login_url, migrate
from tillkeeper.surfaces.http.edge import Edge
from world import Connection

_TABLES = ", ".join(metadata.tables)


class Undone(Database):
    """Runs everything and commits nothing: no call can change the world that the next one meets."""

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[Tx]:
        async with self.rehearse() as tx:
            yield tx


@dataclass
class Room:
    """The database as its owner sees it, and the service as actors do."""

    owner: Connection
    owner_url: str
    login: str
    house: House
    app: Edge
    eyes: FromFacts
    _tokens: dict[Actor, str] = field(default_factory=dict)

    async def settle(self, world: Drawn) -> None:
        """Make this the only world there is."""
        await self.owner.execute(f"TRUNCATE {_TABLES}")
        await write(world, self.owner, self.house.keyring.digest)
        self.eyes.settle(world)

    def token(self, actor: Actor) -> str:
        """Return what /auth would have given to this actor."""
        if actor not in self._tokens:
            kind: Literal["key", "user"] = "key" if actor.kind == "key" else "user"
            credential = issue(
                kind=kind,
                actor_id=actor.id,  # type: ignore[arg-type]
                organization_id=actor.organization,  # type: ignore[arg-type]
                env=Env(actor.env),
                now=int(time.time()),
                seconds=7200,
                generation=actor.generation,
            )
            self._tokens[actor] = Signer(self.house.keyring).sign("access", credential)
        return self._tokens[actor]


@asynccontextmanager
async def furnish(
    owner_url: str, login: str, keyring: Keyring, name: str = "proofs"
) -> AsyncGenerator[Room]:
    """Make a database with its schema, open it, and throw it away at the end."""
    url = urlunsplit(urlsplit(owner_url)._replace(path=f"/{name}"))
    first = await asyncpg.connect(owner_url)
    await first.execute(f"CREATE DATABASE {name}")
    await migrate(url, login, "secret")
    owner = await asyncpg.connect(url)
    await teach_types(owner)
    database = await Undone.open(login_url(url, login, "secret"), size=4)
    passwords = Passwords(keyring, memory_kib=8, passes=1)
    house = House(database, keyring, passwords)
    eyes = FromFacts()
    yield Room(owner, url, login, house, watched(make_service(house), eyes), eyes)
    if eyes.number:
        figure = f"{eyes.number} answers of drawn worlds read"
        record_figure("Main invisible from below: leak scanner", figure, eyes.leaks)
    await database.close()
    await owner.close()
    await first.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await first.close()


@asynccontextmanager
async def committing(room: Room) -> AsyncGenerator[Edge]:
    """Serve on the room's database, and keep what is changed: one call meets what another left."""
    database = await Database.open(login_url(room.owner_url, room.login, "secret"), size=2)
    eyes = FromDatabase(room.owner_url)
    house = House(database, room.house.keyring, room.house.passwords)
    try:
        yield watched(make_service(house), eyes)
    finally:
        await eyes.close()
        await database.close()
