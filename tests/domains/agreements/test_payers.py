"""Who is named as a payer out of reach is asked, and pays from the moment it accepts."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from world import Json, World, said

NOT_OPEN = (409, "E_AGREEMENT_NOT_OPEN")
BLOCKED = (409, "E_AGREEMENT_BLOCKED")


def path_of(organization_id: object, agreement: Json | None = None, verb: str = "") -> str:
    path = f"/organizations/{organization_id}/agreements"
    return path if agreement is None else f"{path}/{agreement['_id']}{verb}"


async def ask(
    client: httpx.AsyncClient, about: UUID, payer: object, **terms: object
) -> dict[str, Any]:
    wanted = {"kind": "payer", "with_organization_id": str(payer)} | terms
    answer = await client.post(path_of(about), json=wanted)
    assert answer.status_code == 200, answer.text
    asked: dict[str, Any] = answer.json()
    return asked


async def accept(client: httpx.AsyncClient, party: object, agreement: Json) -> httpx.Response:
    return await client.post(path_of(party, agreement, "/accept"))


async def payer_of(world: World, organization_id: object) -> UUID | None:
    asked = "SELECT bill_to_organization FROM organizations WHERE id = $1"
    found: UUID | None = await world.owner.fetchval(asked, UUID(str(organization_id)))
    return found


async def test_a_payer_pays_from_its_acceptance_on(world: World) -> None:
    asked = await ask(world.vendor_live, world.shop, world.stranger, withhold_billing=True)
    assert (asked["state"], asked["party"]) == ("proposed", "asking")
    assert await payer_of(world, world.shop) is None
    answer = await accept(world.stranger_live, world.stranger, asked)
    accepted = answer.json()
    assert (accepted["state"], accepted["party"]) == ("executed", "paying")
    assert await payer_of(world, world.shop) == world.stranger
    seen = (await world.vendor_live.get(f"/organizations/{world.shop}")).json()
    paid = {"bill_to_organization": str(world.stranger), "withhold_billing": True}
    assert seen["billing_options"] == paid
    below = (await world.shop_live.get(f"/organizations/{world.shop}")).json()
    assert below["billing_options"] == {"withhold_billing": True}


async def test_each_party_has_its_copy_and_its_events(world: World) -> None:
    asked = await ask(world.vendor_live, world.shop, world.stranger, note="Shop 7, as agreed")
    await accept(world.stranger_live, world.stranger, asked)
    for client, party in ((world.vendor_live, "vendor"), (world.stranger_live, "stranger")):
        listed = (await client.get(path_of(world.ids[party]))).json()["data"]
        assert [(each["_id"], each["note"]) for each in listed] == [
            (asked["_id"], "Shop 7, as agreed")
        ]
    assert await world.events(world.vendor) == ["agreement.proposed", "agreement.executed"]
    told = ["agreement.proposed", "agreement.accepted", "agreement.executed"]
    assert await world.events(world.stranger) == told
    assert await world.events(world.shop) == ["organization.payer_changed"]
    assert await world.events(world.foreign) == []


async def test_no_party_learns_of_what_stands_above_or_beside_the_others(world: World) -> None:
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    await accept(world.stranger_live, world.stranger, asked)
    ids = {name: str(world.ids[name]) for name in world.ids}
    keys = {name: str(world.keys[f"{name}_live"]["id"]) for name in world.ids}
    for client, party, hidden in (
        (world.stranger_live, "stranger", ("vendor", "kiosk", "enterprise", "branch")),
        (world.shop_live, "shop", ("vendor", "stranger", "kiosk", "foreign")),
        (world.vendor_live, "vendor", ("foreign",)),
    ):
        for path in (path_of(ids[party]), f"/organizations/{ids[party]}/audit-log"):
            text = (await client.get(path)).text
            for name in hidden:
                assert ids[name] not in text, (party, name, path)
                assert keys[name] not in text, (party, name, path)


async def test_whoever_is_named_the_answer_is_the_same(world: World) -> None:
    """One that exists, one that does not, one that is managed, one whose grace is over."""
    gone = "UPDATE organizations SET status = 'archived' WHERE id = $1"
    shapes = set()
    for payer in (world.stranger, uuid4(), world.foreign, world.enterprise):
        if payer == world.enterprise:
            await world.owner.execute(gone, payer)
        asked = await ask(world.vendor_live, world.shop, payer)
        analysis = await world.vendor_live.get(path_of(world.vendor, asked, "/analysis"))
        moments = ("_id", "with_organization_id", "proposed_at", "accepted_at", "expires_at")
        shape = {name: value for name, value in asked.items() if name not in moments}
        shapes.add(str(shape | analysis.json()))
        await world.vendor_live.post(path_of(world.vendor, asked, "/withdraw"))
    assert len(shapes) == 1


@pytest.mark.parametrize("verb", ["accept", "decline", "withdraw"])
async def test_nobody_decides_for_another_party(world: World, verb: str) -> None:
    """The vendor reaches the enterprise, and asks it: then the enterprise answers by itself."""
    asked = await ask(world.vendor_live, world.shop, world.enterprise)
    path = path_of(world.enterprise, asked, f"/{verb}")
    assert said(await world.vendor_live.post(path)) == (403, "E_ACCESS_DENIED")
    no_party = path_of(world.foreign, asked, f"/{verb}")
    assert said(await world.stranger_live.post(no_party)) == (404, "E_AGREEMENT_NOT_FOUND")
    assert await payer_of(world, world.shop) is None
    if verb != "withdraw":
        assert (await world.enterprise_live.post(path)).status_code == 200


async def test_a_test_key_neither_asks_nor_accepts_for_what_is_live(world: World) -> None:
    wanted = {"kind": "payer", "with_organization_id": str(world.stranger)}
    answer = await world.vendor_test.post(path_of(world.shop), json=wanted)
    assert said(answer) == (403, "E_ACCESS_DENIED")
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    answer = await accept(world.stranger_test, world.stranger, asked)
    assert said(answer) == (403, "E_ACCESS_DENIED")
    assert await payer_of(world, world.shop) is None


async def test_what_is_declined_or_withdrawn_or_expired_is_over(world: World) -> None:
    for verb, client, party, state in (
        ("decline", world.stranger_live, "stranger", "declined"),
        ("withdraw", world.vendor_live, "vendor", "withdrawn"),
        (None, world.vendor_live, "vendor", "expired"),
    ):
        asked = await ask(world.vendor_live, world.shop, world.stranger)
        if verb is None:
            late = "UPDATE agreements SET expires_at = now() WHERE id = $1"
            await world.owner.execute(late, UUID(asked["_id"]))
        else:
            answer = await client.post(path_of(world.ids[party], asked, f"/{verb}"))
            assert answer.json()["state"] == state
        answer = await accept(world.stranger_live, world.stranger, asked)
        assert said(answer) == NOT_OPEN
        read = await world.vendor_live.get(path_of(world.vendor, asked))
        assert read.json()["state"] == state
        listed = await world.vendor_live.get(path_of(world.vendor), params={"state": state})
        assert [each["_id"] for each in listed.json()["data"]] == [asked["_id"]]
    assert await payer_of(world, world.shop) is None


async def test_nobody_is_asked_the_same_twice_at_once(world: World) -> None:
    await ask(world.vendor_live, world.shop, world.stranger)
    wanted = {"kind": "payer", "with_organization_id": str(world.enterprise)}
    answer = await world.vendor_live.post(path_of(world.shop), json=wanted)
    assert said(answer) == (409, "E_AGREEMENT_PENDING")
    late = "UPDATE agreements SET expires_at = now() WHERE organization_id = $1"
    await world.owner.execute(late, world.vendor)
    assert (await world.vendor_live.post(path_of(world.shop), json=wanted)).status_code == 200


async def test_consent_is_taken_back_with_effect_from_then_on(world: World) -> None:
    asked = await ask(world.vendor_live, world.shop, world.stranger, withhold_billing=True)
    await accept(world.stranger_live, world.stranger, asked)
    answer = await world.stranger_live.post(path_of(world.stranger, asked, "/withdraw"))
    assert answer.json()["state"] == "ended"
    assert await payer_of(world, world.shop) is None
    seen = (await world.vendor_live.get(f"/organizations/{world.shop}")).json()
    assert "billing_options" not in seen
    again = await world.stranger_live.post(path_of(world.stranger, asked, "/withdraw"))
    assert said(again) == NOT_OPEN
    changes = ["organization.payer_changed"] * 2
    assert await world.events(world.shop) == changes


async def test_who_asked_may_name_another_and_the_consent_ends(world: World) -> None:
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    await accept(world.stranger_live, world.stranger, asked)
    shop = f"/organizations/{world.shop}"
    same = {"billing_options": {"bill_to_organization": str(world.stranger)}}
    repeated = (await world.vendor_live.patch(shop, json=same)).json()
    assert "payer_agreement_id" not in repeated
    own = {"billing_options": {"bill_to_organization": str(world.vendor)}}
    assert (await world.vendor_live.patch(shop, json=own)).status_code == 200
    read = await world.stranger_live.get(path_of(world.stranger, asked))
    assert read.json()["state"] == "ended"
    assert (await world.trail(world.stranger))[-1] == "agreement.ended"


async def test_naming_another_withdraws_what_was_asked_and_the_same_asks_once(world: World) -> None:
    shop = f"/organizations/{world.shop}"
    ids = []
    for payer in (world.stranger, world.stranger, world.foreign):
        wanted = {"billing_options": {"bill_to_organization": str(payer)}}
        changed = (await world.vendor_live.patch(shop, json=wanted)).json()
        ids.append(changed["payer_agreement_id"])
    assert ids[0] == ids[1] != ids[2]
    await world.vendor_live.patch(shop, json={"billing_options": None})
    listed = await world.vendor_live.get(path_of(world.vendor))
    states = {each["_id"]: each["state"] for each in listed.json()["data"]}
    assert states == {ids[0]: "withdrawn", ids[2]: "withdrawn"}


async def test_an_asker_without_the_right_changes_nothing(world: World) -> None:
    limited = "UPDATE api_keys SET permissions = '{organization:update}' WHERE id = $1"
    await world.owner.execute(limited, world.keys["vendor_live"]["id"])
    wanted = {"billing_options": {"bill_to_organization": str(world.stranger)}, "town": "Bonn"}
    answer = await world.vendor_live.patch(f"/organizations/{world.shop}", json=wanted)
    assert said(answer) == (403, "E_ACCESS_DENIED")
    assert answer.json()["missing"]["right"] == "agreement:propose"
    assert await world.events(world.shop) == []


@pytest.mark.parametrize("name", ["payer_not_live", "organization_closed"])
async def test_what_stands_in_the_way_is_told_to_whose_business_it_is(
    world: World, name: str
) -> None:
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    by = world.stranger_live
    if name == "payer_not_live":
        await world.owner.execute(
            "UPDATE organizations SET envs = '{TEST}' WHERE id = $1", world.stranger
        )
        by = world.stranger_test
    else:
        closed = {"status": "archived"}
        await world.vendor_live.post(f"/organizations/{world.shop}/status", json=closed)
    answer = await accept(by, world.stranger, asked)
    assert said(answer) == BLOCKED
    assert (name in answer.json()["message"]) == (name == "payer_not_live")
    for client, party in ((world.vendor_live, "vendor"), (by, "stranger")):
        path = path_of(world.ids[party], asked, "/analysis")
        found = [each["name"] for each in (await client.get(path)).json()["blockers"]]
        is_told = (name == "payer_not_live") == (party == "stranger")
        assert found == ([name] if is_told else [])
    assert await payer_of(world, world.shop) is None
    read = await world.vendor_live.get(path_of(world.vendor, asked))
    assert read.json()["state"] == "proposed"


async def test_a_proposal_dies_with_the_reach_of_who_made_it(world: World) -> None:
    asked = await ask(world.vendor_live, world.branch, world.stranger)
    await world.vendor_live.post(f"/organizations/{world.enterprise}/handover")
    answer = await accept(world.stranger_live, world.stranger, asked)
    assert said(answer) == BLOCKED
    assert "organization_elsewhere" in answer.json()["message"]
    assert await payer_of(world, world.branch) is None


async def test_payers_do_not_pay_in_a_circle_however_long(world: World) -> None:
    """The stranger pays for the vendor, it for the enterprise, and that not for the stranger."""
    first = await ask(world.vendor_live, world.vendor, world.stranger)
    assert (await accept(world.stranger_live, world.stranger, first)).status_code == 200
    paid = {"billing_options": {"bill_to_organization": str(world.vendor)}}
    path = f"/organizations/{world.enterprise}"
    assert (await world.vendor_live.patch(path, json=paid)).status_code == 200
    circle = await ask(world.stranger_live, world.stranger, world.enterprise)
    answer = await accept(world.enterprise_live, world.enterprise, circle)
    assert said(answer) == BLOCKED
    assert "payer_circle" in answer.json()["message"]
    assert await payer_of(world, world.stranger) is None


async def test_a_circle_is_refused_where_a_payer_is_named_at_once(world: World) -> None:
    paid = {"billing_options": {"bill_to_organization": str(world.vendor)}}
    path = f"/organizations/{world.enterprise}"
    assert (await world.vendor_live.patch(path, json=paid)).status_code == 200
    back = {"billing_options": {"bill_to_organization": str(world.enterprise)}}
    answer = await world.vendor_live.patch(f"/organizations/{world.vendor}", json=back)
    assert said(answer) == (409, "E_PAYER_CIRCLE")
    assert await world.events(world.vendor) == []


async def test_an_acceptance_repeated_with_its_key_is_replayed(world: World) -> None:
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    headers = {"idempotency-key": "accept-once"}
    path = path_of(world.stranger, asked, "/accept")
    first = await world.stranger_live.post(path, headers=headers)
    again = await world.stranger_live.post(path, headers=headers)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert said(await world.stranger_live.post(path)) == NOT_OPEN


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "gift"}, "body.kind"),
        ({"with_organization_id": None}, "body"),
        ({"kind": "move", "gln": "4012345000009"}, "body"),
        ({"kind": "handover", "undo_seconds": 604_801}, "body.undo_seconds"),
        ({"with_organization_id": "shop"}, "body.with_organization_id"),
        ({"expires_in_seconds": 1}, "body.expires_in_seconds"),
        ({"note": "two\nlines"}, "body.note"),
        ({"gln": "1"}, "body.gln"),
        ({"state": "executed"}, "body"),
    ],
)
async def test_a_wrong_shape_is_refused_by_name(world: World, wrong: Json, field: str) -> None:
    wanted = {"kind": "payer", "with_organization_id": str(world.stranger)} | wrong
    answer = await world.vendor_live.post(path_of(world.shop), json=wanted)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["details"][0]["field"].startswith(field)
    assert await world.trail(world.stranger) == []


async def test_nobody_asks_an_organization_to_pay_for_itself(world: World) -> None:
    wanted = {"kind": "payer", "with_organization_id": str(world.shop)}
    answer = await world.vendor_live.post(path_of(world.shop), json=wanted)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_a_list_is_paged_and_its_cursor_belongs_to_it(world: World) -> None:
    shops = [world.shop, world.kiosk, world.branch]
    for shop in shops:
        await ask(world.vendor_live, shop, world.stranger)
    found, cursor = [], ""
    for _ in shops:
        page = await world.stranger_live.get(
            path_of(world.stranger), params={"limit": "1", "cursor": cursor, "kind": "payer"}
        )
        found += [UUID(each["about_organization_id"]) for each in page.json()["data"]]
        cursor = page.json().get("next_cursor", "")
    assert (found, cursor) == (shops, "")
    first = await world.vendor_live.get(path_of(world.vendor), params={"limit": "1"})
    stolen = {"limit": "1", "cursor": first.json()["next_cursor"]}
    answer = await world.stranger_live.get(path_of(world.stranger), params=stolen)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


async def test_an_administered_organization_asks_for_itself_and_its_own(world: World) -> None:
    """It sees whom it named, and so does its administrator; its shop does not."""
    asked = await ask(world.enterprise_live, world.branch, world.stranger)
    await accept(world.stranger_live, world.stranger, asked)
    path = f"/organizations/{world.branch}"
    for client in (world.enterprise_live, world.vendor_live):
        seen = (await client.get(path)).json()
        assert seen["billing_options"] == {"bill_to_organization": str(world.stranger)}
    assert str(world.stranger) not in (await world.branch_live.get(path)).text


async def test_nobody_replaces_by_agreement_a_payer_who_is_decided_above(world: World) -> None:
    """As `billing_options` is refused from below; and the proposal does not tell that one pays."""
    about, path = world.enterprise, f"/organizations/{world.enterprise}"
    unpaid = await ask(world.enterprise_live, about, world.stranger)
    await world.enterprise_live.post(path_of(about, unpaid, "/withdraw"))
    paid = {"billing_options": {"bill_to_organization": str(world.vendor)}}
    assert (await world.vendor_live.patch(path, json=paid)).status_code == 200
    asked = await ask(world.enterprise_live, about, world.stranger)
    assert asked["analysis"] == unpaid["analysis"]
    answer = await accept(world.stranger_live, world.stranger, asked)
    assert said(answer) == BLOCKED
    assert "above" not in answer.text
    assert await payer_of(world, about) == world.vendor
