from world import World, said

READS = [
    "agreement:read",
    "api_key:read",
    "billing_address:read",
    "client:read",
    "export:read",
    "fleet:read",
    "organization:read",
    "transaction:read",
    "tss:read",
    "user:read",
]
SIGNING = [
    "client:create",
    "client:update",
    "export:cancel",
    "export:create",
    "export:update",
    "transaction:sign",
    "transaction:update",
    "tss:create",
    "tss:update",
]
KEYS = ["api_key:create", "api_key:delete", "api_key:rotate", "api_key:update"]


async def test_a_key_learns_who_and_where_it_is(world: World) -> None:
    me = (await world.vendor_test.get("/me")).json()
    assert list(me) == ["_type", "actor", "organization", "env", "rights", "reach"]
    assert me["actor"] == {"_id": str(world.keys["vendor_test"]["id"]), "kind": "key"}
    assert me["organization"] == {
        "_id": str(world.vendor),
        "_type": "ORGANIZATION",
        "_envs": ["TEST", "LIVE"],
        "name": "Vendor",
    }
    assert (me["_type"], me["env"]) == ("ME", "TEST")
    assert me["reach"] == {"organizations": 5, "is_counted_to_the_end": True}


async def test_a_person_learns_their_role(world: World) -> None:
    me = (await world.vendor_billing.get("/me")).json()
    person = str(world.people["vendor_billing"])
    assert me["actor"] == {"_id": person, "kind": "user", "role": "billing"}
    assert me["env"] == "LIVE"


async def test_rights_follow_position_and_role(world: World) -> None:
    found = {}
    for character in ("vendor_test", "enterprise_test", "shop_test", "vendor_member", "shop_owner"):
        found[character] = (await world.clients[character].get("/me")).json()["rights"]
    assert found["vendor_member"] == READS
    of_a_shop = [*READS, *KEYS, *SIGNING, "access:read", "agreement:decide", "audit:read"]
    assert found["shop_test"] == sorted(of_a_shop)
    assert found["shop_owner"] == sorted([*of_a_shop, "user:delete", "user:invite"])
    administer = {"organization:administer"}
    assert set(found["vendor_test"]) - set(found["enterprise_test"]) == administer


async def test_reach_counts_what_this_env_has(world: World) -> None:
    await world.create_shop()
    for character, number in (
        ("vendor_test", 6),
        ("vendor_live", 5),
        ("enterprise_test", 2),
        ("shop_test", 1),
        ("stranger_live", 2),
    ):
        me = (await world.clients[character].get("/me")).json()
        assert me["reach"]["organizations"] == number


async def test_nothing_above_is_told(world: World) -> None:
    for character in (world.enterprise_test, world.shop_test, world.shop_owner):
        assert str(world.vendor) not in (await character.get("/me")).text


async def test_nobody_is_nobody(world: World) -> None:
    answer = await world.nobody.get("/me")
    assert said(answer) == (401, None)
    assert answer.headers["www-authenticate"] == "Bearer"
