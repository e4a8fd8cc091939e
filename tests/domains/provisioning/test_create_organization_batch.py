from typing import Any
from uuid import uuid4

import httpx

from world import ADDRESS, KEY, World, said


def item(manager: object, number: int = 0, **fields: object) -> dict[str, Any]:
    name = {"name": f"Shop {number}", "managed_by_organization_id": str(manager)}
    return {"organization": name | ADDRESS | fields}


async def send(client: httpx.AsyncClient, *items: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/organizations/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    batch: dict[str, Any] = answer.json()
    assert list(batch) == ["data", "count", "created", "refused", "_type"]
    assert batch["_type"] == "ORGANIZATION_BATCH"
    assert (batch["count"], batch["created"] + batch["refused"]) == (len(items), len(items))
    assert [each["index"] for each in batch["data"]] == list(range(len(items)))
    return batch


async def test_the_results_keep_the_order_of_the_items(world: World) -> None:
    managers = [world.vendor, world.enterprise, world.vendor, world.enterprise, world.vendor]
    batch = await send(world.vendor_test, *(item(m, i) for i, m in enumerate(managers)))
    made = [each["organization"] for each in batch["data"]]
    assert [each["name"] for each in made] == [f"Shop {n}" for n in range(5)]
    assert [each["managed_by_organization_id"] for each in made] == [str(m) for m in managers]
    assert {each["status_code"] for each in batch["data"]} == {200}
    listed = (await world.vendor_test.get("/organizations")).json()["data"][5:]
    assert [each["name"] for each in listed] == [f"Shop {n}" for n in range(5)]
    assert [each["_id"] for each in listed] == [each["_id"] for each in made]


async def test_an_item_is_what_createorganization_would_have_made(world: World) -> None:
    fields: dict[str, Any] = {"state": "Berlin", "external_id": "x", "metadata": {"a": "1"}}
    batch = await send(world.vendor_test, item(world.vendor, **fields))
    made = batch["data"][0]["organization"]
    alone = await world.create_shop("Shop 0", **fields | {"external_id": "y"})
    apart = ("_id", "external_id")
    assert [(k, v) for k, v in made.items() if k not in apart] == [
        (k, v) for k, v in alone.items() if k not in apart
    ]
    read = await world.vendor_test.get(f"/organizations/{made['_id']}")
    assert read.json() == made


async def test_the_keys_open_each_its_own_door(world: World) -> None:
    batch = await send(
        world.vendor_live,
        item(world.vendor, 1) | {"api_key": KEY},
        item(world.vendor, 2),
        item(world.vendor, 3)
        | {"api_key": KEY | {"managed_by_organization_id": str(world.vendor)}},
    )
    first, second, third = batch["data"]
    assert "api_key" not in second
    assert third["api_key"]["_type"] == "MANAGED_API_KEY"
    for each in (first, third):
        key = each["api_key"]
        shop = await world.log_in(api_key=key["key"], api_secret=key["secret"])
        me = (await shop.get("/me")).json()
        assert (me["organization"]["_id"], me["env"]) == (each["organization"]["_id"], "LIVE")


async def test_every_organization_has_its_events(world: World) -> None:
    batch = await send(
        world.vendor_test, item(world.vendor, 1) | {"api_key": KEY}, item(world.vendor, 2)
    )
    first, second = (each["organization"]["_id"] for each in batch["data"])
    assert sorted(await world.events(first)) == ["api_key.created", "organization.created"]
    assert await world.events(second) == ["organization.created"]
    assert await world.events(world.vendor) == []


async def test_a_refused_item_leaves_the_others_alone(world: World) -> None:
    await world.create_shop(external_id="taken")
    stranger = KEY | {"managed_by_organization_id": str(world.stranger)}
    batch = await send(
        world.vendor_test,
        item(world.vendor, 0),
        item(uuid4(), 1) | {"api_key": KEY},
        item(world.stranger, 2),
        item(world.shop, 3),
        item(world.vendor, 4, external_id="taken") | {"api_key": KEY},
        item(world.vendor, 5, contact_person_id=str(uuid4())),
        item(world.vendor, 6, billing_options={"bill_to_organization": str(uuid4())}),
        item(world.vendor, 7) | {"api_key": stranger},
        item(world.vendor, 8) | {"api_key": KEY},
    )
    found = [(e["status_code"], e.get("error", {}).get("code")) for e in batch["data"]]
    assert found == [
        (200, None),
        (404, None),
        (404, None),
        (403, "E_ACCESS_DENIED"),
        (409, "E_EXTERNAL_ID_CONFLICT"),
        (404, "E_USER_NOT_FOUND"),
        (200, None),
        (404, "E_ORGANIZATION_NOT_FOUND"),
        (200, None),
    ]
    assert (batch["created"], batch["refused"]) == (3, 6)
    assert (await world.vendor_test.get("/organizations")).json()["count"] == 9


async def test_a_refused_item_says_why_and_shows_nothing_else(world: World) -> None:
    batch = await send(world.vendor_test, item(uuid4()) | {"api_key": KEY})
    assert batch["data"] == [
        {"index": 0, "status_code": 404, "error": {"message": "Not Found"}},
    ]


async def test_the_first_of_two_with_one_external_id_wins(world: World) -> None:
    batch = await send(
        world.vendor_test,
        item(world.vendor, 0, external_id="twin") | {"api_key": KEY},
        item(world.vendor, 1, external_id="twin") | {"api_key": KEY},
        item(world.enterprise, 2, external_id="twin") | {"api_key": KEY},
    )
    found = [(e["status_code"], e.get("error", {}).get("code")) for e in batch["data"]]
    assert found == [(200, None), (409, "E_EXTERNAL_ID_CONFLICT"), (200, None)]
    assert ["api_key" in each for each in batch["data"]] == [True, False, True]


async def test_a_missing_manager_refuses_the_whole_call_by_index(world: World) -> None:
    main = {"organization": {"name": "Main"} | ADDRESS}
    wanted = {"items": [item(world.vendor), main]}
    answer = await world.vendor_test.post("/organizations/batch", json=wanted)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    where = "body.items[1].organization.managed_by_organization_id"
    assert answer.json()["message"].startswith(where)
    assert (await world.vendor_test.get("/organizations")).json()["count"] == 5


async def test_a_wrong_shape_refuses_the_whole_call_by_index(world: World) -> None:
    for wrong, where in (
        (item(world.vendor, name="x"), "body.items[1].organization.name"),
        (item(world.vendor, country_code="deu"), "body.items[1].organization.country_code"),
        (item(world.vendor) | {"api_key": {"name": "x"}}, "body.items[1].api_key"),
    ):
        wanted = {"items": [item(world.vendor), wrong]}
        answer = await world.vendor_test.post("/organizations/batch", json=wanted)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
        assert answer.json()["message"].startswith(where)
    assert (await world.vendor_test.get("/organizations")).json()["count"] == 5


async def test_a_thousand_is_the_most(world: World) -> None:
    found = []
    for number in (0, 1001):
        wanted = {"items": [item(world.vendor, n) for n in range(number)]}
        answer = await world.vendor_test.post("/organizations/batch", json=wanted)
        found.append((*said(answer), answer.json()["message"].partition(":")[0]))
    assert found == [(400, "E_FAILED_SCHEMA_VALIDATION", "body.items")] * 2
    batch = await send(
        world.vendor_test, *(item(world.vendor, n) | {"api_key": KEY} for n in range(1000))
    )
    assert (batch["created"], batch["refused"]) == (1000, 0)
    assert batch["data"][999]["organization"]["name"] == "Shop 999"
    assert len({each["api_key"]["secret"] for each in batch["data"]}) == 1000


async def test_who_may_not_create_is_refused_item_by_item(world: World) -> None:
    for character, manager, expected in (
        (world.vendor_member, world.vendor, (403, "E_ACCESS_DENIED")),
        (world.shop_test, world.shop, (403, "E_ACCESS_DENIED")),
        (world.shop_test, world.vendor, (404, None)),
        (world.enterprise_test, world.enterprise, (200, None)),
    ):
        (result,) = (await send(character, item(manager)))["data"]
        assert (result["status_code"], result.get("error", {}).get("code")) == expected
