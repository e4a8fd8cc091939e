"""GET /organizations/{organization_id}/audit-log: everything that happened, to whom it concerns."""

import csv
import io
import json
import time
from uuid import UUID, uuid4

import httpx
import pytest

from world import ADDRESS, KEY, Json, World, said


def log_of(organization_id: object) -> str:
    return f"/organizations/{organization_id}/audit-log"


async def entries(
    client: httpx.AsyncClient, organization_id: object, **params: object
) -> list[Json]:
    asked = {name: str(value) for name, value in params.items()}
    answer = await client.get(log_of(organization_id), params=asked)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


async def test_an_entry_has_the_whole_envelope(world: World) -> None:
    headers = {"user-agent": "till/1.0"}
    keys = f"/organizations/{world.shop}/api-keys"
    answer = await world.shop_test.post(keys, json=KEY, headers=headers)
    (entry,) = await entries(world.shop_test, world.shop)
    actor_id, key_id = str(world.keys["shop_test"]["id"]), answer.json()["_id"]
    assert abs(entry.pop("at") - time.time()) < 60
    assert entry.pop("_id")
    assert entry == {
        "_type": "AUDIT_ENTRY",
        "organization_id": str(world.shop),
        "env": "TEST",
        "event": "api_key.created",
        "outcome": "done",
        "actor": {"kind": "key", "_id": actor_id, "acting_for": str(world.shop)},
        "address": "127.0.0.1",
        "agent": "till/1.0",
        "request_id": answer.headers["x-request-id"],
        "target": {"kind": "api_key", "_id": key_id},
        "details": {"api_key_id": key_id, "name": "till-1"},
        "after": {
            "key": answer.json()["key"],
            "name": "till-1",
            "status": "enabled",
            "metadata": {},
            "reach": "all",
            "generation": 0,
        },
    }


async def test_an_update_tells_the_fields_that_changed_and_no_others(world: World) -> None:
    shop = await world.create_shop("Before", town="Bonn")
    patch = {"name": "After", "town": "Bonn", "vat_id": "DE1", "display_name": None}
    await world.vendor_test.patch(f"/organizations/{shop['_id']}", json=patch)
    newest, _ = await entries(world.vendor_test, shop["_id"])
    assert newest["event"] == "organization.updated"
    assert newest["before"] == {"name": "Before", "vat_id": None}
    assert newest["after"] == {"name": "After", "vat_id": "DE1"}


async def test_a_creation_tells_what_came_and_a_deletion_what_went(world: World) -> None:
    shop = await world.create_shop("Short-lived", metadata={"a": "b"})
    await world.vendor_test.delete(f"/organizations/{shop['_id']}")
    query = "SELECT event, before, after FROM audit_rows WHERE organization_id = $1 ORDER BY id"
    created, deleted = await world.owner.fetch(query, UUID(shop["_id"]))
    expected = ADDRESS | {
        "envs": ["TEST"],
        "name": "Short-lived",
        "metadata": {"a": "b"},
        "managed_by_organization_id": str(world.vendor),
        "status": "active",
        "is_delete_protected": False,
    }
    assert tuple(created) == ("organization.created", None, expected)
    assert tuple(deleted) == ("organization.deleted", expected, None)


async def test_what_changes_nothing_is_no_entry(world: World) -> None:
    shop = await world.create_shop("Same")
    await world.vendor_test.patch(f"/organizations/{shop['_id']}", json={"name": "Same"})
    assert len(await entries(world.vendor_test, shop["_id"])) == 1


async def test_a_batch_tells_of_each_organization_and_key(world: World) -> None:
    items = [
        {
            "organization": ADDRESS
            | {"name": f"Shop {n}", "managed_by_organization_id": str(world.vendor)},
            "api_key": KEY,
        }
        for n in range(3)
    ]
    answer = await world.vendor_test.post("/organizations/batch", json={"items": items})
    for n, item in enumerate(answer.json()["data"]):
        organization = item["organization"]["_id"]
        key, birth = await entries(world.vendor_test, organization)
        assert birth["after"]["name"] == f"Shop {n}"
        assert birth["target"] == {"kind": "organization", "_id": organization}
        assert key["after"]["key"] == item["api_key"]["key"]
        assert key["target"] == {"kind": "api_key", "_id": item["api_key"]["_id"]}


async def test_a_refusal_is_an_entry_of_who_was_refused(world: World) -> None:
    body = {"name": "Renamed"}
    answer = await world.shop_live.patch(f"/organizations/{world.shop}", json=body)
    assert answer.status_code == 403
    (entry,) = await entries(world.shop_live, world.shop, outcome="refused")
    assert entry["event"] == "access.refused"
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert entry["address"] == "127.0.0.1"
    assert entry["target"] == {"kind": "organization", "_id": str(world.shop)}
    assert entry["details"] == {
        "code": "E_ACCESS_DENIED",
        "status": "403",
        "right": "organization:update",
    }


async def test_a_failed_login_is_an_entry_of_whom_it_was_aimed_at(world: World) -> None:
    offered = {"api_key": world.keys["shop_test"]["api_key"], "api_secret": "wrong"}
    headers = {"user-agent": "guesser"}
    await world.nobody.post("/auth", json=offered, headers=headers)
    (entry,) = await entries(world.shop_test, world.shop)
    assert (entry["event"], entry["outcome"]) == ("session.refused", "refused")
    assert (entry["address"], entry["agent"]) == ("127.0.0.1", "guesser")
    assert entry["target"]["_id"] == str(world.keys["shop_test"]["id"])


async def test_who_acts_from_above_has_a_neutral_name_below(world: World) -> None:
    keys = f"/organizations/{world.shop}/api-keys"
    answer = await world.vendor_live.post(keys, json=KEY)
    below = await world.shop_live.get(log_of(world.shop))
    (entry,) = below.json()["data"]
    assert entry["actor"] == {"name": "managing organization"}
    assert not entry.keys() & {"address", "agent", "request_id"}
    hidden = (world.vendor, world.keys["vendor_live"]["id"], answer.headers["x-request-id"])
    assert not any(str(each) in below.text for each in hidden)
    (above,) = await entries(world.vendor_live, world.shop)
    assert above["actor"]["acting_for"] == str(world.vendor)
    assert above["request_id"] == answer.headers["x-request-id"]


async def test_who_acts_from_above_cannot_be_found_by_guessing(world: World) -> None:
    keys = f"/organizations/{world.shop}/api-keys"
    answer = await world.vendor_live.post(keys, json=KEY)
    guesses = (
        {"actor_id": world.keys["vendor_live"]["id"]},
        {"request_id": answer.headers["x-request-id"]},
    )
    for guess in guesses:
        assert await entries(world.shop_live, world.shop, **guess) == []
        assert len(await entries(world.vendor_live, world.shop, **guess)) == 1


@pytest.mark.parametrize("character", ["shop_live", "shop_owner"])
async def test_no_document_points_above(world: World, character: str) -> None:
    address = await world.vendor_live.post("/billing-addresses", json=ADDRESS | {"recipient": "V"})
    pointers = {
        "contact_person_id": str(world.people["vendor_owner"]),
        "billing_address_id": address.json()["_id"],
        "billing_options": {"bill_to_organization": str(world.vendor), "withhold_billing": True},
    }
    changed = await world.vendor_live.patch(f"/organizations/{world.shop}", json=pointers)
    assert changed.status_code == 200, changed.text
    (above,) = await entries(world.vendor_live, world.shop)
    below = await world.clients[character].get(log_of(world.shop))
    assert above["after"]["contact_person_id"] == pointers["contact_person_id"]
    assert above["after"]["bill_to_organization"] == str(world.vendor)
    for hidden in (world.vendor, world.people["vendor_owner"], address.json()["_id"]):
        assert str(hidden) not in below.text
    after = below.json()["data"][0]["after"]
    names = ("contact_person_id", "billing_address_id", "bill_to_organization")
    assert {after[name] for name in names} == {"managing organization"}


async def test_after_a_handover_the_giver_is_unknown_in_what_it_did(world: World) -> None:
    renamed = await world.vendor_live.patch(
        f"/organizations/{world.enterprise}", json={"name": "Partner"}
    )
    assert renamed.status_code == 200
    assert (
        await world.vendor_live.post(f"/organizations/{world.enterprise}/handover")
    ).status_code == 200
    answer = await world.enterprise_live.get(log_of(world.enterprise))
    assert [entry["event"] for entry in answer.json()["data"]] == [
        "organization.handed_over",
        "organization.updated",
    ]
    assert str(world.vendor) not in answer.text
    assert said(await world.vendor_live.get(log_of(world.enterprise)))[0] == 404


async def test_the_other_env_is_another_log(world: World) -> None:
    await world.shop_test.post(f"/organizations/{world.shop}/api-keys", json=KEY)
    assert len(await entries(world.vendor_test, world.shop)) == 1
    assert await entries(world.vendor_live, world.shop) == []
    assert await entries(world.vendor_owner, world.shop) == []


async def test_filters_narrow_and_combine(world: World) -> None:
    first = await world.create_shop("First")
    keys = f"/organizations/{first['_id']}/api-keys"
    key = (await world.vendor_test.post(keys, json=KEY)).json()
    await world.vendor_test.patch(f"{keys}/{key['_id']}", json={"status": "disabled"})
    now = int(time.time())
    for params, number in (
        ({}, 3),
        ({"event": "api_key.updated"}, 1),
        ({"target_id": key["_id"]}, 2),
        ({"target_id": key["_id"], "event": "api_key.created"}, 1),
        ({"actor_id": world.keys["vendor_test"]["id"]}, 3),
        ({"actor_id": uuid4()}, 0),
        ({"outcome": "refused"}, 0),
        ({"since": now - 60}, 3),
        ({"since": now + 60}, 0),
        ({"until": now + 60}, 3),
        ({"until": now - 60}, 0),
    ):
        found = await entries(world.vendor_test, first["_id"], **params)
        assert len(found) == number, params


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_follow_each_other_without_gap_or_doubling(world: World, order: str) -> None:
    for n in range(7):
        await world.shop_test.post(
            f"/organizations/{world.shop}/api-keys", json=KEY | {"name": f"till-{n}"}
        )
    path, found, cursor = log_of(world.shop), [], ""
    while True:
        params = {"order": order, "limit": "3", "cursor": cursor}
        page = (await world.shop_test.get(path, params=params)).json()
        found += [entry["details"]["name"] for entry in page["data"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    names = [f"till-{n}" for n in range(7)]
    assert found == (names if order == "asc" else names[::-1])


async def test_a_cursor_is_good_for_its_own_question_alone(world: World) -> None:
    for name in ("till-1", "till-2"):
        body = KEY | {"name": name}
        await world.shop_test.post(f"/organizations/{world.shop}/api-keys", json=body)
        await world.kiosk_test.post(f"/organizations/{world.kiosk}/api-keys", json=body)
    page = (await world.vendor_test.get(log_of(world.shop), params={"limit": 1})).json()
    cursor = page["next_cursor"]
    for organization, params in (
        (world.kiosk, {"cursor": cursor}),
        (world.shop, {"cursor": cursor, "order": "asc"}),
        (world.shop, {"cursor": cursor, "event": "api_key.created"}),
    ):
        answer = await world.vendor_test.get(log_of(organization), params=params)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_json_lines_are_the_same_entries(world: World) -> None:
    await world.create_shop()
    await world.shop_test.post(f"/organizations/{world.shop}/api-keys", json=KEY)
    expected = await entries(world.shop_test, world.shop)
    for params, accept in (({"format": "ndjson"}, "*/*"), ({}, "application/x-ndjson")):
        headers = {"accept": accept}
        answer = await world.shop_test.get(log_of(world.shop), params=params, headers=headers)
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        assert [json.loads(line) for line in answer.text.splitlines()] == expected
        assert "link" not in answer.headers


async def test_csv_runs_no_formula_and_links_to_its_next_page(world: World) -> None:
    keys = f"/organizations/{world.shop}/api-keys"
    for name, agent in (("till-1", "=cmd|'/c calc'!A1"), ("till-2", "+1"), ("till-3", "@x")):
        await world.shop_test.post(keys, json=KEY | {"name": name}, headers={"user-agent": agent})
    params, rows = {"format": "csv", "limit": "2", "order": "asc"}, []
    answer = await world.shop_test.get(log_of(world.shop), params=params)
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-content-type-options"] == "nosniff"
    rows += list(csv.DictReader(io.StringIO(answer.text)))
    link = answer.headers["link"]
    assert link.endswith('>; rel="next"')
    answer = await world.shop_test.get(log_of(world.shop) + link[1 : link.index(">")])
    assert "link" not in answer.headers
    rows += list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["agent"] for row in rows] == ["'=cmd|'/c calc'!A1", "'+1", "'@x"]
    assert json.loads(rows[2]["details"])["name"] == "till-3"


async def test_no_secret_and_no_digest_is_in_the_audit(world: World) -> None:
    answer = await world.shop_test.post(f"/organizations/{world.shop}/api-keys", json=KEY)
    secret = answer.json()["secret"]
    await world.shop_test.delete(f"/organizations/{world.shop}/api-keys/{answer.json()['_id']}")
    rows = await world.owner.fetch("SELECT to_jsonb(a)::text AS text FROM audit_rows a")
    digest = world.house.keyring.digest(secret).hex()
    assert not any(secret in row["text"] or digest in row["text"] for row in rows)
    assert not any("digest" in row["text"] for row in rows)
