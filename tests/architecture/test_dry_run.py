"""A dry run does the real thing and leaves nothing, on every operation that changes something."""

from uuid import UUID

import httpx
import pytest

from architecture.test_routes import LAST, NOBODYS_ROW, About, Route, add_address, routes_of
from tillkeeper.app import make_apps
from tillkeeper.schema import metadata
from world import ADDRESS, KEY, World, said

BELOW_THE_VENDOR = {"createOrganization", "provisionOrganization", "createOrganizationBatch"}
CHANGES = sorted(
    (r for r in routes_of(make_apps()) if not r.is_public and r.method != "GET"),
    key=lambda route: (route.name in LAST, route.name),
)


async def ask_the_vendor(world: World) -> UUID:
    return await propose(world.stranger_live, world.foreign, world.vendor)


async def ask_a_stranger(world: World) -> UUID:
    return await propose(world.vendor_live, world.shop, world.stranger)


async def propose(client: httpx.AsyncClient, about: UUID, payer: UUID) -> UUID:
    wanted = {"kind": "payer", "with_organization_id": str(payer)}
    answer = await client.post(f"/organizations/{about}/agreements", json=wanted)
    return UUID(answer.json()["_id"])


async def give_the_shop(world: World) -> UUID:
    wanted = {"kind": "move", "with_organization_id": str(world.stranger)}
    path = f"/organizations/{world.shop}/agreements"
    offered = (await world.vendor_live.post(path, json=wanted)).json()
    path = f"/organizations/{world.stranger}/agreements/{offered['_id']}/accept"
    assert (await world.stranger_live.post(path)).status_code == 200
    return UUID(offered["_id"])


AGREED = {
    "acceptAgreement": ask_the_vendor,
    "declineAgreement": ask_the_vendor,
    "withdrawAgreement": ask_a_stranger,
    "undoAgreement": give_the_shop,
}
"""What the vendor has to decide."""


async def snapshot(world: World) -> dict[str, list[str]]:
    """Every row of every table, as the superuser reads it."""
    return {
        table: sorted(
            str(tuple(row.values()))
            for row in await world.owner.fetch(f"SELECT * FROM {table}")  # noqa: S608 - ours
        )
        for table in metadata.tables
    }


async def about(world: World, route: Route) -> About:
    """What each change succeeds on: the shop, a lone TEST shop, the administered main one."""
    address_id = await add_address(world, world.shop)
    organization_id = world.shop
    if route.name == "handOverOrganization":
        organization_id = world.enterprise
    if route.name in BELOW_THE_VENDOR:
        organization_id = world.vendor
    if route.name == "deleteOrganization":
        await world.owner.execute(
            "UPDATE organizations SET envs = '{TEST}' WHERE id = $1", world.shop
        )
    agreement_id = NOBODYS_ROW
    if route.name in AGREED:
        organization_id, agreement_id = world.vendor, await AGREED[route.name](world)
    return About(
        organization_id,
        world.keys["shop_live"]["id"],
        world.people["shop_owner"],
        address_id,
        agreement_id=agreement_id,
    )


async def ask(client: httpx.AsyncClient, route: Route, of: About, **query: str) -> httpx.Response:
    path = route.path.format(**vars(of))
    body = of.body_of(route.name)
    headers = {"idempotency-key": "the-same"}
    return await client.request(
        route.method, f"http://test{path}", json=body, params=query, headers=headers
    )


@pytest.mark.parametrize("route", CHANGES, ids=lambda route: route.name)
async def test_a_dry_run_answers_like_the_change_and_leaves_nothing(
    world: World, route: Route
) -> None:
    of = await about(world, route)
    in_test = route.name in ("deleteOrganization", "deleteTestData")
    client = world.vendor_test if in_test else world.vendor_live
    if route.name == "deleteUser":
        await world.owner.execute(
            "UPDATE memberships SET role = 'member' WHERE user_id = $1", of.user_id
        )
    before = await snapshot(world)
    dry = await ask(client, route, of, dry_run="true")
    assert await snapshot(world) == before
    assert (dry.status_code, dry.headers["dry-run"]) == (200, "true"), dry.text
    real = await ask(client, route, of)
    assert real.status_code == 200, real.text
    assert "dry-run" not in real.headers
    assert "idempotency-replayed" not in real.headers
    assert list(dry.json()) == list(real.json())
    again = await ask(client, route, of)
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_secret_that_will_never_work_is_masked(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys?dry_run=true"
    assert (await world.vendor_live.post(path, json=KEY)).json()["secret"] == "*" * 43
    shop = ADDRESS | {"name": "New", "managed_by_organization_id": str(world.vendor)}
    item = {"organization": shop, "api_key": KEY}
    batch = await world.vendor_live.post(
        "/organizations/batch?dry_run=true", json={"items": [item]}
    )
    assert batch.json()["data"][0]["api_key"]["secret"] == "*" * 43


async def test_a_refused_dry_run_leaves_no_trace_either(world: World) -> None:
    before = await snapshot(world)
    path = f"/organizations/{world.shop}"
    answer = await world.shop_live.patch(path, params={"dry_run": "true"}, json={"town": "Bonn"})
    assert said(answer) == (403, "E_ACCESS_DENIED")
    assert await snapshot(world) == before


@pytest.mark.parametrize("query", ["dry_run=yes", "dry_run=", "dry_run=true&dry_run=false"])
async def test_a_dry_run_that_is_not_clear_is_refused(world: World, query: str) -> None:
    path = f"/organizations/{world.shop}?{query}"
    answer = await world.vendor_live.patch(path, json={"town": "Bonn"})
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert await world.events(world.shop) == []


async def test_a_dry_run_refuses_a_key_that_the_change_would_refuse(world: World) -> None:
    path = f"/organizations/{world.shop}?dry_run=true"
    for key in ("", "x" * 256):
        headers = {"idempotency-key": key}
        answer = await world.vendor_live.patch(path, json={"town": "Bonn"}, headers=headers)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_what_cannot_be_rolled_back_refuses_a_dry_run(world: World) -> None:
    names = ("api_key", "api_secret")
    body = {name: world.keys["shop_live"][name] for name in names}
    answer = await world.nobody.post("/auth?dry_run=true", json=body)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert (await world.nobody.post("/auth?dry_run=false", json=body)).status_code == 200


async def test_fields_in_the_query_string_may_stand_beside_a_dry_run(world: World) -> None:
    path = f"/organizations/{world.shop}?dry_run=true&town=Bonn"
    answer = await world.vendor_live.patch(path, json=[])
    assert (answer.status_code, answer.json()["town"]) == (200, "Bonn")
    stored = await world.vendor_live.get(f"/organizations/{world.shop}")
    assert stored.json()["town"] == "Berlin"
