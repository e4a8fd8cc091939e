"""One look over an organization and everything below it."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from tillkeeper.core.days import local_day
from tillkeeper.core.env import Env
from tillkeeper.domains.signing import certificates
from tills import SIGN, Till
from world import World, said

NO_ORGANIZATION = (404, "E_ORGANIZATION_NOT_FOUND")
DAY = 86_400
COUNTED = """
INSERT INTO transaction_months (organization_id, env, tss_id, month, started)
SELECT $1, 'TEST', $2, date_trunc('month', $3::date), array_agg(
  CASE WHEN n = extract(day FROM $3::date) THEN $4::integer ELSE 0 END ORDER BY n)
FROM generate_series(1, 31) n
ON CONFLICT (organization_id, month, tss_id, env) DO UPDATE SET started =
  (SELECT array_agg(a + b ORDER BY n) FROM unnest(transaction_months.started, excluded.started)
    WITH ORDINALITY AS both_of (a, b, n))
"""


async def overview(http: httpx.AsyncClient, organization_id: object) -> Any:  # noqa: ANN401 - JSON
    answer = await http.get(f"/organizations/{organization_id}/overview")
    assert answer.status_code == 200, answer.text
    assert answer.json()["_type"] == "OVERVIEW"
    return answer.json()


async def selling(http: httpx.AsyncClient, receipts: int = 0) -> Till:
    till = await Till(http).open()
    for _ in range(receipts):
        await till.sell()
    return till


def today() -> str:
    return local_day(int(time.time())).isoformat()


async def test_an_organization_and_all_below_it_are_counted_apart(world: World) -> None:
    await Till(world.vendor_test).create()
    for http, receipts in ((world.shop_test, 2), (world.branch_test, 1), (world.stranger_test, 3)):
        await selling(http, receipts)
    found = await overview(world.vendor_test, world.vendor)
    own, managed = found["own"], found["managed"]
    assert (found["env"], found["organization_id"]) == ("TEST", str(world.vendor))
    assert (own["organizations"], managed["organizations"]) == (1, 4)
    assert {state: n for state, n in own["tss"].items() if n} == {"CREATED": 1}
    assert {state: n for state, n in managed["tss"].items() if n} == {"INITIALIZED": 2}
    assert len(managed["tss"]) == 7, "every state is named"
    assert own["clients"] == {"REGISTERED": 0, "DEREGISTERED": 0}
    assert managed["clients"] == {"REGISTERED": 2, "DEREGISTERED": 0}
    assert managed["transactions_by_day"][-1] == {"day": today(), "started": 3}
    assert [each["started"] for each in own["transactions_by_day"]] == [0] * 30
    assert len(managed["latest_transactions"]) == 3
    assert found["expiring_authorities"] == []


async def test_each_place_in_the_tree_sees_what_is_below_it(world: World) -> None:
    for http in (world.vendor_test, world.shop_test, world.branch_test, world.branch_test):
        await Till(http).create()

    async def numbers(http: httpx.AsyncClient, organization_id: UUID) -> tuple[int, int | None]:
        found = await overview(http, organization_id)
        managed = found.get("managed")
        return found["own"]["tss"]["CREATED"], managed and managed["tss"]["CREATED"]

    assert await numbers(world.vendor_test, world.vendor) == (1, 3)
    assert await numbers(world.vendor_test, world.enterprise) == (0, 2)
    assert await numbers(world.enterprise_test, world.enterprise) == (0, 2)
    assert await numbers(world.vendor_test, world.shop) == (1, None)
    assert await numbers(world.shop_test, world.shop) == (1, None)
    assert await numbers(world.vendor_test, world.kiosk) == (0, None)
    assert await numbers(world.vendor_live, world.vendor) == (0, 0), "LIVE sees nothing of TEST"


async def test_what_is_above_beside_or_elsewhere_is_not_there(world: World) -> None:
    for path in ("overview", "fleet", "fleet?format=csv"):
        for http, organization in (
            (world.shop_test, world.vendor),
            (world.shop_test, world.kiosk),
            (world.enterprise_test, world.shop),
            (world.stranger_test, world.shop),
            (world.vendor_test, uuid4()),
        ):
            answer = await http.get(f"/organizations/{organization}/{path}")
            assert said(answer) == NO_ORGANIZATION


async def test_a_limited_key_sees_its_part(world: World) -> None:
    for http in (world.vendor_test, world.shop_test, world.branch_test):
        await selling(http, 1)
    full = {"clients", "transactions_by_day", "latest_transactions", "latest_exports", "data"}
    named = ["organization:read", "tss:read"]
    for limits, below, parts in (
        ({"permissions": ["fleet:read"]}, 2, set[str]()),
        ({"permissions": ["fleet:read", "client:read"]}, 2, {"clients"}),
        ({"permissions": ["fleet:read", "transaction:read"]}, 2, {"transactions_by_day"}),
        ({"permissions": ["fleet:read", "export:read"]}, 2, set[str]()),
        ({"permissions": ["fleet:read", "export:read", *named]}, 2, {"latest_exports", "data"}),
        ({"reach": "self"}, 0, full),
        ({"reach": "managed"}, 1, full),
        ({"reach": [str(world.branch)]}, 1, full),
    ):
        name = f"key-{uuid4().hex[:8]}"
        key = await world.enter_as(world.vendor, world.vendor_test, name=name, **limits)
        found = await overview(key, world.vendor)
        assert found["managed"]["tss"]["INITIALIZED"] == below, limits
        assert found["own"]["tss"]["INITIALIZED"] == 1
        for part in (found["own"], found["managed"]):
            assert (part.keys() | part["expiring_tss"].keys()) & full == parts
        if "reach" in limits:
            assert found["managed"]["transactions_by_day"][-1]["started"] == below
            assert len(found["managed"]["latest_transactions"]) == below


async def test_a_key_without_the_right_is_told_which(world: World) -> None:
    key = await world.enter_as(world.shop, world.shop_test, permissions=["tss:read"])
    for path in ("overview", "fleet"):
        answer = await key.get(f"/organizations/{world.shop}/{path}")
        assert said(answer) == (403, "E_ACCESS_DENIED")
        assert answer.json()["missing"]["right"] == "fleet:read"
    key = await world.enter_as(
        world.shop, world.shop_test, permissions=["fleet:read"], name="key-2"
    )
    answer = await key.get(f"/organizations/{world.shop}/fleet")
    assert answer.json()["missing"]["right"] == "organization:read"


async def test_the_last_thirty_days_are_there_and_no_other(world: World) -> None:
    till = await selling(world.shop_test)
    now = date.fromisoformat(today())
    for age in (1, 29, 30):
        day = now - timedelta(days=age)
        await world.owner.execute(COUNTED, world.shop, till.tss_id, day, age)
    days = (await overview(world.shop_test, world.shop))["own"]["transactions_by_day"]
    expected = [(now - timedelta(days=age)).isoformat() for age in reversed(range(30))]
    assert [each["day"] for each in days] == expected
    assert [each["started"] for each in days] == [29, *[0] * 27, 1, 0]


async def test_the_latest_transactions_come_first(world: World) -> None:
    tills = [await selling(world.shop_test, 6) for _ in range(2)]
    aged = (
        "UPDATE transactions SET time_start = time_start - 100 + number * 10 + $2 WHERE tss_id = $1"
    )
    for number, till in enumerate(tills):
        await world.owner.execute(aged, till.tss_id, number)
    found = (await overview(world.vendor_test, world.vendor))["managed"]["latest_transactions"]
    expected = [(n, str(till.tss_id)) for n in (6, 5, 4, 3, 2) for till in reversed(tills)]
    assert [(each["number"], each["tss_id"]) for each in found] == expected
    shown = await tills[1].send("GET", "/tx/6")
    for name in ("_id", "state", "client_id", "client_serial_number", "time_start", "time_end"):
        assert found[0][name] == shown[name], name
    assert found[0]["organization_id"] == str(world.shop)


async def test_the_latest_exports_come_first(world: World) -> None:
    asked: list[str] = []
    for http in (world.shop_test, world.branch_test, world.stranger_test):
        till = await selling(http, 1)
        for number in range(7):
            export_id = uuid4()
            await till.send("PUT", f"/export/{export_id}", {}, start_date=number + 1)
            asked.append(str(export_id))
    aged = "UPDATE exports SET time_request = 1700000000 + $2 WHERE id = $1::text::uuid"
    for number, each in enumerate(asked):
        await world.owner.execute(aged, each, number)
    found = (await overview(world.vendor_test, world.vendor))["managed"]["latest_exports"]
    assert [each["_id"] for each in found] == asked[13:3:-1], "the stranger's are not among them"
    assert {each["organization_id"] for each in found} == {str(world.shop), str(world.branch)}
    assert {each["state"] for each in found} == {"PENDING"}
    assert (await overview(world.kiosk_test, world.kiosk))["own"]["latest_exports"] == []


async def test_certificates_that_end_soon_are_named_the_first_first(world: World) -> None:
    now = int(time.time())
    ages = {-1: True, 5: True, 89: True, 91: False}
    tills = {days: await Till(world.shop_test).initialize() for days in ages}
    shown = await tills[91].send("GET", "")
    assert shown["_id"] not in await expiring(world)
    moved = "UPDATE tss SET certificate_ends_at = $2 WHERE id = $1"
    for days, till in tills.items():
        await world.owner.execute(moved, till.tss_id, now + days * DAY)
    wanted = [str(till.tss_id) for days, till in tills.items() if ages[days]]
    assert await expiring(world) == wanted
    await tills[5].lead("DISABLED")
    assert await expiring(world) == [wanted[0], wanted[2]]


async def expiring(world: World) -> list[str]:
    found = (await overview(world.vendor_test, world.vendor))["managed"]["expiring_tss"]
    assert found["count"] == len(found["data"])
    return [each["_id"] for each in found["data"]]


async def test_an_authority_that_ends_soon_is_named(world: World) -> None:
    """One that ended long ago, or that vouches in the other env, is not."""
    await selling(world.shop_test)
    added = (
        "INSERT INTO signing_authorities (env, generation, issuer_id, root_certificate, root_key, "
        "issuer_certificate, issuer_key, created_at) VALUES ($1, $2, $3, $4, '', $5, '', now())"
    )
    born = {(Env.TEST, 0): 16 * 365 - 30, (Env.TEST, -1): 17 * 365, (Env.LIVE, 0): 16 * 365 - 30}
    names: dict[tuple[Env, int], str] = {}
    try:
        for (env, generation), days in born.items():
            then = datetime.now(UTC) - timedelta(days=days)
            root = certificates.make_root(env, then)
            issuer = certificates.make_issuer(env, root, then)
            above = [each.certificate.public_bytes(Encoding.DER) for each in (root, issuer)]
            names[env, generation] = certificates.common_name_of(above[1])
            await world.owner.execute(added, env, generation, names[env, generation], *above)
        found = (await overview(world.shop_test, world.shop))["expiring_authorities"]
    finally:
        await world.owner.execute("DELETE FROM signing_authorities WHERE generation < 1")
    assert [(each["kind"], each["common_name"]) for each in found] == [
        ("issuer", names[Env.TEST, 0])
    ]
    assert time.time() < found[0]["certificate_ends_at"] < time.time() + 31 * DAY


async def test_clients_of_what_is_gone_are_not_counted(world: World) -> None:
    tills = [await selling(world.shop_test) for _ in range(2)]
    await tills[0].send("PATCH", f"/client/{tills[0].client_id}", {"state": "DEREGISTERED"})
    clients = (await overview(world.shop_test, world.shop))["own"]["clients"]
    assert clients == {"REGISTERED": 1, "DEREGISTERED": 1}
    await world.owner.execute("UPDATE tss SET state = 'DELETED' WHERE id = $1", tills[1].tss_id)
    clients = (await overview(world.shop_test, world.shop))["own"]["clients"]
    assert clients == {"REGISTERED": 0, "DEREGISTERED": 1}
    listed = (await world.shop_test.get(f"{SIGN}/client")).json()
    assert listed["count"] == 2, "the SIGN API lists them all"
