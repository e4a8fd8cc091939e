"""Who paid from when to when: without gaps, without overlaps, and not for everybody's eyes."""

from typing import Any

from domains.agreements.test_payers import accept, ask, path_of
from world import World

NO_PAYER = {"billing_options": None}


def paid_by(payer: object, *, withheld: bool = False) -> dict[str, Any]:
    options: dict[str, Any] = {"bill_to_organization": str(payer)}
    return {"billing_options": options | ({"withhold_billing": True} if withheld else {})}


def periods_of(organization_id: object) -> str:
    return f"/organizations/{organization_id}/payer-periods"


async def stored(world: World) -> list[tuple[Any, ...]]:
    rows = await world.owner.fetch(
        "SELECT starts_at, ends_at, bill_to_organization FROM payer_periods "
        "WHERE organization_id = $1 ORDER BY starts_at",
        world.shop,
    )
    return [tuple(row) for row in rows]


async def test_each_change_ends_a_period_and_begins_the_next(world: World) -> None:
    path = f"/organizations/{world.shop}"
    for wanted in (paid_by(world.vendor), paid_by(world.enterprise), NO_PAYER):
        assert (await world.vendor_live.patch(path, json=wanted)).status_code == 200
    asked = await ask(world.vendor_live, world.shop, world.stranger)
    await accept(world.stranger_live, world.stranger, asked)
    await world.stranger_live.post(path_of(world.stranger, asked, "/withdraw"))
    rows = await stored(world)
    payers = [world.vendor, world.enterprise, None, world.stranger, None]
    assert [payer for _, _, payer in rows] == payers
    assert [ends for _, ends, _ in rows] == [*(starts for starts, _, _ in rows[1:]), None]
    shown = (await world.vendor_live.get(periods_of(world.shop))).json()
    assert shown["_type"] == "PAYER_PERIOD_LIST"
    newest_first = [str(payer) for payer in reversed(payers) if payer]
    assert [each["bill_to_organization"] for each in shown["data"]] == newest_first
    assert all("ends_at" in each for each in shown["data"])


async def test_what_changes_nobody_who_pays_leaves_the_periods_alone(world: World) -> None:
    path = f"/organizations/{world.shop}"
    for wanted in (paid_by(world.vendor), paid_by(world.vendor), {"town": "Bonn"}):
        assert (await world.vendor_live.patch(path, json=wanted)).status_code == 200
    assert len(await stored(world)) == 1


async def test_who_is_paid_for_from_birth_has_a_period_from_birth(world: World) -> None:
    created = await world.create_shop(**paid_by(world.vendor))
    batch = {"name": "Shop", "address_line1": "Weg 1", "zip": "1", "town": "Bonn"}
    batch |= {"country_code": "DEU", "managed_by_organization_id": str(world.vendor)}
    items = [{"organization": batch | paid_by(world.vendor)}]
    made = await world.vendor_test.post("/organizations/batch", json={"items": items})
    for organization in (created, made.json()["data"][0]["organization"]):
        shown = await world.vendor_test.get(periods_of(organization["_id"]))
        assert [each["bill_to_organization"] for each in shown.json()["data"]] == [
            str(world.vendor)
        ]


async def test_nobody_below_learns_who_pays_from_above(world: World) -> None:
    path = f"/organizations/{world.branch}"
    for payer in (world.vendor, world.enterprise):
        await world.vendor_live.patch(path, json=paid_by(payer))
    await world.vendor_live.patch(path, json=NO_PAYER)
    seen = {}
    for name in ("vendor", "enterprise", "branch"):
        answer = await world.clients[f"{name}_live"].get(periods_of(world.branch))
        seen[name] = [each["bill_to_organization"] for each in answer.json()["data"]]
    vendor, enterprise = str(world.vendor), str(world.enterprise)
    assert seen == {"vendor": [enterprise, vendor], "enterprise": [enterprise], "branch": []}


async def test_a_withheld_organization_sees_no_money(world: World) -> None:
    path = f"/organizations/{world.shop}"
    await world.vendor_live.patch(path, json=paid_by(world.vendor, withheld=True))
    for client in (world.shop_live, world.shop_owner):
        assert (await client.get(periods_of(world.shop))).json()["data"] == []
    assert len((await world.vendor_live.get(periods_of(world.shop))).json()["data"]) == 1


async def test_a_clock_that_goes_back_makes_no_period_end_before_it_began(world: World) -> None:
    """Of two changes at one moment the second counts."""
    change = "UPDATE organizations SET bill_to_organization = $2 WHERE id = $1"
    future = (
        "UPDATE payer_periods SET starts_at = now() + interval '1 h' WHERE organization_id = $1"
    )
    await world.owner.execute(change, world.shop, world.vendor)
    await world.owner.execute(future, world.shop)
    await world.owner.execute(change, world.shop, world.enterprise)
    rows = await stored(world)
    assert [(ends, payer) for _, ends, payer in rows] == [(None, world.enterprise)]
