from typing import Any
from uuid import UUID, uuid4

import pytest

from world import ADDRESS, PASSWORD, World, said

DONE = {"_success": True}
TEST, LIVE = {"env": "TEST"}, {"env": "LIVE"}


async def create_main(world: World, **fields: object) -> dict[str, Any]:
    answer = await world.vendor_test.post(
        "/organizations", json={"name": "Main"} | ADDRESS | fields
    )
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_an_env_that_is_enabled_stays_so(world: World) -> None:
    created = await world.create_shop()
    for organization_id, wanted in ((created["_id"], TEST), (world.shop, TEST), (world.shop, LIVE)):
        path = f"/organizations/{organization_id}/enable-env"
        answer = await world.vendor_test.post(path, json=wanted)
        assert (answer.status_code, answer.json()) == (200, DONE)
    assert await world.events(created["_id"]) == ["organization.created"]
    assert await world.events(world.shop) == []


async def test_a_test_key_does_not_enable_live(world: World) -> None:
    path = f"/organizations/{(await world.create_shop())['_id']}"
    answer = await world.vendor_test.post(f"{path}/enable-env", json=LIVE)
    assert said(answer) == (403, "E_ACCESS_DENIED")
    assert (await world.vendor_test.get(path)).json()["_envs"] == ["TEST"]


async def test_a_live_key_enables_live_where_the_manager_is(world: World) -> None:
    created = await world.create_shop()
    path = f"/organizations/{created['_id']}"
    assert (await world.vendor_live.get(path)).status_code == 404
    answer = await world.vendor_live.post(f"{path}/enable-env", json=LIVE)
    assert (answer.status_code, answer.json()) == (200, DONE)
    for client in (world.vendor_live, world.vendor_test):
        assert (await client.get(path)).json() == created | {"_envs": ["TEST", "LIVE"]}
    assert await world.events(created["_id"]) == [
        "organization.created",
        "organization.env_enabled",
    ]


async def test_a_live_key_of_the_new_live_organization_opens(world: World) -> None:
    created = await world.create_shop()
    path = f"/organizations/{created['_id']}"
    await world.vendor_live.post(f"{path}/enable-env", json=LIVE)
    shop = await world.enter_as(created["_id"], world.vendor_live)
    assert (await shop.get(path)).json()["_envs"] == ["TEST", "LIVE"]


async def test_a_person_enables_live_from_either_env(world: World) -> None:
    created = await world.create_shop()
    email = await world.owner.fetchval(
        "SELECT email FROM users WHERE id = $1", world.people["vendor_admin"]
    )
    in_test = await world.log_in(email=email, password=PASSWORD, env="TEST")
    path = f"/organizations/{created['_id']}/enable-env"
    assert (await in_test.post(path, json=LIVE)).json() == DONE
    envs = await world.owner.fetchval(
        "SELECT envs::text[] FROM organizations WHERE id = $1", UUID(created["_id"])
    )
    assert envs == ["TEST", "LIVE"]


async def test_a_main_organization_wants_a_live_payer(world: World) -> None:
    unpaid = await create_main(world)
    paid_in_test = {"bill_to_organization": unpaid["_id"]}
    paid_in_live = {"bill_to_organization": str(world.vendor)}
    found = []
    for main in (
        unpaid,
        await create_main(world, billing_options=paid_in_test),
        await create_main(world, billing_options=paid_in_live),
    ):
        path = f"/organizations/{main['_id']}/enable-env"
        found.append(said(await world.vendor_live.post(path, json=LIVE)))
    refused = (409, "E_LIVE_NOT_AVAILABLE")
    assert found == [refused, refused, (200, None)]


async def test_below_a_manager_in_test_nothing_becomes_live(world: World) -> None:
    main = await create_main(world)
    wanted = {"name": "Branch", "managed_by_organization_id": main["_id"]} | ADDRESS
    branch = (await world.vendor_test.post("/organizations", json=wanted)).json()
    path = f"/organizations/{branch['_id']}/enable-env"
    answer = await world.vendor_live.post(path, json=LIVE)
    assert said(answer) == (409, "E_LIVE_NOT_AVAILABLE")
    assert await world.events(branch["_id"]) == ["organization.created"]


async def test_an_external_id_that_is_taken_in_live_stays_in_test(world: World) -> None:
    in_test = await world.create_shop(external_id="till-7")
    wanted = {"name": "Kiosk", "managed_by_organization_id": str(world.vendor)} | ADDRESS
    await world.vendor_live.post("/organizations", json=wanted | {"external_id": "till-7"})
    path = f"/organizations/{in_test['_id']}/enable-env"
    assert said(await world.vendor_live.post(path, json=LIVE)) == (409, "E_EXTERNAL_ID_CONFLICT")


async def test_those_below_and_members_enable_nothing(world: World) -> None:
    for character in (world.shop_live, world.shop_owner, world.vendor_member):
        answer = await character.post(f"/organizations/{world.shop}/enable-env", json=LIVE)
        assert said(answer) == (403, "E_ACCESS_DENIED")


async def test_the_open_env_shows_nothing_to_others(world: World) -> None:
    created = (await world.create_shop())["_id"]
    for client, hidden in (
        (world.stranger_live, created),
        (world.shop_live, created),
        (world.enterprise_live, created),
        (world.vendor_live, uuid4()),
    ):
        answer = await client.post(f"/organizations/{hidden}/enable-env", json=LIVE)
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")


@pytest.mark.parametrize("wrong", [{}, {"env": "live"}, {"env": None}, {"env": "LIVE", "x": 1}])
async def test_a_wrong_shape_is_refused(world: World, wrong: dict[str, object]) -> None:
    answer = await world.vendor_live.post(f"/organizations/{world.shop}/enable-env", json=wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_what_is_archived_is_first_of_all_not_for_a_test_key_to_enable(
    world: World,
) -> None:
    """What is not permitted has no state: the random calls found it the other way round."""
    created = await world.create_shop()
    closed = "UPDATE organizations SET status = 'archived' WHERE id = $1"
    await world.owner.execute(closed, UUID(created["_id"]))
    path = f"/organizations/{created['_id']}/enable-env"
    for client, expected in (
        (world.vendor_test, (403, "E_ACCESS_DENIED")),
        (world.vendor_live, (409, "E_ORGANIZATION_ARCHIVED")),
    ):
        assert said(await client.post(path, json={"env": "LIVE"})) == expected
