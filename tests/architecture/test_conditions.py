"""A change is made only while the resource is what its client has seen."""

import asyncio

import httpx
import pytest

from architecture.test_dry_run import about
from architecture.test_routes import About, Route, routes_of
from tillkeeper.app import make_apps
from world import KEY, World, said

STALE = (412, "E_STALE")
ROUTES = [route for route in routes_of(make_apps()) if not route.is_public]
UPDATE = next(route for route in ROUTES if route.name == "updateOrganization")
CONDITIONAL = sorted(
    (route for route in ROUTES if "resource" in route.handler.opt), key=lambda route: route.name
)
COLLECTIONS = {
    "createOrganization",
    "provisionOrganization",
    "createOrganizationBatch",
    "createApiKey",
    "inviteUser",
    "invite_user_by_alias",
    "createBillingAddress",
    "deleteTestData",
    "proposeAgreement",
}
"""Reviewed: these make something new or sweep up many things, so there is no one resource that a
client could have seen. What the SIGN API changes is guarded by states and revisions: there the
header is refused."""
RESOURCES = {
    "/organizations/{organization_id}": "retrieveOrganization",
    "/organizations/{organization_id}/api-keys/{key_id}": "retrieveApiKey",
    "/billing-addresses/{address_id}": "retrieveBillingAddress",
}


def test_every_change_of_a_resource_honours_if_match() -> None:
    changes = {route.name for route in ROUTES if route.method != "GET"}
    of_sign = {route.name for route in ROUTES if route.path.startswith("/api/v2")}
    assert {route.name for route in CONDITIONAL} == changes - COLLECTIONS - of_sign


async def ask(client: httpx.AsyncClient, route: Route, of: About, tag: str) -> httpx.Response:
    path = route.path.format(**vars(of))
    body = of.body_of(route.name)
    return await client.request(
        route.method, f"http://test{path}", json=body, headers={"if-match": tag}
    )


@pytest.mark.parametrize("route", CONDITIONAL, ids=lambda route: route.name)
async def test_a_stale_change_is_refused_and_leaves_nothing(world: World, route: Route) -> None:
    of = await about(world, route)
    client = world.vendor_test if route.name == "deleteOrganization" else world.vendor_live
    if route.name == "deleteUser":
        lower = "UPDATE memberships SET role = 'member' WHERE user_id = $1"
        await world.owner.execute(lower, of.user_id)
    before = await world.events(of.organization_id)
    assert said(await ask(client, route, of, '"nothing-like-it"')) == STALE
    assert await world.events(of.organization_id) == before
    any_of_them = await ask(client, route, of, "*")
    assert any_of_them.status_code == 200, any_of_them.text


@pytest.mark.parametrize("path", RESOURCES)
async def test_what_was_read_may_be_changed_once(world: World, path: str) -> None:
    of = await about(world, UPDATE)
    url = path.format(**vars(of))
    body = {"metadata": {"a": "b"}} if "billing" not in path else {"town": "Bonn"}
    tag = (await world.vendor_live.get(url)).headers["etag"]
    first = await world.vendor_live.patch(url, json=body, headers={"if-match": f'"x", {tag}'})
    assert first.status_code == 200, first.text
    assert first.headers["etag"] == (await world.vendor_live.get(url)).headers["etag"] != tag
    assert said(await world.vendor_live.patch(url, json=body, headers={"if-match": tag})) == STALE


@pytest.mark.parametrize("path", RESOURCES)
async def test_what_is_known_is_not_sent_again(world: World, path: str) -> None:
    url = path.format(**vars(await about(world, UPDATE)))
    tag = (await world.vendor_live.get(url)).headers["etag"]
    for known, status in ((tag, 304), (f"W/{tag}", 304), ("*", 304), ('"other"', 200)):
        answer = await world.vendor_live.get(url, headers={"if-none-match": known})
        assert (answer.status_code, answer.headers["etag"]) == (status, tag)
        assert bool(answer.content) is (status == 200)


async def test_a_new_key_has_the_tag_that_it_is_read_with(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys"
    created = await world.vendor_live.post(path, json=KEY)
    read = await world.vendor_live.get(f"{path}/{created.json()['_id']}")
    assert created.headers["etag"] == read.headers["etag"]


async def test_of_two_changes_of_what_both_have_read_one_is_made(world: World) -> None:
    """Without `with_for_update` in the query that locks, both are made."""
    url = f"/organizations/{world.shop}"
    for turn in range(10):
        tag = (await world.vendor_live.get(url)).headers["etag"]
        answers = await asyncio.gather(
            *(
                world.vendor_live.patch(
                    url, json={"town": f"{who} {turn}"}, headers={"if-match": tag}
                )
                for who in ("Bonn", "Köln", "Jena", "Ulm")
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


async def test_who_may_not_change_learns_nothing_of_tags(world: World) -> None:
    url = f"/organizations/{world.shop}"
    for client, expected in (
        (world.shop_live, (403, "E_ACCESS_DENIED")),
        (world.stranger_live, (404, "E_ORGANIZATION_NOT_FOUND")),
    ):
        for tag in ("*", '"x"'):
            answer = await client.patch(url, json={"town": "Bonn"}, headers={"if-match": tag})
            assert said(answer) == expected


async def test_a_condition_that_nothing_would_honour_is_refused(world: World) -> None:
    answer = await world.vendor_live.post(
        f"/organizations/{world.shop}/api-keys", json=KEY, headers={"if-match": "*"}
    )
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert await world.events(world.shop) == []
