"""Administration of a main organization is given to another one, or given up, by agreement."""

from uuid import UUID

import pytest

from domains.agreements.test_moves import above, leave_traces, names, offer
from domains.agreements.test_payers import BLOCKED, NOT_OPEN, accept, path_of, payer_of
from world import ADDRESS, KEY, Json, World, said

NOT_FOUND = (404, "E_ORGANIZATION_NOT_FOUND")


async def hand_to_the_stranger(world: World) -> Json:
    offered = await offer(world.vendor_live, world.enterprise, world.stranger, "handover")
    for name in ("stranger", "enterprise"):
        answer = await accept(world.clients[f"{name}_live"], world.ids[name], offered)
        assert answer.status_code == 200, answer.text
    return offered


async def test_it_wants_all_three(world: World) -> None:
    offered = await offer(world.vendor_live, world.enterprise, world.stranger, "handover")
    first = (await accept(world.enterprise_live, world.enterprise, offered)).json()
    assert (first["state"], first["party"]) == ("proposed", "itself")
    assert (await above(world, world.enterprise))[1] == world.vendor
    assert said(await accept(world.enterprise_live, world.enterprise, offered)) == NOT_OPEN
    last = (await accept(world.stranger_live, world.stranger, offered)).json()
    assert (last["state"], last["party"]) == ("executed", "receiving")
    assert await above(world, world.enterprise) == (
        None, world.stranger, [world.enterprise, world.stranger],
    )  # fmt: skip
    assert await above(world, world.branch) == (
        world.enterprise, None, [world.branch, world.enterprise, world.stranger],
    )  # fmt: skip


async def test_the_tree_leaves_one_reach_and_enters_the_other_at_once(world: World) -> None:
    await hand_to_the_stranger(world)
    for name in ("enterprise", "branch"):
        path = f"/organizations/{world.ids[name]}"
        assert said(await world.vendor_live.get(path)) == NOT_FOUND
        assert said(await world.vendor_owner.get(f"{path}/users")) == NOT_FOUND
        assert (await world.stranger_live.get(f"{path}/api-keys")).status_code == 200
    made = {"name": "Next", "managed_by_organization_id": str(world.enterprise)} | ADDRESS
    created = (await world.enterprise_live.post("/organizations", json=made)).json()
    assert (await world.stranger_live.get(f"/organizations/{created['_id']}")).status_code == 200
    # The last two may be of one millisecond, and then their ids tell no order.
    proposed, accepted, *done = await world.events(world.enterprise)
    assert (proposed, accepted) == ("agreement.proposed", "agreement.accepted")
    assert sorted(done) == ["agreement.executed", "organization.handed_over"]


async def test_the_organization_consents_to_whom_it_knows_by_id_alone(world: World) -> None:
    offered = await offer(world.vendor_live, world.enterprise, world.stranger, "handover")
    path = path_of(world.enterprise, offered)
    seen = await world.enterprise_live.get(path)
    assert seen.json()["with_organization_id"] == str(world.stranger)
    assert str(world.vendor) not in seen.text
    assert str(world.vendor) not in (await world.enterprise_live.get(f"{path}/analysis")).text
    assert said(await world.enterprise_live.get(f"/organizations/{world.stranger}")) == NOT_FOUND


async def test_who_administers_does_not_accept_for_the_organization(world: World) -> None:
    offered = await offer(world.vendor_live, world.enterprise, None, "handover")
    for client in (world.vendor_live, world.vendor_owner):
        answer = await accept(client, world.enterprise, offered)
        assert said(answer) == (403, "E_ACCESS_DENIED")
    assert (await above(world, world.enterprise))[1] == world.vendor


async def test_administration_is_given_up_and_taken_back_in_time(world: World) -> None:
    offered = await offer(world.vendor_live, world.enterprise, None, "handover")
    await accept(world.enterprise_live, world.enterprise, offered)
    path = f"/organizations/{world.branch}"
    assert said(await world.vendor_live.get(path)) == NOT_FOUND
    answer = await world.enterprise_live.post(path_of(world.enterprise, offered, "/undo"))
    assert said(answer) == NOT_OPEN
    undone = await world.vendor_live.post(path_of(world.vendor, offered, "/undo"))
    assert undone.json()["state"] == "undone"
    assert (await world.vendor_live.get(path)).status_code == 200


async def test_an_undo_brings_back_what_was_made_since(world: World) -> None:
    offered = await hand_to_the_stranger(world)
    made = {"name": "Next", "managed_by_organization_id": str(world.enterprise)} | ADDRESS
    created = (await world.enterprise_live.post("/organizations", json=made)).json()
    await world.stranger_live.post(path_of(world.stranger, offered, "/undo"))
    path = f"/organizations/{created['_id']}"
    assert (await world.vendor_live.get(path)).status_code == 200
    assert said(await world.stranger_live.get(path)) == NOT_FOUND


async def test_who_began_to_administer_is_not_taken_back(world: World) -> None:
    """One level only: what is administered administers nobody."""
    offered = await offer(world.vendor_live, world.enterprise, None, "handover")
    await accept(world.enterprise_live, world.enterprise, offered)
    await world.enterprise_live.post("/organizations", json={"name": "Partner"} | ADDRESS)
    answer = await world.vendor_live.post(path_of(world.vendor, offered, "/undo"))
    assert said(answer) == BLOCKED
    assert "administers_others" in answer.json()["message"]


async def test_an_administered_organization_receives_nobody(world: World) -> None:
    wanted = {"name": "Partner"} | ADDRESS
    partner = (await world.stranger_test.post("/organizations", json=wanted)).json()["_id"]
    await world.owner.execute(
        "UPDATE organizations SET envs = '{TEST,LIVE}' WHERE id = $1", UUID(partner)
    )
    offered = await offer(world.vendor_live, world.enterprise, partner, "handover")
    await accept(world.enterprise_live, world.enterprise, offered)
    answer = await accept(world.stranger_live, partner, offered)
    assert said(answer) == BLOCKED
    assert "receiver_administered" in answer.json()["message"]
    path = path_of(world.enterprise, offered, "/analysis")
    assert await names(world.enterprise_live, path, "blockers") == set()


async def test_what_was_given_up_at_once_is_not_given_to_another(world: World) -> None:
    offered = await offer(world.vendor_live, world.enterprise, world.stranger, "handover")
    await accept(world.enterprise_live, world.enterprise, offered)
    await world.vendor_live.post(f"/organizations/{world.enterprise}/handover")
    answer = await accept(world.stranger_live, world.stranger, offered)
    assert said(answer) == BLOCKED
    assert "organization_elsewhere" in answer.json()["message"]
    assert (await above(world, world.enterprise))[1] is None


async def test_who_declines_ends_it_for_all(world: World) -> None:
    offered = await offer(world.vendor_live, world.enterprise, world.stranger, "handover")
    await accept(world.stranger_live, world.stranger, offered)
    path = path_of(world.enterprise, offered, "/decline")
    assert (await world.enterprise_live.post(path)).json()["state"] == "declined"
    for name in ("vendor", "stranger", "enterprise"):
        read = await world.clients[f"{name}_live"].get(path_of(world.ids[name], offered))
        assert read.json()["state"] == "declined"
        assert (await world.events(world.ids[name]))[-1] == "agreement.declined"


@pytest.mark.parametrize("how", ["by agreement", "at once"])
async def test_who_goes_on_paying_may_take_it_back(world: World, how: str) -> None:
    paid = {"billing_options": {"bill_to_organization": str(world.vendor)}}
    path = f"/organizations/{world.enterprise}"
    await world.vendor_live.patch(path, json=paid)
    if how == "by agreement":
        await hand_to_the_stranger(world)
    else:
        await world.vendor_live.post(f"{path}/handover")
    assert await payer_of(world, world.enterprise) == world.vendor
    for client in (world.enterprise_live, world.stranger_live):
        assert str(world.vendor) not in (await client.get(path)).text
    asked = {"kind": "payer", "state": "executed"}
    listed = await world.vendor_live.get(path_of(world.vendor), params=asked)
    [consent] = listed.json()["data"]
    assert consent["about_organization_id"] == str(world.enterprise)
    ended = await world.vendor_live.post(path_of(world.vendor, consent, "/withdraw"))
    assert ended.json()["state"] == "ended"
    assert await payer_of(world, world.enterprise) is None


@pytest.mark.parametrize("how", ["by agreement", "at once"])
async def test_contact_persons_from_above_do_not_stay_to_be_read(world: World, how: str) -> None:
    person = {"contact_person_id": str(world.people["vendor_admin"])}
    for name in ("enterprise", "branch"):
        answer = await world.vendor_live.patch(f"/organizations/{world.ids[name]}", json=person)
        assert answer.status_code == 200
    if how == "by agreement":
        await hand_to_the_stranger(world)
    else:
        await world.vendor_live.post(f"/organizations/{world.enterprise}/handover")
    for name in ("enterprise", "branch"):
        shown = await world.enterprise_live.get(f"/organizations/{world.ids[name]}")
        assert person["contact_person_id"] not in shown.text


async def test_keys_that_survive_are_listed_for_who_sees_them(world: World) -> None:
    managed = KEY | {"managed_by_organization_id": str(world.vendor)}
    path = f"/organizations/{world.branch}/api-keys"
    key_id = (await world.vendor_live.post(path, json=managed)).json()["_id"]
    offered = await offer(world.vendor_live, world.enterprise, world.stranger, "handover")
    for name, is_listed in (("vendor", True), ("enterprise", True), ("stranger", False)):
        found = await world.clients[f"{name}_live"].get(
            path_of(world.ids[name], offered, "/analysis")
        )
        warnings = {each["name"]: each for each in found.json()["warnings"]}
        assert warnings["keys_survive"]["count"] == 1
        assert (warnings["keys_survive"].get("api_key_ids") == [key_id]) is is_listed
        assert warnings["organizations_below"]["count"] == 1


async def test_a_shop_is_not_handed_over_nor_is_what_nobody_administers(world: World) -> None:
    await leave_traces(world)
    wanted = {"kind": "handover", "with_organization_id": str(world.stranger)}
    for about, expected in (
        (world.shop, (400, "E_FAILED_SCHEMA_VALIDATION")),
        (world.vendor, (403, "E_ACCESS_DENIED")),
    ):
        assert said(await world.vendor_live.post(path_of(about), json=wanted)) == expected
