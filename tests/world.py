"""The characters.

vendor (main, LIVE) ─ manages ─ shop, kiosk
vendor ─ administers ─ enterprise (main, LIVE) ─ manages ─ branch
stranger (main, LIVE, unrelated) ─ manages ─ foreign        nobody (no credential)

Each organization is in TEST and LIVE and has a key in each env, `shop_test`, `shop_live` and so on;
`people` log in: an owner, an admin, a billing person and a member of the vendor, an owner of shop.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import httpx

from tillkeeper.access.identity import Signer, issue
from tillkeeper.access.operation import House
from tillkeeper.core import secrets
from tillkeeper.core.env import Env
from tillkeeper.surfaces.http.edge import Edge

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Json: TypeAlias = dict[str, Any]

ADDRESS = {"address_line1": "Weg 1", "zip": "10115", "town": "Berlin", "country_code": "DEU"}
KEY = {"name": "till-1", "status": "enabled"}
PASSWORD = "correct horse battery staple"

_INSERT_ORGANIZATION = """
INSERT INTO organizations (id, envs, name, address_line1, zip, town, country_code,
  managed_by_organization_id, administered_by_organization_id, reached_by,
  created_at, created_by_user, created_by_organization_id)
VALUES ($1, '{TEST,LIVE}', $2, 'Weg 1', '10115', 'Berlin', 'DEU', $3, $4, $5,
  clock_timestamp(), $6, $7)
"""
_INSERT_KEY = """
INSERT INTO api_keys (id, organization_id, env, key, secret_digest, name, status, metadata,
  created_at, created_by_user, created_by_organization_id)
VALUES ($1, $2, $3, $4, $5, 'first-key', 'enabled', '{}', clock_timestamp(), $1, $2)
"""
_INSERT_USER = """
INSERT INTO users (id, email, compact_email, password_digest, created_at)
VALUES ($1, $2, $2, $3, clock_timestamp())
"""
_INSERT_MEMBERSHIP = """
INSERT INTO memberships (organization_id, user_id, role, email, created_at)
VALUES ($1, $2, $3, $4, clock_timestamp())
"""
_PASSWORD_DIGESTS: dict[int, str] = {}


@dataclass
class World:
    """Organizations by name, and a client for each character."""

    app: Edge
    owner: Connection
    house: House
    nobody: httpx.AsyncClient
    stack: AsyncExitStack
    ids: dict[str, UUID] = field(default_factory=dict)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    people: dict[str, UUID] = field(default_factory=dict)
    keys: dict[str, Json] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an id or a client, by its name
        """`world.shop` is an id, `world.shop_test` a client, `world.vendor_admin` a person's."""
        for found in (self.__dict__["ids"], self.__dict__["clients"]):
            if name in found:
                return found[name]
        raise AttributeError(name)

    async def create_shop(self, name: str = "Kiosk", **fields: object) -> Json:
        """Create one more shop of the vendor's, in TEST."""
        wanted = {"name": name, "managed_by_organization_id": str(self.ids["vendor"])} | ADDRESS
        answer = await self.clients["vendor_test"].post("/organizations", json=wanted | fields)
        assert answer.status_code == 200, answer.text
        created: Json = answer.json()
        return created

    async def log_in(self, **credentials: str) -> httpx.AsyncClient:
        """Return a client that carries a fresh token."""
        client = await self.stack.enter_async_context(client_of(self.app))
        answer = await client.post("/auth", json=credentials)
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    async def enter_as(
        self, organization_id: object, by: httpx.AsyncClient, **fields: object
    ) -> httpx.AsyncClient:
        """Create a key of an organization, and return a client that uses it."""
        answer = await by.post(f"/organizations/{organization_id}/api-keys", json=KEY | fields)
        assert answer.status_code == 200, answer.text
        return await self.log_in(api_key=answer.json()["key"], api_secret=answer.json()["secret"])

    async def events(self, organization_id: object) -> list[str]:
        """Return what happened to an organization: announced as audited, refusals left aside."""
        audited = await self.trail(organization_id)
        happened = [event for event in audited if not event.endswith(".refused")]
        assert await self.trail(organization_id, "outbox_rows") == happened
        return happened

    async def holding(
        self, kind: Literal["key", "user"], actor_id: UUID, organization_id: UUID, env: Env
    ) -> httpx.AsyncClient:
        """Return a client that carries a token such as /auth would give, without asking it."""
        credential = issue(
            kind=kind,
            actor_id=actor_id,
            organization_id=organization_id,
            env=env,
            now=int(time.time()),
            seconds=3600,
        )
        client = await self.stack.enter_async_context(client_of(self.app))
        token = Signer(self.house.keyring).sign("access", credential)
        client.headers["authorization"] = f"Bearer {token}"
        return client

    async def trail(self, organization_id: object, table: str = "audit_rows") -> list[str]:
        """Return the names of the events recorded for an organization, oldest first."""
        query = f"SELECT event FROM {table} WHERE organization_id = $1 ORDER BY id"  # noqa: S608
        rows = await self.owner.fetch(query, UUID(str(organization_id)))
        return [row["event"] for row in rows]


@asynccontextmanager
async def build_world(app: Edge, owner: Connection, house: House) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        nobody = await stack.enter_async_context(client_of(app))
        world = World(app, owner, house, nobody, stack)
        await _found(world)
        for name in world.ids:
            for env in Env:
                await _give_key(world, name, env)
        for character, of, role in (
            ("vendor_owner", "vendor", "owner"),
            ("vendor_admin", "vendor", "admin"),
            ("vendor_billing", "vendor", "billing"),
            ("vendor_member", "vendor", "member"),
            ("shop_owner", "shop", "owner"),
        ):
            await hire(world, character, of, role)
        yield world


async def _found(world: World) -> None:
    names = ("vendor", "shop", "kiosk", "enterprise", "branch", "stranger", "foreign")
    ids = world.ids = {name: uuid4() for name in names}
    rows: tuple[tuple[str, str | None, str | None], ...] = (
        ("vendor", None, None),
        ("shop", "vendor", None),
        ("kiosk", "vendor", None),
        ("enterprise", None, "vendor"),
        ("branch", "enterprise", None),
        ("stranger", None, None),
        ("foreign", "stranger", None),
    )
    above: dict[str, list[UUID]] = {}
    for name, manager, administrator in rows:
        parent = manager or administrator
        above[name] = [ids[name], *(above[parent] if parent else [])]
        await world.owner.execute(
            _INSERT_ORGANIZATION,
            ids[name],
            name.capitalize(),
            ids[manager] if manager else None,
            ids[administrator] if administrator else None,
            above[name],
            uuid4(),
            ids[parent or name],
        )


async def _give_key(world: World, name: str, env: Env) -> None:
    key_id, secret = uuid4(), secrets.mint_secret()
    text = secrets.mint_key_text(env, "first-key")
    digest = world.house.keyring.digest(secret)
    await world.owner.execute(_INSERT_KEY, key_id, world.ids[name], env, text, digest)
    character = f"{name}_{env.lower()}"
    world.keys[character] = {"id": key_id, "api_key": text, "api_secret": secret}
    world.clients[character] = await world.holding("key", key_id, world.ids[name], env)


async def hire(world: World, character: str, of: str, role: str) -> None:
    """Give an organization one more person, with an account and logged in."""
    user_id = world.people[character] = uuid4()
    email = f"{character}.{user_id.hex[:8]}@example.org"
    digest = _PASSWORD_DIGESTS.get(id(world.house))
    if digest is None:
        digest = await world.house.passwords.hash(PASSWORD)
        _PASSWORD_DIGESTS[id(world.house)] = digest
    await world.owner.execute(_INSERT_USER, user_id, email, digest)
    await world.owner.execute(_INSERT_MEMBERSHIP, world.ids[of], user_id, role, email)
    world.clients[character] = await world.holding("user", user_id, world.ids[of], Env.LIVE)


def client_of(app: Edge) -> httpx.AsyncClient:
    """Return a client of the Management API in this process."""
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://test/api/v0")


def said(answer: httpx.Response) -> tuple[int, str | None]:
    """Return the status and the code of an answer."""
    code = answer.json().get("code") if answer.status_code >= 400 else None
    return answer.status_code, code
