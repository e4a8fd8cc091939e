import re
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tillkeeper.core import secrets
from world import KEY, PASSWORD, World, said

RECORDED = [
    "access_token",
    "access_token_claims",
    "access_token_expires_in",
    "access_token_expires_at",
    "refresh_token",
    "refresh_token_expires_in",
    "refresh_token_expires_at",
]
DAY = 86_400


def credentials_of(world: World, character: str) -> dict[str, str]:
    key = world.keys[character]
    return {"api_key": key["api_key"], "api_secret": key["api_secret"]}


async def email_of(world: World, character: str) -> str:
    email: str = await world.owner.fetchval(
        "SELECT email FROM users WHERE id = $1", world.people[character]
    )
    return email


async def own_status(world: World, session: dict[str, Any]) -> int:
    headers = {"authorization": f"Bearer {session['access_token']}"}
    return (await world.nobody.get("/me", headers=headers)).status_code


async def test_the_answer_has_the_recorded_fields_in_the_recorded_order(world: World) -> None:
    answer = await world.nobody.post("/auth", json=credentials_of(world, "shop_test"))
    session = answer.json()
    assert (answer.status_code, list(session)) == (200, RECORDED)
    claims = {"env": "TEST", "organization_id": str(world.shop)}
    assert session["access_token_claims"] == claims
    assert list(session["access_token_claims"]) == ["env", "organization_id"]
    for name in ("access_token", "refresh_token"):
        assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", session[name], re.ASCII)
        assert 10 <= len(session[name]) <= 4096


async def test_tokens_live_a_day_and_two(world: World) -> None:
    before = int(time.time())
    answer = await world.nobody.post("/auth", json=credentials_of(world, "shop_test"))
    session = answer.json()
    assert 0 <= session["access_token_expires_in"] <= DAY
    assert 0 <= session["access_token_expires_at"] - before - DAY <= 60
    assert session["refresh_token_expires_at"] - session["access_token_expires_at"] == DAY
    assert session["refresh_token_expires_in"] - session["access_token_expires_in"] == DAY


@pytest.mark.parametrize("character", ["shop_test", "shop_live", "vendor_live"])
async def test_a_token_is_good_for_its_keys_organization_and_env(
    world: World, character: str
) -> None:
    answer = await world.nobody.post("/auth", json=credentials_of(world, character))
    name, _, env = character.partition("_")
    assert answer.json()["access_token_claims"] == {
        "env": env.upper(),
        "organization_id": str(world.ids[name]),
    }


async def wrong_ways(world: World) -> dict[str, dict[str, str]]:
    """Return credentials of every kind of which not one is right."""
    shop = credentials_of(world, "shop_test")
    session = (await world.nobody.post("/auth", json=shop)).json()
    email = await email_of(world, "shop_owner")
    person = {"email": email, "password": PASSWORD}
    refresh: str = session["refresh_token"]
    middle = len(refresh) // 2
    changed = refresh[:middle] + ("A" if refresh[middle] != "A" else "B") + refresh[middle + 1 :]
    in_test = (await world.create_shop())["_id"]
    return {
        "unknown key": shop | {"api_key": secrets.mint_key_text("TEST", "first-key")},  # type: ignore[arg-type]
        "wrong secret": shop | {"api_secret": secrets.mint_secret()},
        "misspelt secret": shop | {"api_secret": "x" * 43},
        "secret of another": shop | {"api_secret": world.keys["kiosk_test"]["api_secret"]},
        "no secret at all": shop | {"api_secret": "x"},
        "access for refresh": {"refresh_token": session["access_token"]},
        "changed refresh": {"refresh_token": changed},
        "no token at all": {"refresh_token": "x"},
        "wrong password": person | {"password": "wrong"},
        "unknown address": {"email": f"{uuid4().hex}@example.org", "password": PASSWORD},
        "not a member": person | {"organization_id": str(world.vendor)},
        "unknown organization": person | {"organization_id": str(uuid4())},
        "not a member there": person | {"organization_id": in_test, "env": "LIVE"},
    }


async def test_every_wrong_way_answers_the_same(world: World) -> None:
    for way, credentials in (await wrong_ways(world)).items():
        answer = await world.nobody.post("/auth", json=credentials)
        problem = answer.json()
        assert problem.pop("request_id") == answer.headers["x-request-id"]
        assert problem == {
            "status_code": 401,
            "error": "Unauthorized",
            "message": "Invalid credentials",
        }, way


async def test_an_env_that_the_organization_lacks_is_a_wrong_way_too(world: World) -> None:
    created = (await world.create_shop())["_id"]
    email = f"{uuid4().hex}@example.org"
    await world.vendor_test.post(f"/organizations/{created}/users", json={"email": email})
    await world.owner.execute(
        "UPDATE users SET password_digest = (SELECT password_digest FROM users WHERE id = $1) "
        "WHERE email = $2",
        world.people["shop_owner"],
        email,
    )
    person = {"email": email, "password": PASSWORD}
    found = [
        (await world.nobody.post("/auth", json=person | {"env": env})).status_code
        for env in ("TEST", "LIVE")
    ]
    assert found == [200, 401]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"api_key": "x"},
        {"api_secret": "x"},
        {"email": "a@example.org"},
        {"api_key": "x", "api_secret": "y", "refresh_token": "z"},
        {"api_key": "x", "api_secret": "y", "env": "TEST"},
        {"refresh_token": ""},
        {"email": "a@example.org", "password": "x", "env": "test"},
        {"email": "a@example.org", "password": "x", "organization_id": "shop"},
        {"user": "x", "password": "y"},
    ],
    ids=str,
)
async def test_a_wrong_shape_is_refused(world: World, wrong: dict[str, object]) -> None:
    answer = await world.nobody.post("/auth", json=wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith("body")


async def test_a_refresh_token_is_good_for_another_pair(world: World) -> None:
    first = (await world.nobody.post("/auth", json=credentials_of(world, "shop_live"))).json()
    wanted = {"refresh_token": first["refresh_token"]}
    for _ in range(2):
        answer = await world.nobody.post("/auth", json=wanted)
        assert (answer.status_code, list(answer.json())) == (200, RECORDED)
        assert answer.json()["access_token_claims"] == first["access_token_claims"]
        assert await own_status(world, answer.json()) == 200


async def test_a_refresh_token_dies_with_its_key(world: World) -> None:
    path = f"/organizations/{world.shop}/api-keys"
    key = (await world.vendor_test.post(path, json=KEY)).json()
    wanted = {"api_key": key["key"], "api_secret": key["secret"]}
    session = (await world.nobody.post("/auth", json=wanted)).json()
    refresh = {"refresh_token": session["refresh_token"]}
    found = []
    for status in ("disabled", "enabled"):
        await world.vendor_test.patch(f"{path}/{key['_id']}", json={"status": status})
        found.append((await world.nobody.post("/auth", json=refresh)).status_code)
    await world.vendor_test.delete(f"{path}/{key['_id']}")
    found.append((await world.nobody.post("/auth", json=refresh)).status_code)
    assert found == [401, 200, 401]


async def test_a_refresh_token_dies_with_the_membership(world: World) -> None:
    person = {"email": await email_of(world, "vendor_member"), "password": PASSWORD}
    session = (await world.nobody.post("/auth", json=person)).json()
    refresh = {"refresh_token": session["refresh_token"]}
    assert (await world.nobody.post("/auth", json=refresh)).status_code == 200
    member = f"/organizations/{world.vendor}/users/{world.people['vendor_member']}"
    await world.vendor_owner.delete(member)
    assert said(await world.nobody.post("/auth", json=refresh)) == (401, None)
    assert said(await world.nobody.post("/auth", json=person)) == (401, None)


async def test_a_refresh_token_opens_nothing_by_itself(world: World) -> None:
    answer = await world.nobody.post("/auth", json=credentials_of(world, "shop_test"))
    session = {"access_token": answer.json()["refresh_token"]}
    assert await own_status(world, session) == 401


@pytest.mark.parametrize(
    ("chosen", "env"),
    [
        ({}, "TEST"),
        ({"env": "TEST"}, "TEST"),
        ({"env": "LIVE"}, "LIVE"),
        ({"environment": "LIVE"}, "LIVE"),
        ({"environment": "TEST"}, "TEST"),
    ],
    ids=str,
)
async def test_a_person_logs_in_to_the_env_they_name(
    world: World, chosen: dict[str, str], env: str
) -> None:
    person = {"email": await email_of(world, "shop_owner"), "password": PASSWORD}
    answer = await world.nobody.post("/auth", json=person | chosen)
    assert answer.json()["access_token_claims"] == {
        "env": env,
        "organization_id": str(world.shop),
        "user_id": str(world.people["shop_owner"]),
    }


async def test_a_person_logs_in_to_the_organization_they_name_or_joined_first(
    world: World,
) -> None:
    email = await email_of(world, "shop_owner")
    await world.stranger_live.post(f"/organizations/{world.stranger}/users", json={"email": email})
    person = {"email": email.upper(), "password": PASSWORD}
    for chosen, expected in (
        ({}, world.shop),
        ({"organization_id": str(world.stranger)}, world.stranger),
        ({"organization_id": str(world.shop)}, world.shop),
    ):
        answer = await world.nobody.post("/auth", json=person | chosen)
        assert answer.json()["access_token_claims"]["organization_id"] == str(expected)


async def test_who_was_invited_and_has_no_password_does_not_log_in(world: World) -> None:
    email = f"{uuid4().hex}@example.org"
    await world.vendor_live.post(f"/organizations/{world.vendor}/users", json={"email": email})
    for password in ("x", PASSWORD):
        answer = await world.nobody.post("/auth", json={"email": email, "password": password})
        assert said(answer) == (401, None)


async def test_both_prefixes_share_their_tokens(world: World) -> None:
    answer = await world.nobody.post(
        "http://test/api/v2/auth", json=credentials_of(world, "shop_test")
    )
    assert (answer.status_code, list(answer.json())) == (200, RECORDED)
    assert await own_status(world, answer.json()) == 200
    refresh = {"refresh_token": answer.json()["refresh_token"]}
    assert (await world.nobody.post("/auth", json=refresh)).status_code == 200


@pytest.mark.parametrize("value", ["Bearer ", "Bearer", "Bearer not.a.token", "Basic eDp5"])
async def test_an_authorization_header_is_not_looked_at(world: World, value: str) -> None:
    answer = await world.nobody.post(
        "/auth", json=credentials_of(world, "shop_test"), headers={"authorization": value}
    )
    assert answer.status_code == 200


async def test_an_empty_array_as_body_takes_the_fields_from_the_query(world: World) -> None:
    params = credentials_of(world, "shop_test")
    answer = await world.nobody.post("/auth", params=params, json=[])
    assert answer.status_code == 200


async def test_a_failed_login_is_audited_where_it_was_aimed_at(world: World) -> None:
    wrong = credentials_of(world, "shop_live") | {"api_secret": secrets.mint_secret()}
    answer = await world.nobody.post("/auth", json=wrong)
    (row,) = await world.owner.fetch(
        "SELECT * FROM audit_rows WHERE organization_id = $1", world.shop
    )
    assert (row["event"], row["outcome"], row["env"]) == ("session.refused", "refused", "LIVE")
    assert row["actor_id"] == world.keys["shop_live"]["id"]
    assert row["operation_id"] == answer.headers["x-request-id"]
    assert await world.trail(world.shop, "outbox_rows") == []


async def test_a_persons_failed_login_is_audited_where_they_belong(world: World) -> None:
    email = await email_of(world, "vendor_member")
    await world.nobody.post("/auth", json={"email": email, "password": "wrong"})
    assert await world.trail(world.vendor) == ["session.refused"]


async def test_a_disabled_keys_login_is_audited_too(world: World) -> None:
    key = f"/organizations/{world.shop}/api-keys/{world.keys['shop_test']['id']}"
    await world.vendor_test.patch(key, json={"status": "disabled"})
    await world.nobody.post("/auth", json=credentials_of(world, "shop_test"))
    assert await world.trail(world.shop) == ["api_key.updated", "session.refused"]


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer a.b.c", "Basic eDp5", "Bearer " + "x" * 5000]
)
async def test_without_a_valid_token_nobody_enters(world: World, value: str) -> None:
    headers = {"authorization": value} if value else {}
    answer: httpx.Response = await world.nobody.get("/organizations", headers=headers)
    assert said(answer) == (401, None)
    assert "a.b.c" not in answer.text
