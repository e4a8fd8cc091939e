"""Nobody asks more often than is allowed, whichever process is asked."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from asgi import Answered, call
from leaks import serve
from tillkeeper.access.limits import Cell, Limits
from tillkeeper.access.operator import sweep_rate_cells
from tillkeeper.core import secrets
from tillkeeper.core.errors import RateLimited
from tillkeeper.core.rates import Lane, Rate
from tillkeeper.db.pool import Database
from tillkeeper.settings import SettingsRefusal, read_settings
from tillkeeper.surfaces.http.edge import Edge
from world import ADDRESS, KEY, PASSWORD, World, client_of

LIMITED = (429, "E_RATE_LIMITED")
LONG = 5000.0
"""Seconds that a lease may be spent: so leases are of several even where the rate is slow."""


def limited(world: World, *, life_seconds: float = LONG, **rates: str) -> Edge:
    """Return another process of the service, with these limits and no others."""
    parsed = {Lane(lane): Rate.parse(text) for lane, text in rates.items()}
    known = {lane: rate for lane, rate in parsed.items() if rate is not None}
    limits = Limits(known, life_seconds=life_seconds)
    return serve(world.app, replace(world.house, limits=limits))


def token_of(world: World, character: str) -> str:
    header: str = world.clients[character].headers["authorization"]
    return header.removeprefix("Bearer ")


async def me(app: Edge, world: World, character: str = "shop_live") -> Answered:
    return await call(app, "GET", "/api/v0/me", token=token_of(world, character))


async def admitted(app: Edge, world: World, number: int, character: str = "shop_live") -> int:
    """Ask so often at once, and return how often it was answered."""
    answers = await asyncio.gather(*(me(app, world, character) for _ in range(number)))
    assert {answer.said for answer in answers} <= {(200, None), LIMITED}
    return [answer.status for answer in answers].count(200)


def remaining(answer: Answered, lane: str) -> int:
    items = dict(item.split(";", 1) for item in answer.headers["ratelimit"].split(", "))
    return int(items[f'"{lane}"'].split(";")[0].removeprefix("r="))


@pytest.mark.parametrize("lane", [Lane.ACTOR, Lane.ORGANIZATION])
async def test_exactly_the_burst_is_admitted(world: World, lane: Lane) -> None:
    limits = Limits({lane: Rate(40, 10**11)}, life_seconds=LONG)
    app = serve(world.app, replace(world.house, limits=limits))
    assert [(await me(app, world)).status for _ in range(60)] == [200] * 40 + [429] * 20


async def test_exactly_the_burst_is_admitted_of_many_at_once(world: World) -> None:
    assert await admitted(limited(world, actor="0.01/40"), world, 90) == 40


async def test_processes_that_share_a_limit_never_exceed_it_together(world: World) -> None:
    """Fails without FOR UPDATE in `lease_cell`: two processes are granted the same."""
    apps = [limited(world, actor="0.01/40") for _ in range(3)]
    assert sum(await asyncio.gather(*(admitted(app, world, 60) for app in apps))) == 40


async def test_a_process_that_dies_loses_what_it_had_leased_and_no_more(world: World) -> None:
    dead = limited(world, actor="0.01/40")
    assert (await me(dead, world)).status == 200
    held = (
        "SELECT (jsonb_each(leases)).value ->> 0 FROM rate_cells ORDER BY leases_end DESC LIMIT 1"
    )
    leased = int(await world.owner.fetchval(held))
    assert leased == 5
    assert await admitted(limited(world, actor="0.01/40"), world, 60) == 40 - leased


async def test_a_key_does_not_spend_what_another_has(world: World) -> None:
    app = limited(world, actor="0.01/10", organization="0.01/100")
    assert await admitted(app, world, 20, "stranger_live") == 10
    assert await admitted(app, world, 20, "shop_live") == 10
    assert await admitted(app, world, 20, "shop_test") == 10


async def test_an_organization_is_counted_over_all_its_keys(world: World) -> None:
    app = limited(world, actor="0.01/10", organization="0.01/15")
    found = [await admitted(app, world, 20, each) for each in ("shop_live", "shop_test")]
    assert found == [10, 5]
    assert await admitted(app, world, 20, "kiosk_live") == 10


async def test_what_one_lane_refuses_the_other_does_not_count(world: World) -> None:
    app = limited(world, actor="0.01/10", organization="0.01/5")
    assert [(await me(app, world)).status for _ in range(30)] == [200] * 5 + [429] * 25
    assert remaining(await me(app, world), "actor") == 5


NEW = ADDRESS | {"name": "Till"}


async def create_in_bulk(app: Edge, world: World) -> Answered:
    item = {"organization": NEW | {"managed_by_organization_id": str(world.vendor)}}
    path, token = "/api/v0/organizations/batch", token_of(world, "vendor_test")
    return await call(app, "POST", path, token=token, body={"items": [item]})


async def test_bulk_has_a_lane_of_its_own(world: World) -> None:
    app = limited(world, actor="0.01/3", bulk="0.01/2")
    assert await admitted(app, world, 5, "vendor_test") == 3
    answers = [await create_in_bulk(app, world) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"bulk";q=2;w=200'
    other = limited(world, actor="0.01/3", bulk="0.01/2")
    assert (await create_in_bulk(other, world)).said == LIMITED


async def test_the_headers_say_what_is_left_and_count_down(world: World) -> None:
    app = limited(world, actor="0.01/20", organization="0.1/50")
    answers = [await me(app, world) for _ in range(22)]
    policies = {answer.headers["ratelimit-policy"] for answer in answers}
    assert policies == {'"actor";q=20;w=2000, "organization";q=50;w=500'}
    assert [remaining(each, "actor") for each in answers] == [*range(19, -1, -1), 0, 0]
    left = [remaining(each, "organization") for each in answers[:20]]
    assert left == sorted(left, reverse=True)
    assert 30 <= left[-1] <= 31
    full_in = [int(each.headers["ratelimit"].split(", ")[0].split("t=")[1]) for each in answers]
    assert full_in[:20] == sorted(full_in[:20])
    assert 1900 <= full_in[19] <= 2000


async def test_a_refusal_says_how_long_to_wait(world: World) -> None:
    app = limited(world, actor="0.1/2")
    assert await admitted(app, world, 2) == 2
    answer = await me(app, world)
    wait = int(answer.headers["Retry-After".lower()])
    assert answer.said == LIMITED
    assert 8 <= wait <= 10
    assert answer.headers["ratelimit"] == f'"actor";r=0;t={wait}'
    assert "2 at once, then 0.1 a second" in answer.body["message"]


async def test_what_has_refilled_is_admitted_again(world: World) -> None:
    now = [0.0]
    limits = Limits({Lane.ACTOR: Rate(10, 10**10)}, clock=lambda: now[0])
    app = serve(world.app, replace(world.house, limits=limits))
    assert await admitted(app, world, 20) == 10
    later = "UPDATE rate_cells SET tat = tat - 30 * 10::bigint ^ 9, leases = '{}'"
    await world.owner.execute(later)
    assert await admitted(app, world, 20) == 0
    now[0] += 11
    assert await admitted(app, world, 20) == 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v0/me", 200),
        ("GET", "/api/v0/organizations/1", 400),
        ("GET", "/api/v0/nowhere", 404),
        ("GET", "/api/v2/nowhere", 404),
        ("PUT", "/api/v0/me", 405),
        ("POST", "/api/v0/auth", 400),
        ("POST", "/api/v2/auth", 400),
        ("POST", "/api/v0/keys/leaked", 400),
        ("GET", "/api/v0/\x00", 400),
    ],
)
async def test_every_answer_carries_the_headers(
    world: World, method: str, path: str, status: int
) -> None:
    app = limited(world, actor="1/50", organization="1/50", address="1/50")
    for token in (token_of(world, "shop_live"), "wrong", None):
        answer = await call(app, method, path, token=token)
        assert answer.status in (status, 401)
        assert {"ratelimit", "ratelimit-policy"} <= set(answer.headers)
        lane = "actor" if answer.status == 200 else "address"
        assert answer.headers["ratelimit-policy"].startswith(f'"{lane}";q=50;w=50')


async def test_a_refusal_of_the_operation_carries_them_too(world: World) -> None:
    app, token = limited(world, actor="1/50"), token_of(world, "shop_live")
    for path, query, status in (
        (f"/api/v0/organizations/{world.stranger}", "", 404),
        ("/api/v0/organizations", "limit=0", 400),
    ):
        answer = await call(app, "GET", path, token=token, query=query)
        assert (answer.status, "ratelimit" in answer.headers) == (status, True)
    answer = await call(app, "DELETE", f"/api/v0/organizations/{world.shop}", token=token)
    assert (answer.status, remaining(answer, "actor")) == (403, 47)


async def test_pages_beside_the_api_are_not_counted(world: World) -> None:
    app = limited(world, address="0.01/1")
    for _ in range(3):
        assert "ratelimit" not in (await call(app, "GET", "/health")).headers
        assert (await call(app, "GET", "/nowhere")).status == 404


async def test_without_rates_nothing_is_said_or_counted(world: World) -> None:
    app = limited(world, actor="0", address="0")
    for answer in (await me(app, world), await call(app, "GET", "/api/v0/me")):
        assert not any(name.startswith("ratelimit") for name in answer.headers)


@pytest.mark.parametrize(
    "path", ["/api/v0/me", "/api/v0/nowhere", "/api/v2/auth", "/api/v0/auth", "/api/v0/keys/leaked"]
)
async def test_who_shows_no_token_is_counted_by_address(world: World, path: str) -> None:
    app, ip = limited(world, address="0.01/10"), f"2001:db8:{uuid4().hex[:4]}::1"
    answers = [await call(app, "POST", path, ip=ip) for _ in range(12)]
    assert [answer.status == 429 for answer in answers] == [False] * 10 + [True] * 2
    assert answers[-1].headers["content-type"].startswith("application/json")
    neighbour = ip.removesuffix("1") + "ffff"
    assert (await call(app, "POST", path, ip=neighbour)).said == LIMITED
    assert (await call(app, "POST", path, ip=f"2001:db8:{uuid4().hex[:4]}:1::1")).status != 429
    assert (await me(app, world)).status == 200


async def test_a_token_does_not_lift_the_limit_of_a_public_route(world: World) -> None:
    app, ip = limited(world, address="0.01/5"), f"10.9.8.{uuid4().int % 256}"
    token = token_of(world, "shop_live")
    answers = [await call(app, "POST", "/api/v0/auth", token=token, ip=ip) for _ in range(7)]
    assert [answer.status for answer in answers] == [400] * 5 + [429] * 2


async def test_a_body_is_not_read_once_the_address_is_out(world: World) -> None:
    app, ip = limited(world, address="0.01/1"), f"10.9.7.{uuid4().int % 256}"
    too_large = {"api_key": "x" * 1_100_000}
    said = [(await call(app, "POST", "/api/v0/auth", body=too_large, ip=ip)).status for _ in "ab"]
    assert said == [413, 429]


async def test_a_refused_call_leaves_one_line_in_the_audit_and_nothing_else(world: World) -> None:
    apps = [limited(world, actor="0.01/1") for _ in range(2)]
    assert await admitted(apps[0], world, 1) == 1
    path = f"/api/v0/organizations/{world.shop}/api-keys"
    for app in apps * 4:
        refused = await call(app, "POST", path, token=token_of(world, "shop_live"), body=KEY)
        assert refused.said == LIMITED
    rows = await world.owner.fetch(
        "SELECT event, outcome, env, actor_id, details FROM audit_rows WHERE organization_id = $1",
        world.shop,
    )
    key_id = world.keys["shop_live"]["id"]
    details = {"code": "E_RATE_LIMITED", "status": "429"}
    assert [tuple(row) for row in rows] == [("access.refused", "refused", "LIVE", key_id, details)]
    assert await world.trail(world.shop, "outbox_rows") == []


async def test_a_refused_call_does_not_use_up_its_idempotency_key(world: World) -> None:
    path, headers = f"/organizations/{world.shop}/api-keys", {"idempotency-key": "once"}
    headers["authorization"] = world.shop_live.headers["authorization"]
    async with client_of(limited(world, actor="0.01/1")) as client:
        assert (await client.get("/me", headers=headers)).status_code == 200
        assert (await client.post(path, json=KEY, headers=headers)).status_code == 429
    again = await world.nobody.post(path, json=KEY, headers=headers)
    assert (again.status_code, "idempotency-replayed" in again.headers) == (200, False)


def wrong_login(world: World, character: str = "shop_live") -> dict[str, Any]:
    return {"api_key": world.keys[character]["api_key"], "api_secret": secrets.mint_secret()}


async def log_in(app: Edge, body: object) -> Answered:
    ip = f"10.{uuid4().int % 250}.{uuid4().int % 250}.1"
    return await call(app, "POST", "/api/v0/auth", body=body, ip=ip)


async def test_failures_count_on_the_key_from_wherever_they_come(world: World) -> None:
    app = limited(world, login="0.01/5", address="1/1000")
    answers = [await log_in(app, wrong_login(world)) for _ in range(7)]
    assert [answer.status for answer in answers] == [401] * 5 + [429] * 2
    assert await world.trail(world.shop) == ["session.refused"] * 5
    right = {name: world.keys["shop_live"][name] for name in ("api_key", "api_secret")}
    assert (await log_in(app, right)).status == 200
    assert (await log_in(app, wrong_login(world, "kiosk_live"))).status == 401


async def test_a_key_that_nobody_has_is_counted_like_one_that_is_there(world: World) -> None:
    app = limited(world, login="0.01/5")
    unknown = wrong_login(world) | {"api_key": f"live_{'0' * 25}_{uuid4().hex[:8]}"}
    known = [(await log_in(app, wrong_login(world))).headers.keys() for _ in range(7)]
    absent = [await log_in(app, unknown) for _ in range(7)]
    assert [answer.status for answer in absent] == [401] * 5 + [429] * 2
    assert known == [answer.headers.keys() for answer in absent]


async def test_guesses_at_a_password_wait_and_right_ones_do_not_count(world: World) -> None:
    person = await world.owner.fetchval(
        "SELECT email FROM users WHERE id = $1", world.people["shop_owner"]
    )
    app, right = limited(world, login="0.01/5"), {"email": person, "password": PASSWORD}
    assert {(await log_in(app, right)).status for _ in range(8)} == {200}
    wrong = [log_in(app, {"email": person.upper(), "password": "wrong"}) for _ in range(9)]
    found = sorted(answer.status for answer in await asyncio.gather(*wrong))
    assert found == [401] * 5 + [429] * 4
    assert (await log_in(app, right)).said == LIMITED


async def test_where_the_cells_cannot_be_asked_nobody_is_let_in(
    world: World, serving_url: str
) -> None:
    """The only connection is out: as good as a database that is away."""
    database = await Database.open(serving_url, size=1)
    limits = Limits({Lane.ACTOR: Rate(10, 10**9), Lane.ADDRESS: Rate(10, 10**9)})
    app = serve(world.app, replace(world.house, db=database, limits=limits))
    async with database.lend():
        asked = me(app, world), call(app, "GET", "/api/v0/nowhere"), call(app, "GET", "/api/v0/me")
        answers = await asyncio.gather(*asked)
    assert {answer.said for answer in answers} == {(503, "E_OVERLOADED")}
    assert all("ratelimit-policy" in answer.headers for answer in answers)
    assert (await me(app, world)).status == 200
    await database.close()


async def test_what_is_whole_again_is_swept_and_what_is_held_stays(world: World) -> None:
    await world.owner.execute("DELETE FROM rate_cells")
    app = limited(world, actor="0.01/10", organization="1000000/1000000", life_seconds=0.001)
    assert (await me(app, world)).status == 200
    await sweep_rate_cells(world.house)
    assert await world.owner.fetchval("SELECT count(*) FROM rate_cells") == 1


async def spend(limits: Limits, db: Database, cell: Cell, times: int = 90) -> int:
    """Spend so often, and return how often it was granted."""
    granted = 0
    for _ in range(times):
        with suppress(RateLimited):
            await limits.spend(db, *limits.leases_of(cell))
            granted += 1
    return granted


async def test_what_a_process_holds_nobody_else_gets_when_the_cell_has_refilled(
    world: World, db: Database
) -> None:
    """Fails without `held` in the arrival time of `lease_cell`."""
    rates, cell = {Lane.ACTOR: Rate(40, 10**11)}, Cell(Lane.ACTOR, uuid4())
    one, other = (Limits(rates, life_seconds=LONG) for _ in range(2))
    assert await spend(one, db, cell, times=1) == 1
    await world.owner.execute("UPDATE rate_cells SET tat = 0 WHERE id = $1", cell.digest)
    assert await spend(other, db, cell) == 35
    assert await spend(one, db, cell) == 4


async def test_what_is_given_back_too_late_has_refilled_by_itself(
    world: World, db: Database
) -> None:
    """Fails where `lease_cell` takes back what is left of a lease that is over."""
    now, cell = [0.0], Cell(Lane.ACTOR, uuid4())
    rates = {Lane.ACTOR: Rate(40, 10**11)}
    late = Limits(rates, clock=lambda: now[0], life_seconds=LONG)
    assert await spend(late, db, cell, times=1) == 1
    over = "UPDATE rate_cells SET tat = 0, leases = jsonb_build_object($2::text, '[5, 0]'::jsonb)"
    await world.owner.execute(f"{over} WHERE id = $1", cell.digest, late.holder)
    now[0] += LONG + 1
    assert await spend(Limits(rates), db, cell) == 40
    assert await spend(late, db, cell) == 0


async def test_what_is_given_back_in_time_is_there_for_others(db: Database) -> None:
    now, cell = [0.0], Cell(Lane.ACTOR, uuid4())
    rates = {Lane.ACTOR: Rate(40, 10**11)}
    one = Limits(rates, clock=lambda: now[0], life_seconds=LONG)
    assert await spend(one, db, cell, times=1) == 1
    now[0] += LONG + 1
    assert await spend(one, db, cell, times=1) == 1
    assert await spend(Limits(rates), db, cell) + await spend(one, db, cell) == 38


async def test_memory_is_bounded(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tillkeeper.access.limits._MOST_LEASES", 3)
    limits = Limits({Lane.ADDRESS: Rate(10, 10**9)})
    for _ in range(9):
        await limits.spend(db, *limits.leases_of(Cell(Lane.ADDRESS, str(uuid4()))))
    assert len(limits._leases) == 3  # noqa: SLF001


def test_what_was_typed_as_a_login_does_not_reach_the_database() -> None:
    assert len(Cell(Lane.LOGIN, "secret").digest) == 16
    assert b"secret" not in Cell(Lane.LOGIN, "secret").digest


@pytest.mark.parametrize("text", ["", "100", "0/5", "5/0", "-1/5", "1/x", "0.001/1000000", "nan/1"])
def test_a_rate_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsRefusal, match="TILLKEEPER_RATE_BULK" if text else "."):
        read_settings({"TILLKEEPER_RATE_BULK": text or "x"})


def test_the_limits_are_on_until_they_are_switched_off() -> None:
    assert set(read_settings({}).rates) == set(Lane)
    assert Lane.ACTOR not in read_settings({"TILLKEEPER_RATE_ACTOR": "0"}).rates
