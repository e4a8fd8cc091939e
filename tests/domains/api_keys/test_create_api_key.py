import re
import time
from uuid import UUID, uuid4

import pytest

from world import KEY, World, said

RECORDED = [
    "_id",
    "_type",
    "_envs",
    "key",
    "secret",
    "created_at",
    "created_by_user",
    "name",
    "status",
    "metadata",
    "managed_by_organization_id",
]
NOT_FOUND = (404, "E_ORGANIZATION_NOT_FOUND")


def keys_of(organization_id: object) -> str:
    return f"/organizations/{organization_id}/api-keys"


async def test_the_answer_has_the_recorded_fields_in_the_recorded_order(world: World) -> None:
    before = int(time.time())
    answer = await world.vendor_test.post(keys_of(world.shop), json=KEY)
    key = answer.json()
    assert (answer.status_code, list(key)) == (200, RECORDED)
    assert (key["_type"], key["_envs"]) == ("API_KEY", ["TEST"])
    assert (key["metadata"], key["managed_by_organization_id"]) == ({}, "")
    assert isinstance(key["created_at"], int)
    assert before <= key["created_at"] <= time.time()
    assert UUID(key["_id"]).version == 4
    assert key["created_by_user"] == str(world.keys["vendor_test"]["id"])


async def test_key_and_secret_look_as_clients_expect(world: World) -> None:
    for client, env in ((world.vendor_test, "test"), (world.vendor_live, "live")):
        key = (await client.post(keys_of(world.shop), json=KEY | {"name": "a-till-7"})).json()
        assert re.fullmatch(rf"{env}_[0-9a-z]{{24,25}}_a-till-7", key["key"])
        assert re.fullmatch(r"[0-9A-Za-z]{43}", key["secret"])
        assert key["_envs"] == [env.upper()]


async def test_a_new_key_opens_the_door(world: World) -> None:
    key = (await world.vendor_test.post(keys_of(world.shop), json=KEY)).json()
    shop = await world.log_in(api_key=key["key"], api_secret=key["secret"])
    own = await shop.get(f"/organizations/{world.shop}")
    assert own.status_code == 200
    assert await world.events(world.shop) == ["api_key.created"]


async def test_a_disabled_new_key_does_not(world: World) -> None:
    wanted = KEY | {"status": "disabled"}
    key = (await world.vendor_test.post(keys_of(world.shop), json=wanted)).json()
    credentials = {"api_key": key["key"], "api_secret": key["secret"]}
    assert said(await world.nobody.post("/auth", json=credentials)) == (401, None)


async def test_the_secret_is_stored_nowhere(world: World) -> None:
    key = (await world.vendor_test.post(keys_of(world.shop), json=KEY)).json()
    for table in ("api_keys", "audit_rows", "outbox_rows"):
        query = f"SELECT t::text AS row FROM {table} t WHERE organization_id = $1"  # noqa: S608
        rows = await world.owner.fetch(query, world.shop)
        assert rows
        for row in rows:
            assert key["secret"] not in row["row"]
            assert key["secret"].encode().hex() not in row["row"]


async def test_with_a_manager_it_is_a_managed_key(world: World) -> None:
    wanted = KEY | {"managed_by_organization_id": str(world.vendor), "metadata": {"till": "7"}}
    key = (await world.vendor_test.post(keys_of(world.shop), json=wanted)).json()
    assert key["_type"] == "MANAGED_API_KEY"
    assert key["managed_by_organization_id"] == str(world.vendor)
    assert key["metadata"] == {"till": "7"}


async def test_who_manages_a_key_from_above_is_not_known_below(world: World) -> None:
    """But to a managed organization, which knows its manager's id and nothing else of it."""
    wanted = KEY | {"managed_by_organization_id": str(world.vendor)}
    for name, seen in (("shop", str(world.vendor)), ("enterprise", ""), ("branch", "")):
        path = keys_of(world.ids[name])
        made = (await world.vendor_test.post(path, json=wanted)).json()
        below = (await world.clients[f"{name}_test"].get(f"{path}/{made['_id']}")).json()
        assert below["managed_by_organization_id"] == seen
        assert below["_type"] == made["_type"] == "MANAGED_API_KEY"
        assert made["managed_by_organization_id"] == str(world.vendor)


async def test_only_an_organization_above_that_the_caller_reaches_manages_a_key(
    world: World,
) -> None:
    for client, organization, manager, expected in (
        (world.vendor_test, world.branch, world.vendor, (200, None)),
        (world.enterprise_live, world.branch, world.enterprise, (200, None)),
        (world.vendor_live, world.branch, world.enterprise, (409, "E_API_KEY_CONFLICT")),
        (world.vendor_test, world.shop, world.shop, NOT_FOUND),
        (world.vendor_test, world.shop, world.enterprise, NOT_FOUND),
        (world.vendor_test, world.shop, world.stranger, NOT_FOUND),
        (world.vendor_test, world.shop, uuid4(), NOT_FOUND),
        (world.shop_test, world.shop, world.vendor, NOT_FOUND),
        (world.enterprise_test, world.branch, world.vendor, NOT_FOUND),
    ):
        wanted = KEY | {"managed_by_organization_id": str(manager)}
        assert said(await client.post(keys_of(organization), json=wanted)) == expected


async def test_a_shop_makes_plain_keys_for_itself(world: World) -> None:
    answer = await world.shop_test.post(keys_of(world.shop), json=KEY)
    assert (answer.status_code, answer.json()["_type"]) == (200, "API_KEY")


async def test_a_key_is_made_in_the_env_of_its_maker_alone(world: World) -> None:
    created = (await world.create_shop())["_id"]
    assert said(await world.vendor_live.post(keys_of(created), json=KEY)) == NOT_FOUND
    assert said(await world.vendor_test.post(keys_of(created), json=KEY)) == (200, None)


async def test_people_make_keys_according_to_their_role(world: World) -> None:
    found = {}
    for role in ("owner", "admin", "billing", "member"):
        answer = await world.clients[f"vendor_{role}"].post(
            keys_of(world.vendor), json=KEY | {"name": f"of-{role}"}
        )
        found[role] = answer.status_code
    assert found == {"owner": 200, "admin": 200, "billing": 403, "member": 403}
    assert (await world.shop_owner.post(keys_of(world.shop), json=KEY)).status_code == 200


async def test_a_taken_name_leaves_nothing_behind(world: World) -> None:
    await world.vendor_test.post(keys_of(world.shop), json=KEY)
    answer = await world.vendor_test.post(keys_of(world.shop), json=KEY)
    assert said(answer) == (409, "E_API_KEY_CONFLICT")
    assert "secret" not in answer.json()
    assert (await world.vendor_test.get(keys_of(world.shop))).json()["count"] == 2
    assert await world.events(world.shop) == ["api_key.created"]


async def test_a_name_is_taken_in_one_organization_and_env_only(world: World) -> None:
    for client, organization in (
        (world.vendor_test, world.shop),
        (world.vendor_live, world.shop),
        (world.vendor_test, world.kiosk),
    ):
        assert said(await client.post(keys_of(organization), json=KEY)) == (200, None)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"name": "ab"}, "body.name"),
        ({"name": "a" * 31}, "body.name"),
        ({"name": "Till-1"}, "body.name"),
        ({"name": "till 1"}, "body.name"),
        ({"name": "till_1"}, "body.name"),
        ({"name": "käse"}, "body.name"),
        ({"name": "till-1\n"}, "body.name"),
        ({"name": None}, "body.name"),
        ({"status": "ENABLED"}, "body.status"),
        ({"status": None}, "body.status"),
        ({"managed_by_organization_id": ""}, "body.managed_by_organization_id"),
        ({"metadata": {str(n): "x" for n in range(21)}}, "body.metadata"),
        ({"metadata": None}, "body.metadata"),
        ({"secret": "x" * 43}, "body"),
    ],
    ids=str,
)
async def test_a_wrong_shape_is_refused_by_name(
    world: World, wrong: dict[str, object], where: str
) -> None:
    answer = await world.vendor_test.post(keys_of(world.shop), json=KEY | wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(where)


@pytest.mark.parametrize("missing", ["name", "status"])
async def test_name_and_status_are_required(world: World, missing: str) -> None:
    wanted = {name: value for name, value in KEY.items() if name != missing}
    answer = await world.vendor_test.post(keys_of(world.shop), json=wanted)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_an_empty_array_as_body_takes_the_fields_from_the_query(world: World) -> None:
    answer = await world.vendor_test.post(keys_of(world.shop), params=KEY, json=[])
    assert (answer.status_code, answer.json()["name"]) == (200, KEY["name"])


async def test_an_organization_out_of_sight_gets_no_key(world: World) -> None:
    for client, hidden in (
        (world.vendor_test, uuid4()),
        (world.vendor_test, world.stranger),
        (world.shop_test, world.vendor),
        (world.shop_test, world.kiosk),
        (world.enterprise_test, world.vendor),
    ):
        answer = await client.post(keys_of(hidden), json=KEY)
        assert said(answer) == NOT_FOUND
        assert answer.json()["message"] == f"There is no organization {hidden}"
