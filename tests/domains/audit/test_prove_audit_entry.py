"""Proofs: an entry is under a signed seal, shown to whom it concerns and no further."""

from uuid import UUID, uuid4

import httpx
import pytest
from msgspec import json

from ledger import Ledger
from tillkeeper.domains.audit.jobs import seal
from tillkeeper.surfaces.cli.audit_verifier import Tampered, verify_proof
from world import Json, said


async def create_key(ledger: Ledger, client: httpx.AsyncClient, name: str | None = None) -> Json:
    """Let somebody create a key of the shop, and return the entry about it."""
    body = {"name": name or f"k-{uuid4().hex[:12]}", "status": "enabled"}
    path = f"/organizations/{ledger.world.shop}"
    made = await client.post(f"{path}/api-keys", json=body)
    assert made.status_code == 200, made.text
    params = {"target_id": made.json()["_id"]}
    found = await client.get(f"{path}/audit-log", params=params)
    entry: Json = found.json()["data"][0]
    return entry


async def seal_all(ledger: Ledger) -> None:
    while await seal(ledger.house):
        pass


def proof_of(ledger: Ledger, entry: Json) -> str:
    return f"/organizations/{ledger.world.shop}/audit-log/{entry['_id']}/proof"


async def test_every_entry_under_a_seal_has_a_proof_that_holds(ledger: Ledger) -> None:
    world = ledger.world
    found = [await create_key(ledger, world.shop_test) for _ in range(5)]
    await seal_all(ledger)
    for entry in found:
        proof = (await world.shop_test.get(proof_of(ledger, entry))).json()
        assert verify_proof(proof, ledger.keys).startswith(f"Row {entry['_id']} (api_key.created")
        leaf = json.decode(proof["leaf"])
        assert (leaf["id"], leaf["at"]) == (entry["_id"], entry["at"])
        origin, content = json.decode(proof["origin"]), json.decode(proof["content"])
        assert origin["actor_id"] == entry["actor"]["_id"]
        assert origin["request_id"] == entry["request_id"]
        assert content["after"] == entry["after"]


@pytest.mark.parametrize("part", ["leaf", "origin", "content", "path", "index", "body", "key"])
async def test_a_proof_that_was_changed_does_not_hold(ledger: Ledger, part: str) -> None:
    entries = [await create_key(ledger, ledger.world.shop_test) for _ in range(3)]
    await seal_all(ledger)
    proof = (await ledger.world.shop_test.get(proof_of(ledger, entries[1]))).json()
    keys = ledger.keys
    if part == "path":
        proof["path"] = [*proof["path"], "00" * 32]
    elif part == "index":
        proof["index"] += 1
    elif part == "body":
        proof["seal"]["body"] = proof["seal"]["body"].replace('"root":"', '"root":"0')
    elif part == "key":
        keys = dict.fromkeys(keys, "00" * 32)
    else:
        proof[part] = proof[part].replace("api_key", "api_kez", 1).replace("salt", "sal7", 1)
    with pytest.raises(Tampered):
        verify_proof(proof, keys)


async def test_a_proof_of_what_came_from_above_does_not_tell_who(ledger: Ledger) -> None:
    world = ledger.world
    entry = await create_key(ledger, world.vendor_test)
    await seal_all(ledger)
    below = await world.shop_test.get(proof_of(ledger, entry))
    proof = below.json()
    assert "origin" not in proof
    assert verify_proof(proof, ledger.keys)
    hidden = (world.vendor, world.keys["vendor_test"]["id"], entry["request_id"])
    assert not any(str(each) in below.text for each in hidden)
    above = (await world.vendor_test.get(proof_of(ledger, entry))).json()
    assert json.decode(above["origin"])["acting_for"] == str(world.vendor)
    assert above["leaf"] == proof["leaf"]


async def test_a_document_that_points_above_stays_closed(ledger: Ledger) -> None:
    world = ledger.world
    person = str(world.people["vendor_owner"])
    path = f"/organizations/{world.kiosk}"
    changed = await world.vendor_live.patch(path, json={"contact_person_id": person})
    assert changed.status_code == 200
    (entry,) = (await world.kiosk_live.get(f"{path}/audit-log", params={"limit": 1})).json()["data"]
    await seal_all(ledger)
    below = await world.kiosk_live.get(f"{path}/audit-log/{entry['_id']}/proof")
    assert not below.json().keys() & {"origin", "content"}
    assert person not in below.text
    assert verify_proof(below.json(), ledger.keys)


async def test_an_entry_that_is_not_sealed_yet_says_so(ledger: Ledger) -> None:
    entry = await create_key(ledger, ledger.world.shop_test)
    answer = await ledger.world.shop_test.get(proof_of(ledger, entry))
    assert said(answer) == (409, "E_AUDIT_ROW_NOT_SEALED")
    assert answer.headers["retry-after"] == "1"
    await seal_all(ledger)
    assert (await ledger.world.shop_test.get(proof_of(ledger, entry))).status_code == 200


async def test_an_entry_that_was_changed_has_no_proof(ledger: Ledger) -> None:
    entry = await create_key(ledger, ledger.world.shop_test)
    await seal_all(ledger)
    change = "UPDATE audit_rows SET agent = $2 WHERE id = $1"
    row_id = UUID(entry["_id"])
    await ledger.owner.execute(change, row_id, "somebody else")
    answer = await ledger.world.shop_test.get(proof_of(ledger, entry))
    await ledger.owner.execute(change, row_id, entry.get("agent"))
    assert said(answer) == (409, "E_AUDIT_ROW_CHANGED")


async def test_what_is_not_there_or_not_ones_own_has_no_proof(ledger: Ledger) -> None:
    world = ledger.world
    entry = await create_key(ledger, world.shop_test)
    for client, organization, row_id in (
        (world.shop_test, world.shop, uuid4()),
        (world.shop_live, world.shop, entry["_id"]),
        (world.kiosk_test, world.kiosk, entry["_id"]),
        (world.vendor_test, world.kiosk, entry["_id"]),
    ):
        answer = await client.get(f"/organizations/{organization}/audit-log/{row_id}/proof")
        assert said(answer) == (404, "E_AUDIT_ROW_NOT_FOUND")


async def test_seals_are_listed_newest_first_and_name_nobody(ledger: Ledger) -> None:
    world = ledger.world
    for _ in range(3):
        await create_key(ledger, world.shop_test)
        await seal_all(ledger)
    first = await world.stranger_test.get("/audit/seals", params={"limit": 2})
    assert first.json()["has_more"] is True
    numbers = [each["number"] for each in first.json()["data"]]
    before = {"limit": 1, "before": numbers[-1]}
    second = (await world.stranger_test.get("/audit/seals", params=before)).json()
    assert [*numbers, second["data"][0]["number"]] == [numbers[0] - n for n in range(3)]
    assert {each["key_id"]: each["public_key"] for each in second["public_keys"]} == ledger.keys
    assert (
        json.decode(first.json()["data"][0]["body"])["previous"]
        == (first.json()["data"][1]["hash"])
    )
    assert not any(str(each) in first.text for each in world.ids.values())
    newest = first.json()["data"][0]
    await ledger.verify(**{f"n{newest['number']}": newest["hash"]})
