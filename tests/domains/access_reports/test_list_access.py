"""Who has access to an organization, by which step, and with which rights: for the asker's eyes."""

import httpx
import pytest

from world import KEY, Json, World, said


async def access(client: httpx.AsyncClient, organization_id: object) -> list[Json]:
    answer = await client.get(f"/organizations/{organization_id}/access")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["count"] == len(body["data"])
    found: list[Json] = body["data"]
    return found


async def test_everyone_is_named_with_the_step_by_which_rights_come(world: World) -> None:
    found = await access(world.vendor_live, world.branch)
    steps = {
        (str(world.branch), "own"),
        (str(world.enterprise), "manages"),
        (str(world.vendor), "administers_the_manager"),
    }
    assert {(each["organization_id"], each["step"]) for each in found} == steps
    keys = {each["_id"] for each in found if each["_type"] == "key"}
    assert keys == {str(world.keys[f"{n}_live"]["id"]) for n in ("branch", "enterprise", "vendor")}
    people = {each["_id"]: each["role"] for each in found if each["_type"] == "user"}
    assert set(people) == {
        str(world.people[f"vendor_{r}"]) for r in ("owner", "admin", "billing", "member")
    }
    assert people[str(world.people["vendor_billing"])] == "billing"


@pytest.mark.parametrize(
    ("character", "about", "unseen"),
    [
        ("shop_live", "shop", {"vendor"}),
        ("shop_owner", "shop", {"vendor"}),
        ("branch_live", "branch", {"vendor", "enterprise"}),
        ("enterprise_live", "branch", {"vendor"}),
        ("enterprise_live", "enterprise", {"vendor"}),
    ],
)
async def test_nothing_above_the_asker_is_listed_or_counted(
    world: World, character: str, about: str, unseen: set[str]
) -> None:
    answer = await world.clients[character].get(f"/organizations/{world.ids[about]}/access")
    for name in unseen:
        assert str(world.ids[name]) not in answer.text
        assert str(world.keys[f"{name}_live"]["id"]) not in answer.text
    assert not any(
        str(person) in answer.text for n, person in world.people.items() if n[:4] == "vend"
    )
    assert answer.json()["count"] == len(answer.json()["data"])


async def test_a_key_is_listed_where_its_reach_ends_up_and_nowhere_else(world: World) -> None:
    path = f"/organizations/{world.vendor}/api-keys"
    wanted = {"self": [], "managed": ["shop"], str(world.branch): ["branch"]}
    for number, (reach, names) in enumerate(wanted.items()):
        named = reach if reach in ("self", "managed") else [reach]
        body = KEY | {"name": f"key-{number}", "reach": named}
        key_id = (await world.vendor_live.post(path, json=body)).json()["_id"]
        for name in ("vendor", "shop", "branch", "enterprise"):
            listed = {each["_id"] for each in await access(world.vendor_live, world.ids[name])}
            assert (key_id in listed) is (name in ("vendor", *names)), (reach, name)


async def test_the_rights_that_are_said_are_those_that_hold(world: World) -> None:
    by_id = {each["_id"]: each for each in await access(world.vendor_live, world.shop)}
    own = by_id[str(world.keys["shop_live"]["id"])]
    assert set(own["rights"]) == set((await world.shop_live.get("/me")).json()["rights"])
    member = by_id[str(world.people["vendor_member"])]
    assert (await world.vendor_member.get(f"/organizations/{world.shop}/users")).status_code == 200
    assert "user:read" in member["rights"]
    assert "user:invite" not in member["rights"]
    above = by_id[str(world.keys["vendor_live"]["id"])]
    assert "organization:suspend" in above["rights"]
    assert "organization:administer" not in above["rights"]


async def test_keys_of_the_other_env_are_not_listed(world: World) -> None:
    found = await access(world.vendor_test, world.shop)
    assert {each["_id"] for each in found if each["_type"] == "key"} == {
        str(world.keys[name]["id"]) for name in ("shop_test", "vendor_test")
    }


async def test_pages_hold_everyone_once(world: World) -> None:
    whole = [each["_id"] for each in await access(world.vendor_live, world.shop)]
    paged = []
    for offset in range(len(whole)):
        url = f"/organizations/{world.shop}/access?limit=1&offset={offset}"
        body = (await world.vendor_live.get(url)).json()
        assert body["count"] == len(whole)
        paged += [each["_id"] for each in body["data"]]
    assert paged == whole


async def test_members_and_billing_people_are_not_told(world: World) -> None:
    for character in (world.vendor_member, world.vendor_billing):
        answer = await character.get(f"/organizations/{world.shop}/access")
        assert said(answer) == (403, "E_ACCESS_DENIED")
