"""Services at every stage of a rotation share one database, and no client notices."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest

from leaks import serve
from tillkeeper.access.identity import Signer, issue
from tillkeeper.access.operation import House
from tillkeeper.access.peppers import (
    count_pepper_needs,
    list_pepper_holders,
    list_unknown_versions,
    tell_of_the_end,
    tell_what_is_held,
)
from tillkeeper.core.env import Env
from tillkeeper.core.passwords import Passwords
from tillkeeper.core.secrets import Keyring
from tillkeeper.domains.signing.software import SoftwareUnit
from tillkeeper.schema import metadata
from tillkeeper.surfaces.http.edge import Edge
from world import ADDRESS, PASSWORD, World, client_of, said

OLD = {1: b"pepper" * 6}
BOTH = {**OLD, 2: b"fresh!" * 6}
ONLY_OLD = Keyring(OLD)
PREPARED, ACTIVE = Keyring(BOTH, activated=1), Keyring(BOTH, activated=2)
ONLY_NEW = ACTIVE.retire(1, "")
STAGES = [ONLY_OLD, PREPARED, ACTIVE, ONLY_NEW]

Clients = Callable[[Keyring], httpx.AsyncClient]


def house_of(world: World, keyring: Keyring) -> House:
    passwords = Passwords(keyring, memory_kib=8, passes=1)
    return House(world.house.db, keyring, passwords, SoftwareUnit(keyring))


def service_of(world: World, keyring: Keyring) -> Edge:
    return serve(world.app, house_of(world, keyring))


@pytest.fixture
async def at(world: World) -> AsyncGenerator[Clients]:
    """A client of a service at a stage, one for each time it is asked."""
    async with AsyncExitStack() as stack:
        made: list[httpx.AsyncClient] = []

        def client(keyring: Keyring) -> httpx.AsyncClient:
            made.append(client_of(service_of(world, keyring)))
            stack.push_async_callback(made[-1].aclose)
            return made[-1]

        yield client


async def log_in(client: httpx.AsyncClient, **credentials: str) -> dict[str, Any]:
    answer = await client.post("/auth", json=credentials)
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    client.headers["authorization"] = f"Bearer {session['access_token']}"
    return session


def pair_of(world: World, character: str) -> dict[str, str]:
    return {name: world.keys[character][name] for name in ("api_key", "api_secret")}


async def stored(world: World, character: str) -> tuple[bytes, int | None]:
    row = await world.owner.fetchrow(
        "SELECT secret_digest, pepper_version FROM api_keys WHERE id = $1",
        world.keys[character]["id"],
    )
    assert row is not None
    return row["secret_digest"], row["pepper_version"]


async def test_a_secret_moves_to_the_active_pepper_at_its_next_login(
    world: World, at: Clients
) -> None:
    pair = pair_of(world, "vendor_test")
    for keyring, version in ((ONLY_OLD, 1), (PREPARED, 1), (ACTIVE, 2), (ONLY_NEW, 2)):
        await log_in(at(keyring), **pair)
        digest = keyring.digest(pair["api_secret"])
        assert await stored(world, "vendor_test") == (digest, version)
    assert said(await at(ONLY_OLD).post("/auth", json=pair)) == (401, None)


async def test_a_process_a_step_behind_does_not_move_a_secret_back(
    world: World, at: Clients
) -> None:
    pair = pair_of(world, "vendor_test")
    for keyring in (ACTIVE, PREPARED, ACTIVE, PREPARED):
        await log_in(at(keyring), **pair)
        assert (await stored(world, "vendor_test"))[1] == 2


async def test_a_retiring_secret_moves_and_stays_the_retiring_one(
    world: World, at: Clients
) -> None:
    pair = pair_of(world, "shop_test")
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_test']['id']}/rotate"
    new = (await world.shop_test.post(path, json={})).json()["secret"]
    await log_in(at(ACTIVE), **pair)
    row = await world.owner.fetchrow(
        "SELECT pepper_version, previous_pepper_version, previous_digest, secret_digest, generation"
        " FROM api_keys WHERE id = $1",
        world.keys["shop_test"]["id"],
    )
    assert row is not None
    assert (row["pepper_version"], row["previous_pepper_version"], row["generation"]) == (1, 2, 1)
    assert row["previous_digest"] == ACTIVE.digest(pair["api_secret"])
    assert row["secret_digest"] == ONLY_OLD.digest(new)
    await log_in(at(ONLY_NEW), **pair)


async def test_a_wrong_secret_moves_nothing(world: World, at: Clients) -> None:
    before = await stored(world, "vendor_test")
    wrong = pair_of(world, "vendor_test") | {"api_secret": world.keys["shop_test"]["api_secret"]}
    assert said(await at(ACTIVE).post("/auth", json=wrong)) == (401, None)
    assert await stored(world, "vendor_test") == before


async def test_a_new_key_and_a_rotated_one_are_stored_under_the_active_pepper(
    world: World, at: Clients
) -> None:
    client = at(ACTIVE)
    await log_in(client, **pair_of(world, "shop_test"))
    path = f"/organizations/{world.shop}/api-keys"
    made = (await client.post(path, json={"name": "fresh", "status": "enabled"})).json()
    await log_in(at(ONLY_NEW), api_key=made["key"], api_secret=made["secret"])
    again = (await client.post(f"{path}/{made['_id']}/rotate", json={})).json()
    for secret in (made["secret"], again["secret"]):
        await log_in(at(ONLY_NEW), api_key=made["key"], api_secret=secret)


@pytest.mark.parametrize("is_marked", [True, False])
async def test_a_password_is_hashed_anew_at_its_next_login(
    world: World, at: Clients, *, is_marked: bool
) -> None:
    """Without a mark it was stored before versions were kept: then it is under the oldest."""
    query = "SELECT email, password_digest FROM users WHERE id = $1"
    person = world.people["vendor_owner"]
    row = await world.owner.fetchrow(query, person)
    assert row is not None
    if not is_marked:
        bare = row["password_digest"].removeprefix("1:")
        change = "UPDATE users SET password_digest = $2 WHERE id = $1"
        await world.owner.execute(change, person, bare)
    who = {"email": row["email"], "password": PASSWORD}
    for keyring, version in ((PREPARED, "1:"), (ACTIVE, "2:"), (ONLY_NEW, "2:"), (PREPARED, "2:")):
        await log_in(at(keyring), **who)
        digest = "SELECT password_digest FROM users WHERE id = $1"
        assert str(await world.owner.fetchval(digest, person)).startswith(version)
    wrong = who | {"password": "something else entirely"}
    assert said(await at(ACTIVE).post("/auth", json=wrong)) == (401, None)
    assert said(await at(ONLY_OLD).post("/auth", json=who)) == (401, None)


async def test_tokens_of_a_version_die_with_it_and_not_before(world: World, at: Clients) -> None:
    session = await log_in(at(PREPARED), **pair_of(world, "vendor_test"))
    headers = {"authorization": f"Bearer {session['access_token']}"}
    renewal = {"refresh_token": session["refresh_token"]}
    for keyring, status in ((ONLY_OLD, 200), (ACTIVE, 200), (ONLY_NEW, 401)):
        assert (await at(keyring).get("/me", headers=headers)).status_code == status
        assert (await at(keyring).post("/auth", json=renewal)).status_code == status


def shop(organization_id: object) -> dict[str, Any]:
    return {"name": "Once", "managed_by_organization_id": str(organization_id)} | ADDRESS


@pytest.mark.parametrize(
    ("first", "later"),
    [
        # Stages two steps apart are never there at once: of each the neighbours replay.
        (ONLY_OLD, [PREPARED]),
        (PREPARED, [ONLY_OLD]),
        (PREPARED, [ACTIVE, ONLY_NEW]),
        (ACTIVE, [PREPARED, ONLY_NEW]),
        (ONLY_NEW, [ACTIVE, PREPARED]),
    ],
)
async def test_an_answer_is_replayed_at_every_neighbouring_stage(
    world: World, at: Clients, first: Keyring, later: list[Keyring]
) -> None:
    once, wanted = {"idempotency-key": uuid4().hex}, shop(world.vendor)
    client = await on_stage(world, at, first)
    made = await client.post("/organizations", json=wanted, headers=once)
    assert made.status_code == 200
    for keyring in later:
        other = await on_stage(world, at, keyring)
        again = await other.post("/organizations", json=wanted, headers=once)
        assert (again.content, again.headers["idempotency-replayed"]) == (made.content, "true")
        another = await other.post("/organizations", json=wanted | {"town": "Bonn"}, headers=once)
        assert said(another) == (422, "E_IDEMPOTENCY_MISMATCH")


async def on_stage(world: World, at: Clients, keyring: Keyring) -> httpx.AsyncClient:
    """Return a client of a service at this stage, with a token that every such service reads."""
    client, credential = at(keyring), world.keys["vendor_test"]
    claims = issue(
        kind="key",
        actor_id=credential["id"],
        organization_id=world.vendor,
        env=Env.TEST,
        now=int(time.time()),
        seconds=600,
    )
    client.headers["authorization"] = f"Bearer {Signer(keyring).sign('access', claims)}"
    return client


@pytest.mark.parametrize("pair", [(ONLY_OLD, PREPARED), (PREPARED, ACTIVE), (ACTIVE, ONLY_NEW)])
async def test_two_neighbouring_stages_do_a_request_once(
    world: World, at: Clients, pair: tuple[Keyring, Keyring]
) -> None:
    """Fails without the loop over the further names in `answer_claim`."""
    clients = [await on_stage(world, at, keyring) for keyring in (*pair, *pair)]
    for _ in range(5):
        once = {"idempotency-key": uuid4().hex}
        answers = await asyncio.gather(
            *(
                client.post("/organizations", json=shop(world.vendor), headers=once)
                for client in clients
            )
        )
        assert {answer.status_code for answer in answers} <= {200, 409}
        ids = {answer.json()["_id"] for answer in answers if answer.status_code == 200}
        assert len(ids) == 1


async def test_a_page_goes_on_under_the_next_pepper(world: World, at: Clients) -> None:
    before, after = at(PREPARED), at(ACTIVE)
    for client in (before, after):
        await log_in(client, **pair_of(world, "vendor_test"))
    first = await before.get("/organizations", params={"cursor": "", "limit": 2})
    following = {"cursor": first.json()["next_cursor"], "limit": 100}
    again = [await client.get("/organizations", params=following) for client in (before, after)]
    assert again[0].json() == again[1].json()
    assert len(again[0].json()["data"]) == 3


async def test_a_house_takes_up_secrets_between_two_requests(world: World) -> None:
    house = house_of(world, ONLY_OLD)
    async with client_of(serve(world.app, house)) as client:
        await log_in(client, **pair_of(world, "vendor_test"))
        for keyring in (PREPARED, ACTIVE):
            house.take_up(keyring)
            assert (await client.get("/me")).status_code == 200
        await log_in(client, **pair_of(world, "vendor_test"))
        house.take_up(ONLY_NEW)
        assert (await client.get("/me")).status_code == 200


async def needs_of(world: World, version: int) -> dict[str, int]:
    return {each.need: each.count for each in await count_pepper_needs(world.house, version)}


async def test_what_is_stored_under_a_version_is_counted(world: World, at: Clients) -> None:
    before = await needs_of(world, 2)
    client = at(ACTIVE)
    await log_in(client, **pair_of(world, "vendor_test"))
    once = {"idempotency-key": uuid4().hex}
    await client.post("/organizations", json=shop(world.vendor), headers=once)
    email = "SELECT email FROM users WHERE id = $1"
    address = await world.owner.fetchval(email, world.people["vendor_owner"])
    await log_in(at(ACTIVE), email=address, password=PASSWORD)
    after = await needs_of(world, 2)
    # Two rows: the answer has a name under each version, and needs the newer one alone.
    grown = {need: after[need] - before[need] for need in after}
    keys, rest = grown.pop("secrets of keys"), grown
    assert rest == {
        "retiring secrets of keys": 0,
        "passwords": 1,
        "kept answers": 2,
        "TSS": 0,
        "letters that wait": 0,
    }
    assert keys == 0, "one that did not say its version counted before, and counts still"
    old = await needs_of(world, 1)
    assert old["kept answers"] < after["kept answers"]


async def test_every_stored_digest_says_its_version_or_is_reviewed() -> None:
    """A new column of bytes: does it hang on the pepper? Then it is counted for retirement."""
    hanging = {
        "secret_digest": "pepper_version",
        "previous_digest": "previous_pepper_version",
        "sealed": "pepper_version",
    }
    reviewed = {
        ("audit_seals", "signature"),
        ("audit_seals", "leaves"),
        ("kept_answers", "fingerprint"),
        ("kept_answers", "id"),
        ("kept_answers", "answer"),
        # Acted on within seconds, or of nobody's key.
        ("leak_reports", "digest"),
        # Names of cells: nothing is looked for by them once they are full again.
        ("rate_cells", "id"),
        ("pepper_holders", "fingerprint"),
        # Sealed: the version stands in front, where `count_pepper_needs` reads it. Where the keys
        # of an authority are lost, the next TSS is certified by another.
        ("tss", "sealed_key"),
        ("tss", "sealed_puk"),
        ("signing_authorities", "root_key"),
        ("signing_authorities", "issuer_key"),
        # Public: who exports or reads a receipt gets them.
        ("tss", "point"),
        ("tss", "certificate"),
        ("signing_authorities", "root_certificate"),
        ("signing_authorities", "issuer_certificate"),
        ("log_messages", "message"),
        ("log_messages", "signature"),
    }
    for table in metadata.tables.values():
        for column in table.c:
            if str(column.type) in ("BLOB", "BYTEA") and (table.name, column.name) not in reviewed:
                assert hanging[column.name] in table.c, (table.name, column.name)


async def test_processes_tell_what_they_hold_and_until_when_their_tokens_live(
    world: World,
) -> None:
    house = house_of(world, PREPARED)

    async def held() -> dict[int, tuple[bool, bool, bool]]:
        return {
            each.version: (each.is_alive, each.is_active, each.tokens_end_at is not None)
            for each in await list_pepper_holders(house)
            if each.process_id == house.process_id
        }

    await tell_what_is_held(house)
    assert await held() == {1: (True, True, True), 2: (True, False, False)}
    house.take_up(ACTIVE)
    await tell_what_is_held(house)
    assert await held() == {1: (True, False, True), 2: (True, True, True)}
    house.take_up(ONLY_NEW)
    await tell_what_is_held(house)
    assert await held() == {1: (False, False, True), 2: (True, True, True)}
    await tell_of_the_end(house)
    assert await held() == {1: (False, False, True), 2: (False, False, True)}


async def test_secrets_that_are_missing_are_named(world: World, at: Clients) -> None:
    await log_in(at(ACTIVE), **pair_of(world, "vendor_test"))
    assert await list_unknown_versions(house_of(world, ONLY_OLD)) == [2]
    assert await list_unknown_versions(house_of(world, ACTIVE)) == []
