"""A managed organization goes to another manager: both agree, and the old rights end with it."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from domains.agreements.test_payers import BLOCKED, NOT_OPEN, accept, path_of, payer_of
from world import ADDRESS, KEY, Json, World, said

NOT_FOUND = (404, "E_ORGANIZATION_NOT_FOUND")


async def offer(
    client: httpx.AsyncClient, about: object, to: object, kind: str = "move", undo: int = 86_400
) -> dict[str, Any]:
    named = None if to is None else str(to)
    wanted = {"kind": kind, "with_organization_id": named, "note": "Agreed", "undo_seconds": undo}
    answer = await client.post(path_of(about), json=wanted)
    assert answer.status_code == 200, answer.text
    offered: dict[str, Any] = answer.json()
    return offered


async def move_the_shop(world: World, undo: int = 86_400) -> Json:
    offered = await offer(world.vendor_live, world.shop, world.stranger, undo=undo)
    answer = await accept(world.stranger_live, world.stranger, offered)
    assert answer.status_code == 200, answer.text
    return offered


async def above(world: World, organization_id: UUID) -> tuple[object, ...]:
    asked = (
        "SELECT managed_by_organization_id, administered_by_organization_id, reached_by "
        "FROM organizations WHERE id = $1"
    )
    row = await world.owner.fetchrow(asked, organization_id)
    assert row is not None
    return tuple(row)


async def names(client: httpx.AsyncClient, path: str, of: str) -> set[str]:
    return {each["name"] for each in (await client.get(path)).json()[of]}


async def test_the_old_rights_end_and_the_new_begin_with_the_acceptance(world: World) -> None:
    """Every token here was there before: the next request of each is answered by the new tree."""
    path = f"/organizations/{world.shop}"
    offered = await offer(world.vendor_live, world.shop, world.stranger)
    assert (await world.vendor_live.get(path)).status_code == 200
    assert said(await world.stranger_live.get(path)) == NOT_FOUND
    accepted = (await accept(world.stranger_live, world.stranger, offered)).json()
    assert (accepted["state"], accepted["party"]) == ("executed", "receiving")
    for old in (world.vendor_live, world.vendor_test, world.vendor_owner):
        assert said(await old.get(path)) == NOT_FOUND
        assert said(await old.get(f"{path}/api-keys")) == NOT_FOUND
        assert said(await old.post(f"{path}/api-keys", json=KEY)) == NOT_FOUND
        listed = (await old.get("/organizations")).json()["data"]
        assert str(world.shop) not in {each["_id"] for each in listed}
    for new in (world.stranger_live, world.stranger_test):
        assert (await new.get(f"{path}/api-keys")).status_code == 200
    shown = (await world.shop_live.get(path)).json()
    assert shown["managed_by_organization_id"] == str(world.stranger)
    assert await above(world, world.shop) == (
        world.stranger, None, [world.shop, world.stranger],
    )  # fmt: skip


async def test_a_move_below_an_administered_manager_is_reached_from_its_administrator_too(
    world: World,
) -> None:
    offered = await offer(world.stranger_live, world.foreign, world.enterprise)
    assert (await accept(world.enterprise_live, world.enterprise, offered)).status_code == 200
    path = f"/organizations/{world.foreign}"
    for client in (world.enterprise_live, world.vendor_live):
        assert (await client.get(path)).status_code == 200
    assert said(await world.stranger_live.get(path)) == NOT_FOUND


async def test_everybody_concerned_finds_it_in_their_own_trail(world: World) -> None:
    await move_the_shop(world)
    assert await world.events(world.vendor) == ["agreement.proposed", "agreement.executed"]
    told = ["agreement.proposed", "agreement.accepted", "agreement.executed"]
    assert await world.events(world.stranger) == told
    assert await world.events(world.shop) == ["organization.moved"]
    for client in (world.shop_live, world.stranger_live):
        log = await client.get(f"/organizations/{world.shop}/audit-log")
        entry = log.json()["data"][0]
        assert entry["before"] == {"managed_by_organization_id": "managing organization"}
        assert str(world.vendor) not in log.text
    acted = (await world.stranger_live.get(f"/organizations/{world.shop}/audit-log")).json()
    assert acted["data"][0]["actor"]["acting_for"] == str(world.stranger)
    below = (await world.shop_live.get(f"/organizations/{world.shop}/audit-log")).json()
    assert below["data"][0]["actor"] == {"name": "managing organization"}


async def test_the_receiver_learns_the_id_and_the_note_and_nothing_of_the_giver(
    world: World,
) -> None:
    offered = await offer(world.vendor_live, world.shop, world.stranger)
    path = path_of(world.stranger, offered)
    seen = (await world.stranger_live.get(path)).json()
    assert (seen["about_organization_id"], seen["note"]) == (str(world.shop), "Agreed")
    for each in (path, f"{path}/analysis", f"/organizations/{world.stranger}/audit-log"):
        text = (await world.stranger_live.get(each)).text
        for name in ("vendor", "kiosk", "enterprise"):
            assert str(world.ids[name]) not in text, (each, name)
    assert said(await world.stranger_live.get(f"/organizations/{world.shop}")) == NOT_FOUND


async def test_whoever_is_offered_it_the_answer_is_the_same(world: World) -> None:
    shapes = set()
    for receiver in (world.stranger, uuid4(), world.foreign, world.enterprise):
        offered = await offer(world.vendor_live, world.shop, receiver)
        analysis = await world.vendor_live.get(path_of(world.vendor, offered, "/analysis"))
        moments = ("_id", "with_organization_id", "proposed_at", "accepted_at", "expires_at")
        shape = {name: value for name, value in offered.items() if name not in moments}
        shapes.add(str(shape | analysis.json()))
        await world.vendor_live.post(path_of(world.vendor, offered, "/withdraw"))
    assert len(shapes) == 1


async def leave_traces(world: World) -> tuple[Json, str]:
    """Let the vendor's people, address, money and keys stand in the shop."""
    address = ADDRESS | {"recipient": "Vendor"}
    made = (await world.vendor_live.post("/billing-addresses", json=address)).json()
    traces = {
        "contact_person_id": str(world.people["vendor_admin"]),
        "billing_address_id": made["_id"],
        "billing_options": {"bill_to_organization": str(world.vendor), "withhold_billing": True},
    }
    path = f"/organizations/{world.shop}"
    assert (await world.vendor_live.patch(path, json=traces)).status_code == 200
    managed = KEY | {"managed_by_organization_id": str(world.vendor)}
    key = (await world.vendor_live.post(f"{path}/api-keys", json=managed)).json()
    return traces, key["_id"]


async def test_nothing_of_the_old_side_is_shown_to_the_new_one(world: World) -> None:
    traces, key_id = await leave_traces(world)
    await move_the_shop(world)
    path = f"/organizations/{world.shop}"
    shown = await world.stranger_live.get(path)
    for hidden in (*traces.values(), world.vendor, world.people["vendor_admin"]):
        assert str(hidden) not in shown.text
    assert not shown.json().keys() & traces.keys()
    key = (await world.stranger_live.get(f"{path}/api-keys/{key_id}")).json()
    assert not key["managed_by_organization_id"]
    assert (await world.shop_live.delete(f"{path}/api-keys/{key_id}")).status_code == 200
    for client in (world.stranger_live, world.shop_live):
        log = await client.get(f"{path}/audit-log")
        assert str(world.people["vendor_admin"]) not in log.text
    periods = (await world.stranger_live.get(f"{path}/payer-periods")).json()["data"]
    assert periods == []


async def test_each_side_is_warned_of_what_is_its_business(world: World) -> None:
    _, key_id = await leave_traces(world)
    offered = await offer(world.vendor_live, world.shop, world.stranger)
    expected = {"keys_survive", "contacts_end", "billing_addresses_end", "payer_ends"}
    for client, party in ((world.vendor_live, "vendor"), (world.stranger_live, "stranger")):
        path = path_of(world.ids[party], offered, "/analysis")
        assert await names(client, path, "warnings") == expected
        assert (key_id in (await client.get(path)).text) == (party == "vendor")
    dry = await world.stranger_live.post(
        path_of(world.stranger, offered, "/accept"), params={"dry_run": "true"}
    )
    assert {each["name"] for each in dry.json()["analysis"]["warnings"]} == expected
    assert (await above(world, world.shop))[0] == world.vendor


BLOCKERS = {
    "receiver_not_live": "UPDATE organizations SET envs = '{TEST}' WHERE id = $1 AND id <> $2",
    "external_id_taken": "UPDATE organizations SET external_id = '7' "
    "WHERE id = $2 OR managed_by_organization_id = $1",
}


@pytest.mark.parametrize("name", BLOCKERS)
async def test_what_stands_in_the_way_at_the_receiver_the_receiver_learns_alone(
    world: World, name: str
) -> None:
    offered = await offer(world.vendor_live, world.shop, world.stranger)
    await world.owner.execute(BLOCKERS[name], world.stranger, world.shop)
    by = world.stranger_test if name == "receiver_not_live" else world.stranger_live
    answer = await accept(by, world.stranger, offered)
    assert said(answer) == BLOCKED
    assert name in answer.json()["message"]
    path = path_of(world.stranger, offered, "/analysis")
    assert await names(by, path, "blockers") == {name}
    of_giver = path_of(world.vendor, offered, "/analysis")
    assert await names(world.vendor_live, of_giver, "blockers") == set()
    assert (await above(world, world.shop))[0] == world.vendor
    assert (await world.events(world.stranger)) == ["agreement.proposed"]


async def test_what_is_archived_does_not_move(world: World) -> None:
    offered = await offer(world.vendor_live, world.shop, world.stranger)
    closed = {"status": "archived"}
    await world.vendor_live.post(f"/organizations/{world.shop}/status", json=closed)
    answer = await accept(world.stranger_live, world.stranger, offered)
    assert said(answer) == BLOCKED
    path = path_of(world.vendor, offered, "/analysis")
    assert await names(world.vendor_live, path, "blockers") == {"organization_closed"}


@pytest.mark.parametrize("side", ["vendor", "stranger"])
async def test_either_side_undoes_it_within_its_time(world: World, side: str) -> None:
    traces, key_id = await leave_traces(world)
    path = f"/organizations/{world.shop}"
    before = (await world.vendor_live.get(path)).json()
    offered = await move_the_shop(world)
    client = world.clients[f"{side}_live"]
    undone = await client.post(path_of(world.ids[side], offered, "/undo"))
    assert undone.json()["state"] == "undone", undone.text
    assert (await world.vendor_live.get(path)).json() == before
    assert traces["contact_person_id"] in str(before)
    key = (await world.vendor_live.get(f"{path}/api-keys/{key_id}")).json()
    assert key["managed_by_organization_id"] == str(world.vendor)
    assert said(await world.stranger_live.get(path)) == NOT_FOUND
    again = await client.post(path_of(world.ids[side], offered, "/undo"))
    assert said(again) == NOT_OPEN
    for party in ("vendor", "stranger"):
        assert (await world.events(world.ids[party]))[-1] == "agreement.undone"
    assert (await world.events(world.shop))[-2:] == ["organization.moved"] * 2


async def test_what_was_given_anew_since_stays_when_it_is_undone(world: World) -> None:
    await leave_traces(world)
    offered = await move_the_shop(world)
    path = f"/organizations/{world.shop}"
    owner = {"contact_person_id": str(world.people["shop_owner"])}
    await world.stranger_live.patch(path, json=owner)
    await world.vendor_live.post(path_of(world.vendor, offered, "/undo"))
    shown = (await world.vendor_live.get(path)).json()
    assert shown["contact_person_id"] == owner["contact_person_id"]
    assert shown["billing_options"]["bill_to_organization"] == str(world.vendor)


async def test_a_payer_beside_is_asked_again_after_an_undo(world: World) -> None:
    asked = await offer(world.vendor_live, world.shop, world.enterprise, "payer")
    await accept(world.enterprise_live, world.enterprise, asked)
    offered = await move_the_shop(world)
    assert await payer_of(world, world.shop) is None
    read = await world.enterprise_live.get(path_of(world.enterprise, asked))
    assert read.json()["state"] == "ended"
    await world.vendor_live.post(f"/organizations/{world.enterprise}/handover")
    await world.vendor_live.post(path_of(world.vendor, offered, "/undo"))
    assert await payer_of(world, world.shop) is None


@pytest.mark.parametrize("seconds", [0, 604_800])
async def test_an_undo_has_its_time(world: World, seconds: int) -> None:
    offered = await move_the_shop(world, undo=seconds)
    if seconds:
        late = "UPDATE agreements SET undo_ends_at = now() WHERE id = $1"
        await world.owner.execute(late, UUID(offered["_id"]))
    answer = await world.vendor_live.post(path_of(world.vendor, offered, "/undo"))
    assert said(answer) == NOT_OPEN
    assert (await above(world, world.shop))[0] == world.stranger


async def test_an_undo_is_stopped_by_what_stands_in_its_way_by_now(world: World) -> None:
    await world.owner.execute(
        "UPDATE organizations SET external_id = '7' WHERE id = $1", world.shop
    )
    offered = await move_the_shop(world)
    await world.vendor_live.patch(f"/organizations/{world.kiosk}", json={"external_id": "7"})
    for side in ("vendor", "stranger"):
        client = world.clients[f"{side}_live"]
        answer = await client.post(path_of(world.ids[side], offered, "/undo"))
        assert said(answer) == BLOCKED
        assert ("external_id_taken" in answer.json()["message"]) == (side == "vendor")
    assert (await above(world, world.shop))[0] == world.stranger


async def test_nobody_moves_what_is_not_managed_or_is_their_own(world: World) -> None:
    wanted = {"kind": "move", "with_organization_id": str(world.stranger)}
    for client, about, expected in (
        (world.vendor_live, world.enterprise, (400, "E_FAILED_SCHEMA_VALIDATION")),
        (world.vendor_live, world.vendor, (403, "E_ACCESS_DENIED")),
        (world.enterprise_live, world.enterprise, (403, "E_ACCESS_DENIED")),
        (world.shop_owner, world.shop, (403, "E_ACCESS_DENIED")),
        (world.vendor_live, world.foreign, NOT_FOUND),
    ):
        assert said(await client.post(path_of(about), json=wanted)) == expected
    own = {"kind": "move", "with_organization_id": str(world.vendor)}
    answer = await world.vendor_live.post(path_of(world.shop), json=own)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_neither_the_giver_nor_the_shop_accepts_for_the_receiver(world: World) -> None:
    offered = await offer(world.vendor_live, world.shop, world.enterprise)
    for client, party, expected in (
        (world.vendor_live, world.vendor, NOT_OPEN),
        (world.vendor_live, world.enterprise, (403, "E_ACCESS_DENIED")),
        (world.shop_live, world.shop, (404, "E_AGREEMENT_NOT_FOUND")),
        (world.stranger_live, world.stranger, (404, "E_AGREEMENT_NOT_FOUND")),
    ):
        assert said(await accept(client, party, offered)) == expected
    assert (await above(world, world.shop))[0] == world.vendor
