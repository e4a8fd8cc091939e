"""Two at once: parallel requests through the service, on connections of their own.

Where the order matters, a third connection holds the row that both want until both are waiting
for it; so each race is run, not hoped for.
"""

import asyncio
import json
import time
from collections import Counter
from uuid import UUID, uuid4

import httpx
import pytest

from races import held, managed_by, together, wait_until
from world import ADDRESS, KEY, Connection, Json, World, said

AT_ONCE = 8
HAMMERERS, HAMMERED = 16, 64


async def test_one_idempotency_key_at_once_has_one_effect(world: World) -> None:
    """Fails without the primary key of kept_answers, which is ON CONFLICT's arbiter in `enter`;
    and where `enter` claims in a transaction of its own instead of the operation's."""
    headers = {"idempotency-key": "once"}
    body = managed_by(world.vendor)
    requests = [
        world.vendor_test.post("/organizations", json=body, headers=headers) for _ in range(AT_ONCE)
    ]
    answers = await asyncio.gather(*requests)
    done = [answer for answer in answers if answer.status_code == 200]
    others = {said(answer) for answer in answers if answer.status_code != 200}
    assert others <= {(409, "E_IDEMPOTENCY_IN_FLIGHT")}
    assert len({answer.content for answer in done}) == 1
    replayed = [answer.headers.get("idempotency-replayed") for answer in done]
    assert replayed.count(None) == 1
    made = "SELECT count(*) FROM organizations WHERE managed_by_organization_id = $1"
    assert await world.owner.fetchval(made, world.vendor) == len(("shop", "kiosk", "the new one"))
    assert await world.events(done[0].json()["_id"]) == ["organization.created"]


async def test_one_idempotency_key_for_two_bodies_at_once_has_one_effect(world: World) -> None:
    """Fails without the comparison of fingerprints in `answer_claim` (access/idempotency.py)."""
    headers = {"idempotency-key": "once"}
    requests = [
        world.vendor_test.post(
            "/organizations", json=managed_by(world.vendor, name=f"Till {n % 2}"), headers=headers
        )
        for n in range(AT_ONCE)
    ]
    found = await together(requests)
    assert found[422, "E_IDEMPOTENCY_MISMATCH"] == AT_ONCE // 2
    made = (
        "SELECT count(*) FROM organizations WHERE name LIKE 'Till _' AND main_organization_id = $1"
    )
    assert await world.owner.fetchval(made, world.vendor) == 1


async def test_a_refused_first_leaves_the_idempotency_key_to_the_second(
    world: World, holder: Connection
) -> None:
    """Fails where a refusal keeps its claim: with COMMIT for ROLLBACK in `Database.begin`."""
    taken = await world.create_shop(external_id="till-7")
    body = managed_by(world.vendor, external_id="till-7")
    headers = {"idempotency-key": "again"}
    requests = [
        world.vendor_test.post("/organizations", json=body, headers=headers) for _ in range(AT_ONCE)
    ]
    assert set(await together(requests)) == {(409, "E_EXTERNAL_ID_CONFLICT")}
    await holder.execute("DELETE FROM organizations WHERE id = $1", UUID(taken["_id"]))
    answer = await world.vendor_test.post("/organizations", json=body, headers=headers)
    assert answer.status_code == 200


async def test_one_key_name_at_once_is_taken_once(world: World) -> None:
    """Fails without the unique constraint on (organization_id, env, name) of api_keys; without
    `on_conflict_do_nothing` in api_keys/queries.py the losers get 500."""
    path = f"/organizations/{world.shop}/api-keys"
    requests = [world.shop_live.post(path, json=KEY) for _ in range(AT_ONCE)]
    found = await together(requests)
    assert found == {(200, None): 1, (409, "E_API_KEY_CONFLICT"): AT_ONCE - 1}
    assert await world.events(world.shop) == ["api_key.created"]


async def test_one_external_id_at_once_is_taken_once(world: World) -> None:
    """Fails without the index uq_organizations_external_id_test; without `on_conflict_do_nothing`
    in `_insert_below` the losers get 500."""
    body = managed_by(world.vendor, external_id="till-7")
    requests = [world.vendor_test.post("/organizations", json=body) for _ in range(AT_ONCE)]
    found = await together(requests)
    assert found == {(200, None): 1, (409, "E_EXTERNAL_ID_CONFLICT"): AT_ONCE - 1}


async def test_one_external_id_by_change_at_once_is_taken_once(world: World) -> None:
    """Fails without the same index; without `except UniqueViolationError` the losers get 500."""
    shops = [(await world.create_shop())["_id"] for _ in range(AT_ONCE)]
    requests = [
        world.vendor_test.patch(f"/organizations/{shop}", json={"external_id": "till-7"})
        for shop in shops
    ]
    found = await together(requests)
    assert found == {(200, None): 1, (409, "E_EXTERNAL_ID_CONFLICT"): AT_ONCE - 1}


async def test_one_invitation_at_once_makes_one_member(world: World) -> None:
    """Fails without `on_conflict_do_nothing` in people/queries.py, or in the door claim_person."""
    path = f"/organizations/{world.vendor}/users"
    body = {"email": f"{uuid4().hex}@example.org"}
    requests = [world.vendor_live.post(path, json=body) for _ in range(AT_ONCE)]
    assert await together(requests) == {(200, None): 1, (409, "E_USER_CONFLICT"): AT_ONCE - 1}


async def test_two_owners_who_remove_each_other_leave_one(world: World, holder: Connection) -> None:
    """Fails without `with_for_update()` in `_LOCK_OWNERS` (people/queries.py): both find two."""
    first, second = world.people["vendor_owner"], world.people["vendor_admin"]
    promote = "UPDATE memberships SET role = 'owner' WHERE organization_id = $1 AND user_id = $2"
    await world.owner.execute(promote, world.vendor, second)
    path = f"/organizations/{world.vendor}/users"
    owners = "FROM memberships WHERE organization_id = $1 AND role = 'owner'"
    async with held(holder, f"SELECT {owners} FOR UPDATE", world.vendor):
        requests = asyncio.gather(
            world.vendor_owner.delete(f"{path}/{second}"),
            world.vendor_admin.delete(f"{path}/{first}"),
        )
        await wait_until(world.owner, holder, waiting=2)
    assert Counter(map(said, await requests)) == {(200, None): 1, (409, "E_LAST_OWNER"): 1}
    assert await world.owner.fetchval(f"SELECT count(*) {owners}", world.vendor) == 1


@pytest.mark.parametrize("creator", ["vendor_live", "enterprise_live"])
@pytest.mark.parametrize("first", ["creation", "handover"])
async def test_a_handover_and_a_creation_below_leave_nothing_in_the_old_reach(
    world: World, holder: Connection, creator: str, first: str
) -> None:
    """Fails without `with_for_update(read=True)` in `_insert_below` (organizations/changes.py):
    the new row keeps the vendor in reached_by."""
    created, handed_over = await _hand_over_and_create(world, holder, creator, first)
    assert handed_over.status_code == 200
    assert created.status_code < 500
    assert await _reached_below(world) == []


async def test_who_has_lost_the_reach_in_between_is_told_that_there_is_no_manager(
    world: World, holder: Connection
) -> None:
    """The insert finds no row above itself; that is no conflict of external ids."""
    created, _ = await _hand_over_and_create(world, holder, "vendor_live", "handover")
    assert said(created) == (404, None)


async def _hand_over_and_create(
    world: World, holder: Connection, creator: str, first: str
) -> tuple[httpx.Response, httpx.Response]:
    """Let both run into the same row, one behind the other."""
    path, body = f"/organizations/{world.enterprise}/handover", managed_by(world.enterprise)
    row = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    tasks = {}
    async with held(holder, row, world.enterprise):
        for name in (first, "handover" if first == "creation" else "creation"):
            creates = name == "creation"
            tasks[name] = asyncio.create_task(
                world.clients[creator].post("/organizations", json=body)
                if creates
                else world.vendor_live.post(path)
            )
            await wait_until(world.owner, holder, waiting=len(tasks))
    return await tasks["creation"], await tasks["handover"]


async def test_a_handover_and_a_batch_below_leave_nothing_in_the_old_reach(
    world: World, holder: Connection
) -> None:
    """Fails without `with_for_update(read=True)` in `_INSERT_MANY` (organizations/changes.py)."""
    items = [{"organization": managed_by(world.enterprise)} for _ in range(3)]
    row = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, row, world.enterprise):
        path = f"/organizations/{world.enterprise}/handover"
        handover = asyncio.ensure_future(world.vendor_live.post(path))
        await wait_until(world.owner, holder, waiting=1)
        batch = asyncio.ensure_future(
            world.enterprise_live.post("/organizations/batch", json={"items": items})
        )
        await wait_until(world.owner, holder, waiting=2)
    assert ((await handover).status_code, (await batch).status_code) == (200, 200)
    assert (await batch).json()["created"] == 3
    assert await _reached_below(world) == []


async def _reached_below(world: World) -> list[UUID]:
    """Return what is below the enterprise and still in the vendor's reach."""
    rows = await world.owner.fetch(
        "SELECT id FROM organizations WHERE $1 = ANY (reached_by) AND $2 = ANY (reached_by)",
        world.vendor,
        world.enterprise,
    )
    return [row["id"] for row in rows]


DELETED_MEANWHILE: dict[str, tuple[str, Json, str | None]] = {
    "a key of it": ("/organizations/{id}/api-keys", KEY, "E_ORGANIZATION_NOT_FOUND"),
    "a member of it": (
        "/organizations/{id}/users",
        {"email": "a@example.org"},
        "E_ORGANIZATION_NOT_FOUND",
    ),
    "a shop below it": (
        "/organizations",
        {"managed_by_organization_id": "{id}"},
        None,
    ),
    "a shop that it pays for": (
        "/organizations",
        {"billing_options": {"bill_to_organization": "{id}"}},
        "E_ORGANIZATION_NOT_FOUND",
    ),
}


@pytest.mark.parametrize("what", DELETED_MEANWHILE)
async def test_what_leans_on_an_organization_deleted_in_between_is_refused(
    world: World, holder: Connection, what: str
) -> None:
    """The lock of the foreign key waits for the deletion, and then there is nothing to lean on."""
    path, body, code = DELETED_MEANWHILE[what]
    main = (await world.vendor_test.post("/organizations", json={"name": "Main"} | ADDRESS)).json()
    filled = json.loads(json.dumps(body).replace("{id}", main["_id"]))
    if path == "/organizations":
        filled = managed_by(world.vendor) | filled
    row = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, row, UUID(main["_id"])):
        deletion = asyncio.create_task(world.vendor_test.delete(f"/organizations/{main['_id']}"))
        await wait_until(world.owner, holder, waiting=1)
        leaning = world.vendor_test.post(path.format(id=main["_id"]), json=filled)
        task = asyncio.create_task(leaning)
        await wait_until(world.owner, holder, waiting=2)
    assert (await deletion).status_code == 200
    assert said(await task) == (404, code)


async def test_what_is_leant_on_in_between_is_not_deleted(world: World, holder: Connection) -> None:
    """Fails without `except ForeignKeyViolationError` in `delete_organization`: 500."""
    main = (await world.vendor_test.post("/organizations", json={"name": "Main"} | ADDRESS)).json()
    row = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
    async with held(holder, row, UUID(main["_id"])):
        body = managed_by(UUID(main["_id"]))
        creation = asyncio.create_task(world.vendor_test.post("/organizations", json=body))
        await wait_until(world.owner, holder, waiting=1)
        deletion = asyncio.create_task(world.vendor_test.delete(f"/organizations/{main['_id']}"))
        await wait_until(world.owner, holder, waiting=2)
    assert (await creation).status_code == 200
    assert said(await deletion) == (409, "E_ORGANIZATION_HAS_CHILDREN")


async def test_a_disabled_key_opens_nothing_from_the_answer_on(world: World) -> None:
    """Fails without `k.status = 'enabled'` in the door `enter`, or with any decision kept."""
    path = f"/organizations/{world.shop}/api-keys"
    key = (await world.vendor_live.post(path, json=KEY)).json()
    victim = await world.log_in(api_key=key["key"], api_secret=key["secret"])
    seen: list[tuple[float, int]] = []
    has_begun, is_told, is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hammer() -> None:
        after = 0
        while not is_over.is_set():
            started = time.perf_counter()
            answer = await victim.get(f"/organizations/{world.shop}")
            seen.append((started, answer.status_code))
            if len(seen) >= HAMMERED:
                has_begun.set()
            after += is_told.is_set()
            if after > HAMMERERS:
                is_over.set()

    async with asyncio.TaskGroup() as group:
        for _ in range(HAMMERERS):
            group.create_task(hammer())
        await has_begun.wait()
        url = f"{path}/{key['_id']}"
        answer = await world.vendor_live.patch(url, json={"status": "disabled"})
        acknowledged = time.perf_counter()
        is_told.set()
    assert answer.status_code == 200
    assert {status for started, status in seen if started > acknowledged} == {401}
    assert 200 in {status for started, status in seen if started < acknowledged}
