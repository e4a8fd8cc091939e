from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from world import ADDRESS, KEY, World, said

MAIN = {"name": "Partner"} | ADDRESS


def managed_by(organization_id: object) -> dict[str, Any]:
    return {"name": "Shop", "managed_by_organization_id": str(organization_id)} | ADDRESS


def new_admin() -> dict[str, object]:
    return {"email": f"{uuid4().hex}@example.org", "first_name": None, "last_name": None}


async def count(client: httpx.AsyncClient) -> int:
    number: int = (await client.get("/organizations")).json()["count"]
    return number


async def test_organization_key_and_admin_are_made_in_one_call(world: World) -> None:
    wanted = {"organization": managed_by(world.vendor), "api_key": KEY, "admin": new_admin()}
    answer = await world.vendor_test.post("/organizations/provision", json=wanted)
    made = answer.json()
    assert answer.status_code == 200, answer.text
    assert list(made) == ["organization", "api_key", "admin", "_type"]
    organization, key, admin = made["organization"], made["api_key"], made["admin"]
    assert (organization["_type"], organization["_envs"]) == ("MANAGED_ORGANIZATION", ["TEST"])
    assert (admin["role"], admin["_type"]) == ("admin", "USER")
    shop = await world.log_in(api_key=key["key"], api_secret=key["secret"])
    seen = (await shop.get("/organizations")).json()["data"]
    assert [each["_id"] for each in seen] == [organization["_id"]]
    assert sorted(await world.events(organization["_id"])) == [
        "api_key.created",
        "organization.created",
        "user.added",
    ]


async def test_each_part_answers_as_its_own_operation_does(world: World) -> None:
    wanted = {"organization": managed_by(world.vendor), "api_key": KEY, "admin": new_admin()}
    made = (await world.vendor_test.post("/organizations/provision", json=wanted)).json()
    path = f"/organizations/{made['organization']['_id']}"
    assert (await world.vendor_test.get(path)).json() == made["organization"]
    key = (await world.vendor_test.get(f"{path}/api-keys/{made['api_key']['_id']}")).json()
    assert key == {k: v for k, v in made["api_key"].items() if k != "secret"}
    users = (await world.vendor_test.get(f"{path}/users")).json()["data"]
    assert users == [made["admin"]]


async def test_key_and_admin_may_be_left_out(world: World) -> None:
    wanted = {"organization": managed_by(world.vendor)}
    answer = await world.vendor_test.post("/organizations/provision", json=wanted)
    assert list(answer.json()) == ["organization", "_type"]
    assert await world.events(answer.json()["organization"]["_id"]) == ["organization.created"]


async def test_a_main_organization_is_administered_by_its_maker(world: World) -> None:
    wanted = {"organization": MAIN, "api_key": KEY, "admin": new_admin()}
    made = (await world.vendor_test.post("/organizations/provision", json=wanted)).json()
    assert made["organization"]["administered_by_organization_id"] == str(world.vendor)
    key = made["api_key"]
    partner = await world.log_in(api_key=key["key"], api_secret=key["secret"])
    assert await count(partner) == 1


async def test_what_is_made_in_live_is_live(world: World) -> None:
    wanted = {"organization": managed_by(world.vendor), "api_key": KEY, "admin": new_admin()}
    made = (await world.vendor_live.post("/organizations/provision", json=wanted)).json()
    assert made["organization"]["_envs"] == ["TEST", "LIVE"]
    assert made["api_key"]["_envs"] == ["LIVE"]


async def test_a_live_key_provisions_a_main_organization_that_begins_in_test(
    world: World,
) -> None:
    answer = await world.vendor_live.post("/organizations/provision", json={"organization": MAIN})
    assert (answer.status_code, answer.json()["organization"]["_envs"]) == (200, ["TEST"])


async def test_its_first_key_may_be_managed_from_above(world: World) -> None:
    for manager in (world.vendor, world.enterprise):
        key = KEY | {"managed_by_organization_id": str(manager)}
        wanted = {"organization": managed_by(world.enterprise), "api_key": key}
        made = await world.vendor_test.post("/organizations/provision", json=wanted)
        assert made.json()["api_key"]["_type"] == "MANAGED_API_KEY"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"api_key": KEY | {"managed_by_organization_id": str(UUID(int=7))}}, 404),
        ({"api_key": KEY | {"name": "Not a name"}}, 400),
        ({"admin": {"email": "nobody"}}, 400),
        ({"admin": {"email": "a@example.org", "role": "owner"}}, 400),
        ({"admin": {}}, 400),
        ({"extra": 1}, 400),
    ],
    ids=str,
)
async def test_it_is_all_or_nothing(world: World, part: dict[str, object], expected: int) -> None:
    wanted = {"organization": managed_by(world.vendor), "api_key": KEY} | part
    answer = await world.vendor_test.post("/organizations/provision", json=wanted)
    assert answer.status_code == expected
    assert "secret" not in answer.text
    assert await count(world.vendor_test) == 5


async def test_a_wrong_shape_is_refused_by_the_path_of_the_field(world: World) -> None:
    for part, where in (
        ({"admin": {"email": "nobody"}}, "body.admin.email"),
        ({"api_key": KEY | {"name": "x"}}, "body.api_key.name"),
        ({"organization": MAIN | {"name": "x"}}, "body.organization.name"),
    ):
        wanted = {"organization": managed_by(world.vendor)} | part
        answer = await world.vendor_test.post("/organizations/provision", json=wanted)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
        assert answer.json()["message"].startswith(where)


async def test_who_may_not_create_may_not_provision(world: World) -> None:
    for character, organization, expected in (
        (world.shop_test, MAIN, (403, "E_ACCESS_DENIED")),
        (world.enterprise_test, MAIN, (403, "E_ACCESS_DENIED")),
        (world.vendor_member, managed_by(world.vendor), (403, "E_ACCESS_DENIED")),
        (world.vendor_test, managed_by(world.stranger), (404, None)),
        (world.vendor_test, managed_by(uuid4()), (404, None)),
        (world.shop_test, managed_by(world.vendor), (404, None)),
        (world.nobody, MAIN, (401, None)),
    ):
        wanted = {"organization": organization, "api_key": KEY}
        assert said(await character.post("/organizations/provision", json=wanted)) == expected


async def test_a_taken_external_id_leaves_nothing_behind(world: World) -> None:
    await world.create_shop(external_id="till-7")
    organization = managed_by(world.vendor) | {"external_id": "till-7"}
    admin = new_admin()
    wanted = {"organization": organization, "api_key": KEY, "admin": admin}
    answer = await world.vendor_test.post("/organizations/provision", json=wanted)
    assert said(answer) == (409, "E_EXTERNAL_ID_CONFLICT")
    assert await count(world.vendor_test) == 6
    query = "SELECT count(*) FROM users WHERE email = $1"
    assert await world.owner.fetchval(query, admin["email"]) == 0
