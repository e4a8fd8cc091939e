"""T07: the scanner that reads every answer finds what is planted in one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from amounts import record_figure
from asgi import call
from eyes import FromDatabase
from facts import Actor
from leaks import Eyes, FromFacts, Leak, Watched
from proofs.test_every_route import _cast
from random_worlds import mail_of
from room import Room
from tillkeeper.surfaces.http.edge import Edge
from tills import Till
from world import World

TESTS = Path(__file__).parent.parent
UNWATCHED = {
    "arena.py": "races are won within the time that reading takes",
    "proofs/test_cancellations.py": "it breaks half of them off, and compares the rest itself",
    "service.py": "a process of its own, as people run it: the same code, past our reach",
    "surfaces/cli/test_sample_tills.py": "another such process",
}
"""Where tests ask a service that is not watched, and why."""


@dataclass(frozen=True)
class Leaky(Edge):
    """A service that says one thing more."""

    more: bytes = b""
    header: bytes = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        async def leak(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [each for each in message["headers"] if each[0] != b"content-length"]
                message["headers"] = [*kept, (b"x-more", self.header)]
            elif self.more:
                message["body"] = message["body"] + self.more
            await send(message)

        await super().__call__(scope, receive, leak)


@dataclass(frozen=True)
class WatchedLeaky(Watched, Leaky):
    """The same, watched."""


def leaking(app: Edge, more: str = "", header: str = "", eyes: Eyes | None = None) -> WatchedLeaky:
    assert isinstance(app, Watched)
    parts = (app.door, app.apps, app.pages, app.is_logging_access, app.trusted_proxies)
    return WatchedLeaky(*parts, more.encode(), header.encode(), eyes=eyes or app.eyes)


LEAKS: dict[str, Callable[[World], str]] = {
    "the manager's mail address": lambda world: mail_in(world, "vendor_owner"),
    "a key of the manager": lambda world: world.keys["vendor_test"]["api_key"],
    "the id of a key of the manager": lambda world: str(world.keys["vendor_test"]["id"]),
    "the name of the manager": lambda world: '"Vendor"' if world else "",
    "the id of a sibling": lambda world: str(world.kiosk),
    "the name of a sibling": lambda world: "managed beside Kiosk" if world else "",
    "a person of the manager": lambda world: str(world.people["vendor_admin"]),
    "a key in the other env": lambda world: str(world.keys["shop_live"]["id"]),
    "an organization of a stranger": lambda world: str(world.foreign),
    "a key of a stranger": lambda world: world.keys["foreign_test"]["api_key"],
}


def mail_in(world: World, character: str) -> str:
    return f"{character}.{world.people[character].hex[:8]}@example.org"


async def test_what_is_planted_in_an_answer_is_found(world: World) -> None:
    missed = []
    for name, leak in LEAKS.items():
        text = leak(world)
        for place in ("body", "header"):
            parts = (text, "") if place == "body" else ("", text)
            planted = leaking(world.app, *parts)
            for path in ("/me", f"/organizations/{world.shop}"):
                try:
                    await asked(planted, world.shop_test, path)
                except Leak:
                    continue
                missed.append(f"{name}, {place}, {path}")
    figure = f"{len(LEAKS)} kinds planted in bodies and headers, each found"
    record_figure("Main invisible from below: planted leaks", figure, len(missed))
    assert not missed


async def test_what_may_be_seen_is_no_leak(world: World) -> None:
    for named in (world.vendor, world.shop, world.keys["shop_test"]["id"]):
        planted = leaking(world.app, more=str(named))
        assert (await asked(planted, world.shop_test, "/me")).status_code == 200
    for character in ("shop_owner", "vendor_owner"):
        planted = leaking(world.app, more=mail_in(world, character))
        assert (await asked(planted, world.vendor_test, "/me")).status_code == 200


async def test_what_foreign_tills_have_made_is_found(world: World) -> None:
    """Of a stranger's, and of the own one in the other env; but not what those above may read."""
    keys = world.shop_test, world.shop_live, world.foreign_test
    own, live, foreign = [await Till(key).open() for key in keys]
    for till in (foreign, live):
        sold, export_id = await till.sell(), uuid4()
        await till.send("PUT", f"/export/{export_id}", {})
        made = till.tss_id, till.client_id, sold["_id"], export_id, sold["tss_serial_number"]
        for name in made:
            for reader in (world.shop_test, world.vendor_test):
                with pytest.raises(Leak):
                    await asked(leaking(world.app, more=str(name)), reader, "/me")
    for name in (own.tss_id, own.client_id, (await own.sell())["_id"]):
        for reader in (world.shop_test, world.vendor_test):
            planted = leaking(world.app, more=str(name))
            assert (await asked(planted, reader, "/me")).status_code == 200


async def asked(app: Edge, as_client: httpx.AsyncClient, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v0") as client:
        return await client.get(path, headers={"authorization": as_client.headers["authorization"]})


async def test_the_eyes_on_drawn_worlds_find_what_is_planted(room: Room) -> None:
    cast = _cast()
    await room.settle(cast.world)
    eyes = FromFacts()
    eyes.settle(cast.world)
    actor = cast.actors["key of a managed organization", "TEST"]
    person = next(p for of, p in cast.world.state.roles if of == cast.ids["vendor"])
    for hidden in (str(cast.ids["kiosk"]), str(cast.ids["foreign"]), mail_of(person)):
        planted = leaking(room.app, more=hidden, eyes=eyes)
        with pytest.raises(Leak):
            await call(planted, "GET", "/api/v0/me", token=room.token(actor))


async def test_the_eyes_see_what_an_older_transaction_commits_last(
    world: World, owner_url: str
) -> None:
    shop = UUID((await world.create_shop())["_id"])
    asker = Actor("key", world.keys["vendor_test"]["id"], world.vendor, "TEST")
    eyes, older = FromDatabase(owner_url), await asyncpg.connect(owner_url)
    try:
        async with older.transaction():
            await older.execute("UPDATE organizations SET name = 'Renamed' WHERE id = $1", shop)
            await world.owner.execute("SELECT pg_current_xact_id()")
            assert (await eyes.look(asker)).names[shop] == "Kiosk"
        assert (await eyes.look(asker)).names[shop] == "Renamed"
    finally:
        await older.close()
        await eyes.close()


def test_no_test_asks_a_service_that_is_not_watched() -> None:
    """Whatever makes a service, or a client of one, is watched or on the list."""
    making = re.compile(r"(?<!watched\()make_service\((?!house: )|httpx\.AsyncClient\(")
    found = {
        path.relative_to(TESTS).as_posix()
        for path in TESTS.rglob("*.py")
        if path != Path(__file__) and making.search(path.read_text("utf-8"))
    }
    assert found - {"world.py"} == set(UNWATCHED)
