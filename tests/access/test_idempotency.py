import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from world import ADDRESS, KEY, World, said

REPLAYED = "idempotency-replayed"


def headers() -> dict[str, str]:
    return {"idempotency-key": uuid4().hex}


def shop_of(organization_id: object, name: str = "Once") -> dict[str, Any]:
    return {"name": name, "managed_by_organization_id": str(organization_id)} | ADDRESS


async def create(
    client: httpx.AsyncClient, wanted: dict[str, Any], once: dict[str, str]
) -> httpx.Response:
    return await client.post("/organizations", json=wanted, headers=once)


async def number_of(client: httpx.AsyncClient) -> int:
    number: int = (await client.get("/organizations")).json()["count"]
    return number


async def test_the_same_request_is_answered_again_and_done_once(world: World) -> None:
    once = headers()
    first = await create(world.vendor_test, shop_of(world.vendor), once)
    assert (first.status_code, REPLAYED in first.headers) == (200, False)
    for _ in range(2):
        again = await create(world.vendor_test, shop_of(world.vendor), once)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers[REPLAYED] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert await number_of(world.vendor_test) == 6
    assert await world.events(first.json()["_id"]) == ["organization.created"]


async def test_both_spellings_of_the_header_are_one(world: World) -> None:
    key = uuid4().hex
    first = await create(world.vendor_test, shop_of(world.vendor), {"x-idempotency-key": key})
    again = await create(world.vendor_test, shop_of(world.vendor), {"idempotency-key": key})
    assert (again.content, again.headers[REPLAYED]) == (first.content, "true")


async def test_without_the_header_every_request_is_new(world: World) -> None:
    for _ in range(2):
        await create(world.vendor_test, shop_of(world.vendor), {})
    assert await number_of(world.vendor_test) == 7


async def test_another_body_is_refused_and_changes_nothing(world: World) -> None:
    once = headers()
    await create(world.vendor_test, shop_of(world.vendor), once)
    other = await create(world.vendor_test, shop_of(world.vendor, "Other"), once)
    assert said(other) == (422, "E_IDEMPOTENCY_MISMATCH")
    assert await number_of(world.vendor_test) == 6


async def test_another_organizations_same_key_is_independent(world: World) -> None:
    once = headers()
    answers = [
        await create(client, shop_of(manager), once)
        for client, manager in (
            (world.vendor_test, world.enterprise),
            (world.enterprise_test, world.enterprise),
            (world.stranger_test, world.stranger),
        )
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert not any(REPLAYED in answer.headers for answer in answers)
    assert len({answer.json()["_id"] for answer in answers}) == 3


async def test_test_and_live_are_independent(world: World) -> None:
    once = headers()
    in_test = await create(world.vendor_test, shop_of(world.vendor), once)
    in_live = await create(world.vendor_live, shop_of(world.vendor), once)
    assert REPLAYED not in in_live.headers
    assert in_test.json()["_id"] != in_live.json()["_id"]


async def test_another_path_with_the_same_key_is_another_request(world: World) -> None:
    once, paths = headers(), [f"/organizations/{i}/api-keys" for i in (world.shop, world.kiosk)]
    answers = [await world.vendor_test.post(path, json=KEY, headers=once) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["secret"] != answers[1].json()["secret"]


async def test_a_lost_secret_can_be_asked_for_again_for_a_while(world: World) -> None:
    once, path = headers(), f"/organizations/{world.shop}/api-keys"
    first = await world.vendor_test.post(path, json=KEY, headers=once)
    again = await world.vendor_test.post(path, json=KEY, headers=once)
    assert (again.content, again.headers[REPLAYED]) == (first.content, "true")
    minutes = await world.owner.fetchval(
        "SELECT extract(epoch FROM answer_ends_at - now()) / 60 FROM kept_answers "
        "WHERE organization_id = $1",
        world.vendor,
    )
    assert 14 < minutes <= 15
    await world.owner.execute(
        "UPDATE kept_answers SET answer_ends_at = now() WHERE organization_id = $1", world.vendor
    )
    gone = await world.vendor_test.post(path, json=KEY, headers=once)
    assert said(gone) == (409, "E_IDEMPOTENCY_SECRET_GONE")
    assert first.json()["secret"] not in gone.text
    assert await world.events(world.shop) == ["api_key.created"]


@pytest.mark.parametrize("way", ["provision", "batch"])
async def test_every_answer_with_a_secret_is_kept_for_a_short_while_only(
    world: World, way: str
) -> None:
    item = {"organization": shop_of(world.vendor), "api_key": KEY}
    wanted = item if way == "provision" else {"items": [item]}
    once = headers()
    answer = await world.vendor_test.post(f"/organizations/{way}", json=wanted, headers=once)
    assert '"secret"' in answer.text
    is_short = await world.owner.fetchval(
        "SELECT answer_ends_at <= now() + interval '15 minutes' FROM kept_answers "
        "WHERE organization_id = $1",
        world.vendor,
    )
    assert is_short


async def test_an_answer_without_a_secret_is_kept_for_three_days(world: World) -> None:
    await create(world.vendor_test, shop_of(world.vendor), headers())
    row = await world.owner.fetchrow(
        "SELECT extract(epoch FROM answer_ends_at - now()) / 3600 AS answer, "
        "extract(epoch FROM ends_at - now()) / 3600 AS claim FROM kept_answers "
        "WHERE organization_id = $1",
        world.vendor,
    )
    assert row
    assert 71.9 < row["answer"] <= 72
    assert 71.9 < row["claim"] <= 72


async def test_after_three_days_it_is_a_new_request(world: World) -> None:
    once = headers()
    first = await create(world.vendor_test, shop_of(world.vendor), once)
    await world.owner.execute(
        "UPDATE kept_answers SET ends_at = now() - interval '1 second' WHERE organization_id = $1",
        world.vendor,
    )
    anew = await create(world.vendor_test, shop_of(world.vendor, "Another"), once)
    assert (anew.status_code, REPLAYED in anew.headers) == (200, False)
    assert anew.json()["_id"] != first.json()["_id"]
    again = await create(world.vendor_test, shop_of(world.vendor, "Another"), once)
    assert again.content == anew.content


async def test_a_refused_call_is_not_kept(world: World) -> None:
    once, path = headers(), f"/organizations/{world.shop}/api-keys"
    taken = (await world.vendor_test.post(path, json=KEY)).json()
    refused = await world.vendor_test.post(path, json=KEY, headers=once)
    assert said(refused) == (409, "E_API_KEY_CONFLICT")
    wrong = await world.vendor_test.post(path, json=KEY | {"name": "x"}, headers=once)
    assert wrong.status_code == 400
    query = "SELECT count(*) FROM kept_answers WHERE organization_id = $1"
    assert await world.owner.fetchval(query, world.vendor) == 0
    await world.vendor_test.delete(f"{path}/{taken['_id']}")
    answer = await world.vendor_test.post(path, json=KEY, headers=once)
    assert (answer.status_code, REPLAYED in answer.headers) == (200, False)


async def test_what_is_kept_cannot_be_read(world: World) -> None:
    once, path = headers(), f"/organizations/{world.shop}/api-keys"
    made = (await world.vendor_test.post(path, json=KEY, headers=once)).json()
    row = await world.owner.fetchrow(
        "SELECT * FROM kept_answers WHERE organization_id = $1", world.vendor
    )
    assert row
    kept = b"".join(value for value in row.values() if isinstance(value, bytes))
    for text in (made["secret"], made["key"], made["name"], once["idempotency-key"]):
        assert text.encode() not in kept
    assert len(row["answer"]) > len(made["secret"])


async def test_changes_and_deletions_are_replayed_too(world: World) -> None:
    path = f"/organizations/{(await world.create_shop())['_id']}"
    changed, deleted = headers(), headers()
    first = await world.vendor_test.patch(path, json={"zip": "1"}, headers=changed)
    await world.vendor_test.patch(path, json={"zip": "2"})
    again = await world.vendor_test.patch(path, json={"zip": "1"}, headers=changed)
    assert (again.content, again.headers[REPLAYED]) == (first.content, "true")
    assert (await world.vendor_test.get(path)).json()["zip"] == "2"
    for replayed in (False, True):
        gone = await world.vendor_test.delete(path, headers=deleted)
        assert gone.json() == {"_success": True}
        assert (REPLAYED in gone.headers) is replayed


async def test_a_get_has_nothing_to_replay(world: World) -> None:
    once = headers()
    for expected in (5, 6):
        answer = await world.vendor_test.get("/organizations", headers=once)
        assert (answer.json()["count"], REPLAYED in answer.headers) == (expected, False)
        await world.create_shop()


@pytest.mark.parametrize("key", ["x" * 256, "a\tb"], ids=["long", "tab"])
async def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    answer = await create(world.vendor_test, shop_of(world.vendor), {"idempotency-key": key})
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith("header.idempotency-key")


async def test_a_dead_credential_gets_no_replay(world: World) -> None:
    once, path = headers(), f"/organizations/{world.shop}/api-keys"
    shop = await world.enter_as(world.shop, world.vendor_test)
    own = (await shop.get("/me")).json()["actor"]["_id"]
    wanted = KEY | {"name": "another"}
    await shop.post(path, json=wanted, headers=once)
    await world.vendor_test.delete(f"{path}/{own}")
    assert said(await shop.post(path, json=wanted, headers=once)) == (401, None)


async def test_of_five_at_the_same_moment_one_is_done(world: World) -> None:
    """Without the claim that `enter` inserts before anything else, five shops would be made."""
    once = headers()
    answers = await asyncio.gather(
        *(create(world.vendor_test, shop_of(world.vendor), once) for _ in range(5))
    )
    done = [answer for answer in answers if answer.status_code == 200]
    assert len({answer.content for answer in done}) == 1
    assert [REPLAYED in answer.headers for answer in done].count(False) == 1
    waiting = {said(answer) for answer in answers if answer.status_code != 200}
    assert waiting <= {(409, "E_IDEMPOTENCY_IN_FLIGHT")}
    assert await number_of(world.vendor_test) == 6


async def test_who_may_not_do_it_is_not_told_what_was_answered(world: World) -> None:
    once, path = headers(), f"/organizations/{world.vendor}/api-keys"
    done = await world.vendor_admin.post(path, json=KEY, headers=once)
    assert done.status_code == 200
    again = await world.vendor_member.post(path, json=KEY, headers=once)
    assert done.json()["secret"] not in again.text
