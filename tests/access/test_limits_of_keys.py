"""What a key may be limited to holds at authentication and at every use."""

from uuid import UUID

import httpx
import pytest

from world import ADDRESS, KEY, World, said

NO_ORGANIZATION = (404, "E_ORGANIZATION_NOT_FOUND")


async def limit(world: World, character: str, assignment: str, *values: object) -> None:
    """Set columns of a character's key, as the routes that make keys will."""
    key_id: UUID = world.keys[character]["id"]
    await world.owner.execute(f"UPDATE api_keys SET {assignment} WHERE id = $1", key_id, *values)  # noqa: S608


async def authenticate(world: World, character: str) -> int:
    names = ("api_key", "api_secret")
    body = {name: world.keys[character][name] for name in names}
    return (await world.nobody.post("/auth", json=body)).status_code


@pytest.mark.parametrize(
    ("assignment", "status"),
    [
        ("expires_at = now() + interval '1 hour'", 200),
        ("expires_at = now() - interval '1 second'", 401),
        ("not_before = now() - interval '1 second'", 200),
        ("not_before = now() + interval '1 hour'", 401),
        ("allowed_ips = '{127.0.0.0/8}'", 200),
        ("allowed_ips = '{::1/128,127.0.0.1/32}'", 200),
        ("allowed_ips = '{10.0.0.0/8,2001:db8::/32}'", 401),
        ("allowed_ips = '{}'", 401),
    ],
)
async def test_a_key_out_of_its_time_or_place_is_nobody(
    world: World, assignment: str, status: int
) -> None:
    await limit(world, "shop_live", assignment)
    assert await authenticate(world, "shop_live") == status
    assert (await world.shop_live.get("/me")).status_code == status
    assert (await world.shop_live.get(f"/organizations/{world.shop}")).status_code == status


async def test_a_key_has_no_right_that_it_was_not_given(world: World) -> None:
    await limit(world, "vendor_live", "permissions = '{organization:read}'")
    me = (await world.vendor_live.get("/me")).json()
    assert me["rights"] == ["organization:read"]
    answer = await world.vendor_live.get(f"/organizations/{world.shop}/api-keys")
    assert said(answer) == (403, "E_ACCESS_DENIED")
    assert answer.json()["missing"]["right"] == "api_key:read"


async def test_a_right_above_the_position_is_none(world: World) -> None:
    await limit(world, "shop_live", "permissions = '{organization:create,organization:read}'")
    assert (await world.shop_live.get("/me")).json()["rights"] == ["organization:read"]


REACHES = {
    "reach = 'self'": {"vendor"},
    "reach = 'managed'": {"vendor", "shop", "kiosk"},
    "reach = 'listed', reach_organization_ids = $2": {"vendor", "kiosk", "branch"},
    "reach = 'all'": {"vendor", "shop", "kiosk", "enterprise", "branch"},
}


@pytest.mark.parametrize(("assignment", "expected"), REACHES.items())
async def test_a_key_reaches_what_it_was_given_and_no_more(
    world: World, assignment: str, expected: set[str]
) -> None:
    listed = [world.kiosk, world.branch, world.foreign]
    await limit(world, "vendor_live", assignment, *([listed] if "$2" in assignment else []))
    client = world.vendor_live
    opened = {name for name in world.ids if await opens(client, world.ids[name])}
    assert opened == expected
    for page in ("/organizations", "/organizations?cursor=&include=total"):
        answer = (await client.get(page)).json()
        assert {each["name"].lower() for each in answer["data"]} == expected
        assert answer["count"] == len(expected)
    assert (await client.get("/me")).json()["reach"]["organizations"] == len(expected)
    tree = (await client.get(f"/organizations/{world.vendor}/tree")).json()
    assert tree["count"] == len(expected)


async def opens(client: httpx.AsyncClient, organization_id: UUID) -> bool:
    answer = await client.get(f"/organizations/{organization_id}")
    assert said(answer) in ((200, None), NO_ORGANIZATION)
    return answer.status_code == 200


async def test_what_is_outside_a_keys_reach_answers_like_what_is_absent(world: World) -> None:
    await limit(world, "vendor_live", "reach = 'self'")
    shop = {"name": "Shop", "managed_by_organization_id": str(world.enterprise)} | ADDRESS
    path = f"/organizations/{world.shop}"
    for answer, expected in (
        (await world.vendor_live.patch(path, json={"name": "Mine"}), NO_ORGANIZATION),
        (await world.vendor_live.post(f"{path}/api-keys", json=KEY), NO_ORGANIZATION),
        (await world.vendor_live.post("/organizations", json=shop), (404, None)),
    ):
        assert said(answer) == expected


async def test_a_payer_outside_a_keys_reach_is_asked_first(world: World) -> None:
    await limit(world, "vendor_live", "reach = 'self'")
    paid = {"billing_options": {"bill_to_organization": str(world.enterprise)}}
    answer = await world.vendor_live.patch(f"/organizations/{world.vendor}", json=paid)
    assert answer.json()["payer_agreement_id"]
    assert "billing_options" not in answer.json()


async def test_a_retiring_secret_and_its_tokens_end_together(world: World) -> None:
    old_token = world.shop_live
    rotated = (
        "generation = 1, previous_digest = secret_digest, secret_digest = 'x', "
        "previous_ends_at = now() + interval '1 hour'"
    )
    await limit(world, "shop_live", rotated)
    assert await authenticate(world, "shop_live") == 200
    assert (await old_token.get("/me")).status_code == 200
    again = await world.log_in(
        **{name: world.keys["shop_live"][name] for name in ("api_key", "api_secret")}
    )
    assert (await again.get("/me")).status_code == 200
    await limit(world, "shop_live", "previous_ends_at = now()")
    assert await authenticate(world, "shop_live") == 401
    for client in (old_token, again):
        assert (await client.get("/me")).status_code == 401


async def test_a_refresh_token_dies_with_the_secret_it_was_bought_with(world: World) -> None:
    names = ("api_key", "api_secret")
    body = {name: world.keys["shop_live"][name] for name in names}
    session = (await world.nobody.post("/auth", json=body)).json()
    refresh = {"refresh_token": session["refresh_token"]}
    assert (await world.nobody.post("/auth", json=refresh)).status_code == 200
    await limit(world, "shop_live", "generation = 2, previous_ends_at = now() + interval '1 hour'")
    assert (await world.nobody.post("/auth", json=refresh)).status_code == 401
