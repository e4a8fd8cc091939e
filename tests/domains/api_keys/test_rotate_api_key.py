"""Another secret without a silent till: the old one works on for the overlap, and no longer."""

import asyncio
import time
from datetime import datetime
from uuid import UUID

import pytest

from world import KEY, Json, World, said

NOT_ROTATABLE = (409, "E_API_KEY_NOT_ROTATABLE")


def path(world: World) -> str:
    return f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}"


async def set_key(world: World, assignment: str) -> None:
    key_id: UUID = world.keys["shop_live"]["id"]
    await world.owner.execute(f"UPDATE api_keys SET {assignment} WHERE id = $1", key_id)  # noqa: S608


async def authenticates(world: World, **changed: object) -> bool:
    body = {name: world.keys["shop_live"][name] for name in ("api_key", "api_secret")} | changed
    return (await world.nobody.post("/auth", json=body)).status_code == 200


async def rotate(world: World, **body: object) -> Json:
    answer = await world.vendor_live.post(f"{path(world)}/rotate", json=body)
    assert answer.status_code == 200, answer.text
    rotated: Json = answer.json()
    return rotated


async def test_both_secrets_work_until_the_old_one_ends(world: World) -> None:
    rotated = await rotate(world)
    assert rotated["previous_secret_ends_at"] == pytest.approx(time.time() + 86_400, abs=60)
    assert await authenticates(world)
    assert await authenticates(world, api_secret=rotated["secret"])
    assert await world.events(world.shop) == ["api_key.rotated"]
    await set_key(world, "previous_ends_at = now()")
    assert not await authenticates(world)
    assert (await world.shop_live.get("/me")).status_code == 401
    assert await authenticates(world, api_secret=rotated["secret"])


async def test_without_an_overlap_the_old_secret_and_its_tokens_die_at_once(world: World) -> None:
    rotated = await rotate(world, overlap_seconds=0)
    assert "previous_secret_ends_at" not in rotated
    assert not await authenticates(world)
    assert (await world.shop_live.get("/me")).status_code == 401
    assert await authenticates(world, api_secret=rotated["secret"])


async def test_the_old_secret_can_be_ended_early(world: World) -> None:
    rotated = await rotate(world)
    answer = await world.vendor_live.post(f"{path(world)}/rotate/expire-now")
    assert answer.status_code == 200
    assert "previous_secret_ends_at" not in answer.json()
    assert not await authenticates(world)
    assert await authenticates(world, api_secret=rotated["secret"])
    again = await world.vendor_live.post(f"{path(world)}/rotate/expire-now")
    assert again.status_code == 200
    assert await world.events(world.shop) == ["api_key.rotated", "api_key.secret_expired"]


async def test_a_rotation_never_lengthens_a_key(world: World) -> None:
    end = int(time.time()) + 3600
    await world.vendor_live.patch(path(world), json={"expires_at": end})
    rotated = await rotate(world, overlap_seconds=2_592_000)
    assert (rotated["previous_secret_ends_at"], rotated["expires_at"]) == (end, end)


@pytest.mark.parametrize(
    "assignment",
    [
        "status = 'disabled'",
        "expires_at = now() - interval '1 second'",
        "previous_digest = 'x', previous_ends_at = now() + interval '1 hour'",
    ],
)
async def test_what_is_off_over_or_rotating_is_not_rotated(world: World, assignment: str) -> None:
    await set_key(world, assignment)
    answer = await world.vendor_live.post(f"{path(world)}/rotate", json={})
    assert said(answer) == NOT_ROTATABLE
    assert await world.events(world.shop) == []


@pytest.mark.parametrize("seconds", [-1, 2_592_001, "soon"])
async def test_an_overlap_out_of_bounds_is_refused(world: World, seconds: object) -> None:
    answer = await world.vendor_live.post(
        f"{path(world)}/rotate", json={"overlap_seconds": seconds}
    )
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_of_two_rotations_at_once_one_is_made(world: World) -> None:
    """Without the condition on previous_ends_at in rotate_key, the first secret is lost."""
    answers = await asyncio.gather(
        *(world.vendor_live.post(f"{path(world)}/rotate", json={}) for _ in range(4))
    )
    assert sorted(map(said, answers)) == [(200, None), *[NOT_ROTATABLE] * 3]
    made = next(answer for answer in answers if answer.status_code == 200)
    assert await authenticates(world)
    assert await authenticates(world, api_secret=made.json()["secret"])


async def test_a_key_rotates_itself(world: World) -> None:
    answer = await world.shop_live.post(f"{path(world)}/rotate", json={})
    assert answer.status_code == 200
    assert (await world.shop_live.get("/me")).status_code == 200


async def test_a_key_of_another_organization_or_env_is_not_rotated(world: World) -> None:
    for client, name in ((world.vendor_test, "shop"), (world.vendor_live, "kiosk")):
        other = f"/organizations/{world.ids[name]}/api-keys/{world.keys['shop_live']['id']}/rotate"
        assert said(await client.post(other, json={})) == (404, "E_API_KEY_NOT_FOUND")
    assert await authenticates(world)


async def test_a_lost_answer_can_be_had_again(world: World) -> None:
    headers = {"idempotency-key": "rotate-once"}
    first, second = [
        await world.vendor_live.post(f"{path(world)}/rotate", json={}, headers=headers)
        for _ in range(2)
    ]
    assert first.json()["secret"] == second.json()["secret"]
    assert second.headers["idempotency-replayed"] == "true"
    assert await world.events(world.shop) == ["api_key.rotated"]


async def test_a_new_key_is_not_rotating(world: World) -> None:
    created = await world.vendor_live.post(f"/organizations/{world.shop}/api-keys", json=KEY)
    assert "previous_secret_ends_at" not in created.json()


async def test_the_audit_tells_what_a_rotation_and_its_end_have_changed(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}/rotate"
    rotated = (await world.shop_live.post(path, json={})).json()
    await world.vendor_live.post(f"{path}/expire-now")
    rows = await world.owner.fetch(
        "SELECT before, after FROM audit_rows WHERE organization_id = $1 ORDER BY id", world.shop
    )
    first, second = ((row["before"], row["after"]) for row in rows)
    ends = first[1]["previous_ends_at"]
    assert int(datetime.fromisoformat(ends).timestamp()) == rotated["previous_secret_ends_at"]
    assert first == (
        {"generation": 0, "previous_ends_at": None},
        {"generation": 1, "previous_ends_at": ends},
    )
    assert second == ({"previous_ends_at": ends}, {"previous_ends_at": None})
