"""A key may be less than its organization, and never more than whoever makes it."""

import time

import pytest

from world import ADDRESS, KEY, Json, World, said

INVALID = (400, "E_FAILED_SCHEMA_VALIDATION")
DENIED = (403, "E_ACCESS_DENIED")
NO_ORGANIZATION = (404, "E_ORGANIZATION_NOT_FOUND")
SOON = int(time.time()) + 3600
BOUNDS: list[Json] = [{"expires_at": SOON}, {"allowed_ips": ["127.0.0.0/8"]}]
LIMITS = {
    "expires_at": SOON + 10,
    "not_before": 0,
    "permissions": ["api_key:read", "organization:read"],
    "reach": "self",
    "allowed_ips": ["10.0.0.0/8", "2001:db8::/32"],
    "areas": ["receipts"],
    "vat_number": "DE123456789",
}


def path(world: World, name: str = "vendor") -> str:
    return f"/organizations/{world.ids[name]}/api-keys"


async def test_a_key_shows_what_it_is_limited_to(world: World) -> None:
    created = (await world.vendor_live.post(path(world), json=KEY | LIMITS)).json()
    assert {name: created[name] for name in LIMITS} == LIMITS
    stored = (await world.vendor_live.get(f"{path(world)}/{created['_id']}")).json()
    assert stored == {name: value for name, value in created.items() if name != "secret"}


async def test_a_key_without_limits_is_as_the_contract_has_it(world: World) -> None:
    created = (await world.vendor_live.post(path(world), json=KEY)).json()
    assert not LIMITS.keys() & created.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at": 10, "not_before": 10},
        {"expires_at": -1},
        {"permissions": []},
        {"permissions": ["organization:own"]},
        {"reach": "listed"},
        {"reach": []},
        {"allowed_ips": ["10.0.0.1/8"]},
        {"allowed_ips": ["here"]},
        {"allowed_ips": ["::ffff:10.0.0.0/104"]},
        {"allowed_ips": []},
        {"vat_number": "de1"},
    ],
    ids=str,
)
async def test_a_limit_that_means_nothing_is_refused(world: World, wrong: Json) -> None:
    assert said(await world.vendor_live.post(path(world), json=KEY | wrong)) == INVALID
    assert await world.events(world.vendor) == []


async def test_limits_change_and_go(world: World) -> None:
    created = (await world.vendor_live.post(path(world), json=KEY | LIMITS)).json()
    one = f"{path(world)}/{created['_id']}"
    new = {"permissions": ["user:read"], "reach": [str(world.shop)], "allowed_ips": ["::1"]}
    changed = (await world.vendor_live.patch(one, json=new)).json()
    assert changed["permissions"] == ["user:read"]
    assert changed["reach"] == [str(world.shop)]
    assert changed["allowed_ips"] == ["::1/128"]
    late = await world.vendor_live.patch(one, json={"not_before": SOON + 20})
    assert said(late) == INVALID
    gone = (await world.vendor_live.patch(one, json=dict.fromkeys(LIMITS))).json()
    assert not LIMITS.keys() & gone.keys()


async def test_a_key_cannot_be_given_a_right_that_its_maker_lacks(world: World) -> None:
    wanted = KEY | {"permissions": ["organization:create"]}
    answer = await world.shop_live.post(path(world, "shop"), json=wanted)
    assert said(answer) == DENIED
    assert answer.json()["missing"]["right"] == "organization:create"
    above = KEY | {"permissions": ["organization:administer"]}
    assert said(await world.enterprise_live.post(path(world, "enterprise"), json=above)) == DENIED


async def test_a_limited_key_hands_on_its_own_limits(world: World) -> None:
    rights = ["api_key:create", "api_key:read", "api_key:update", "organization:read"]
    maker = await world.enter_as(
        world.vendor, world.vendor_live, permissions=rights, reach=[str(world.shop)]
    )
    child = (await maker.post(path(world), json=KEY | {"name": "child"})).json()
    assert (child["permissions"], set(child["reach"])) == (rights, {str(world.shop)})
    for wider in ({"permissions": ["user:invite"]}, {"reach": "all"}, {"reach": "managed"}):
        answer = await maker.post(path(world), json=KEY | {"name": "wider"} | wider)
        assert said(answer) == DENIED, wider
    kiosk = await maker.post(
        path(world), json=KEY | {"name": "kiosk-one", "reach": [str(world.kiosk)]}
    )
    assert said(kiosk) == DENIED
    of_shop = (await maker.post(path(world, "shop"), json=KEY)).json()
    assert (of_shop["permissions"], of_shop["reach"]) == (rights, "self")


async def test_a_limited_key_may_only_disable_what_is_above_it(world: World) -> None:
    rights = ["api_key:update", "api_key:rotate", "api_key:read"]
    limited = await world.enter_as(world.vendor, world.vendor_live, permissions=rights)
    above = f"{path(world)}/{world.keys['vendor_live']['id']}"
    for change in ({"metadata": {"a": "b"}}, {"status": "enabled"}, {"permissions": rights}):
        assert said(await limited.patch(above, json=change)) == DENIED, change
    assert said(await limited.post(f"{above}/rotate", json={})) == DENIED
    assert (await limited.patch(above, json={"status": "disabled"})).status_code == 200


async def test_an_organization_out_of_sight_cannot_be_listed(world: World) -> None:
    for unseen in (world.foreign, world.stranger):
        answer = await world.vendor_live.post(path(world), json=KEY | {"reach": [str(unseen)]})
        assert said(answer) == NO_ORGANIZATION
    above = KEY | {"reach": [str(world.vendor)]}
    assert said(await world.shop_live.post(path(world, "shop"), json=above)) == NO_ORGANIZATION


async def test_keys_made_in_bulk_are_no_wider_than_their_maker(world: World) -> None:
    rights = ["api_key:create", "organization:create", "organization:read"]
    maker = await world.enter_as(world.vendor, world.vendor_live, permissions=rights)
    shop = ADDRESS | {"name": "New", "managed_by_organization_id": str(world.vendor)}
    wide = KEY | {"permissions": ["user:read"]}
    for item, expected in (({"api_key": KEY}, 200), ({"api_key": wide}, 403)):
        batch = {"items": [{"organization": shop} | item]}
        made = (await maker.post("/organizations/batch", json=batch)).json()["data"][0]
        assert made["status_code"] == expected
        one = await maker.post("/organizations/provision", json={"organization": shop} | item)
        assert one.status_code == expected
        if expected == 200:
            assert made["api_key"]["permissions"] == rights
            assert one.json()["api_key"]["permissions"] == rights


async def test_bulk_needs_the_right_to_make_keys(world: World) -> None:
    rights = ["organization:create", "organization:read"]
    maker = await world.enter_as(world.vendor, world.vendor_live, permissions=rights)
    shop = ADDRESS | {"name": "New", "managed_by_organization_id": str(world.vendor)}
    batch = {"items": [{"organization": shop, "api_key": KEY}, {"organization": shop}]}
    made = (await maker.post("/organizations/batch", json=batch)).json()["data"]
    assert [each["status_code"] for each in made] == [403, 200]


async def test_a_key_that_reaches_a_list_makes_no_organizations(world: World) -> None:
    for reach, below_vendor, below_enterprise in (
        ("self", 403, 404),
        ([str(world.enterprise)], 403, 403),
        ("managed", 200, 404),
    ):
        body = {"name": f"r-{str(reach)[2:6]}", "reach": reach}
        maker = await world.enter_as(world.vendor, world.vendor_live, **body)
        for name, expected in (("vendor", below_vendor), ("enterprise", below_enterprise)):
            shop = ADDRESS | {"name": "New", "managed_by_organization_id": str(world.ids[name])}
            assert (await maker.post("/organizations", json=shop)).status_code == expected


async def test_what_is_in_test_alone_cannot_be_listed_by_a_live_key(world: World) -> None:
    draft = (await world.create_shop())["_id"]
    absent = "00000000-0000-4000-8000-000000000000"
    answers = [
        await world.vendor_live.post(path(world), json=KEY | {"reach": [each]})
        for each in (draft, absent)
    ]
    assert [said(answer) for answer in answers] == [NO_ORGANIZATION] * 2
    texts = [
        answer.text.replace(answer.json()["request_id"], "").replace(each, "")
        for answer, each in zip(answers, (draft, absent), strict=True)
    ]
    assert texts[0] == texts[1]
    own = f"{path(world)}/{world.keys['vendor_live']['id']}"
    assert said(await world.vendor_live.patch(own, json={"reach": [draft]})) == NO_ORGANIZATION
    made = await world.vendor_test.post(path(world), json=KEY | {"reach": [draft]})
    assert made.status_code == 200


async def test_a_key_that_ends_makes_none_that_outlives_it(world: World) -> None:
    maker = await world.enter_as(world.vendor, world.vendor_live, expires_at=SOON)
    child = (await maker.post(path(world), json=KEY | {"name": "child"})).json()
    assert child["expires_at"] == SOON
    of_shop = (await maker.post(path(world, "shop"), json=KEY)).json()
    assert of_shop["expires_at"] == SOON
    earlier = await maker.post(path(world), json=KEY | {"name": "early", "expires_at": SOON - 1})
    assert earlier.json()["expires_at"] == SOON - 1
    later = await maker.post(path(world), json=KEY | {"name": "later", "expires_at": SOON + 1})
    assert said(later) == DENIED
    never = await maker.post(path(world), json=KEY | {"name": "never", "not_before": SOON + 1})
    assert said(never) == INVALID
    one = f"{path(world)}/{child['_id']}"
    assert said(await maker.patch(one, json={"expires_at": SOON + 1})) == DENIED
    gone = await maker.patch(one, json={"expires_at": None})
    assert gone.json()["expires_at"] == SOON


async def test_a_key_for_some_addresses_makes_none_for_others(world: World) -> None:
    ips = ["127.0.0.0/8", "2001:db8::/32"]
    maker = await world.enter_as(world.vendor, world.vendor_live, allowed_ips=ips)
    child = (await maker.post(path(world), json=KEY | {"name": "child"})).json()
    assert child["allowed_ips"] == ips
    narrow = KEY | {"name": "narrow", "allowed_ips": ["127.0.0.1", "2001:db8::7"]}
    assert (await maker.post(path(world), json=narrow)).status_code == 200
    for wider in (["0.0.0.0/0"], ["127.0.0.1", "10.0.0.1"], ["::/0"], ["126.0.0.0/7"]):
        body = KEY | {"name": "wider", "allowed_ips": wider}
        assert said(await maker.post(path(world), json=body)) == DENIED, wider
    one = f"{path(world)}/{child['_id']}"
    assert said(await maker.patch(one, json={"allowed_ips": ["10.0.0.1"]})) == DENIED
    assert (await maker.patch(one, json={"allowed_ips": None})).json()["allowed_ips"] == ips


@pytest.mark.parametrize("bound", BOUNDS, ids=["end", "addresses"])
async def test_a_bounded_key_only_disables_what_is_not_so_bounded(
    world: World, bound: Json
) -> None:
    """Its new secret, or its new limits, would be a way out."""
    maker = await world.enter_as(world.vendor, world.vendor_live, **bound)
    above = f"{path(world)}/{world.keys['vendor_live']['id']}"
    assert said(await maker.post(f"{above}/rotate", json={})) == DENIED
    for change in ({"status": "enabled"}, {"metadata": {"a": "b"}}, bound):
        assert said(await maker.patch(above, json=change)) == DENIED
    assert (await maker.patch(above, json={"status": "disabled"})).status_code == 200
    me = (await world.vendor_owner.get(path(world))).json()["data"]
    own = next(each["_id"] for each in me if each["name"] == KEY["name"])
    assert (await maker.post(f"{path(world)}/{own}/rotate", json={})).status_code == 200


@pytest.mark.parametrize("bound", BOUNDS, ids=["end", "addresses"])
async def test_keys_made_in_bulk_are_bounded_as_their_maker(world: World, bound: Json) -> None:
    maker = await world.enter_as(world.vendor, world.vendor_live, **bound)
    shop = ADDRESS | {"name": "New", "managed_by_organization_id": str(world.vendor)}
    wide = {"expires_at": SOON + 1, "allowed_ips": ["::1"]}
    for more, expected in (({}, 200), ({each: wide[each] for each in bound}, 403)):
        item = {"organization": shop, "api_key": KEY | more}
        answer = await maker.post("/organizations/batch", json={"items": [item]})
        made = answer.json()["data"][0]
        assert made["status_code"] == expected
        assert (await maker.post("/organizations/provision", json=item)).status_code == expected
        if expected == 200:
            assert {name: made["api_key"][name] for name in bound} == bound
