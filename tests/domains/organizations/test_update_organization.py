from typing import Any
from uuid import UUID, uuid4

import pytest

from world import ADDRESS, World, said

CHANGES: dict[str, Any] = {
    "name": "Kiosk am Zoo",
    "display_name": "Am Zoo",
    "address_line1": "Weg 2",
    "address_line2": "Hof",
    "zip": "10787",
    "town": "Potsdam",
    "state": "Brandenburg",
    "country_code": "AUT",
    "tax_number": "1",
    "vat_id": "ATU1",
    "economy_id": "E1",
    "external_id": "X1",
    "billing_options": {"gln": "4012345000009"},
    "metadata": {"a": "1"},
}
NULLABLE = [
    "display_name",
    "address_line2",
    "state",
    "tax_number",
    "vat_id",
    "economy_id",
    "external_id",
    "billing_options",
    "metadata",
]


def path_of(organization: dict[str, Any]) -> str:
    return f"/organizations/{organization['_id']}"


async def test_what_is_given_changes_and_the_rest_stays(world: World) -> None:
    expected = await world.create_shop()
    for name, value in CHANGES.items():
        answer = await world.vendor_test.patch(path_of(expected), json={name: value})
        assert answer.status_code == 200, answer.text
        expected[name] = value
        assert answer.json() == expected
    assert (await world.vendor_test.get(path_of(expected))).json() == expected
    assert await world.events(expected["_id"]) == [
        "organization.created",
        *["organization.updated" for _ in CHANGES],
    ]


async def test_the_event_names_the_changed_fields_and_not_their_contents(world: World) -> None:
    created = await world.create_shop()
    await world.vendor_test.patch(path_of(created), json={"zip": "1", "town": "Potsdam"})
    (row,) = await world.owner.fetch(
        "SELECT details, actor_id FROM audit_rows "
        "WHERE organization_id = $1 AND event = 'organization.updated'",
        UUID(created["_id"]),
    )
    assert row["details"]["fields"] == ["town", "zip"]
    assert "Potsdam" not in str(row["details"])
    assert row["actor_id"] == world.keys["vendor_test"]["id"]


async def test_null_clears_what_is_optional(world: World) -> None:
    created = await world.create_shop(**{name: CHANGES[name] for name in NULLABLE})
    cleared = dict.fromkeys(NULLABLE)
    answer = await world.vendor_test.patch(path_of(created), json=cleared)
    assert answer.json() == {k: v for k, v in created.items() if k not in NULLABLE}


async def test_metadata_is_replaced_whole(world: World) -> None:
    created = await world.create_shop(metadata={"a": "1", "b": "2"})
    answer = await world.vendor_test.patch(path_of(created), json={"metadata": {"c": "3"}})
    assert answer.json()["metadata"] == {"c": "3"}


async def test_billing_options_are_replaced_whole(world: World) -> None:
    options = {"gln": "4012345000009", "bill_to_organization": str(world.vendor)}
    created = await world.create_shop(billing_options=options)
    new = {"bill_to_organization": str(world.enterprise), "withhold_billing": True}
    answer = await world.vendor_test.patch(path_of(created), json={"billing_options": new})
    assert answer.json()["billing_options"] == new


async def test_the_manager_may_be_repeated_and_not_changed(world: World) -> None:
    created = await world.create_shop()
    for manager, expected in (
        (str(world.vendor), (200, None)),
        (str(world.enterprise), (409, "E_ORGANIZATION_CANNOT_MOVE")),
        (str(uuid4()), (409, "E_ORGANIZATION_CANNOT_MOVE")),
        (None, (409, "E_ORGANIZATION_CANNOT_MOVE")),
    ):
        wanted = {"managed_by_organization_id": manager}
        assert said(await world.vendor_test.patch(path_of(created), json=wanted)) == expected
    assert await world.events(created["_id"]) == ["organization.created"]


async def test_a_main_organization_cannot_become_managed(world: World) -> None:
    wanted = {"managed_by_organization_id": str(world.vendor)}
    answer = await world.vendor_live.patch(f"/organizations/{world.enterprise}", json=wanted)
    assert said(answer) == (409, "E_ORGANIZATION_CANNOT_MOVE")


async def test_a_change_of_nothing_is_no_event(world: World) -> None:
    created = await world.create_shop()
    for same in ({}, {"name": created["name"]}, {"display_name": None, "zip": created["zip"]}):
        answer = await world.vendor_test.patch(path_of(created), json=same)
        assert (answer.status_code, answer.json()) == (200, created)
    assert await world.events(created["_id"]) == ["organization.created"]


async def test_a_test_key_does_not_change_what_is_live(world: World) -> None:
    path, wanted = f"/organizations/{world.shop}", {"name": "New name"}
    refused = await world.vendor_test.patch(path, json=wanted)
    assert said(refused) == (403, "E_ACCESS_DENIED")
    assert refused.json()["missing"] == {
        "right": "organization:update",
        "organization_id": str(world.shop),
        "env": "TEST",
    }
    assert await world.events(world.shop) == []
    assert (await world.vendor_live.patch(path, json=wanted)).json()["name"] == "New name"


async def test_a_managed_organization_does_not_change_itself(world: World) -> None:
    path, wanted = f"/organizations/{world.shop}", {"name": "New name"}
    for character in (world.shop_test, world.shop_live, world.shop_owner):
        assert said(await character.patch(path, json=wanted)) == (403, "E_ACCESS_DENIED")


async def test_a_main_organization_changes_itself_and_what_is_below(world: World) -> None:
    for name in ("enterprise", "branch"):
        path = f"/organizations/{world.ids[name]}"
        answer = await world.enterprise_live.patch(path, json={"name": "New name"})
        assert answer.json()["name"] == "New name"


async def test_people_change_according_to_their_role(world: World) -> None:
    path = f"/organizations/{world.shop}"
    found = {}
    for role in ("owner", "admin", "billing", "member"):
        client = world.clients[f"vendor_{role}"]
        found[role] = (await client.patch(path, json={"name": f"By {role}"})).status_code
    assert found == {"owner": 200, "admin": 200, "billing": 403, "member": 403}


async def test_what_cannot_be_seen_cannot_be_changed(world: World) -> None:
    for client, hidden in (
        (world.shop_live, world.vendor),
        (world.shop_live, world.kiosk),
        (world.enterprise_live, world.vendor),
        (world.vendor_live, world.stranger),
        (world.vendor_live, uuid4()),
    ):
        answer = await client.patch(f"/organizations/{hidden}", json={"name": "New name"})
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"colour": "red"}, "body"),
        ({"_id": str(UUID(int=7))}, "body"),
        ({"name": None}, "body.name"),
        ({"name": "AB"}, "body.name"),
        ({"country_code": "XKX"}, "body.country_code"),
        ({"country_code": "deu"}, "body.country_code"),
        ({"metadata": {"k": "x" * 501}}, "body.metadata"),
        ({"billing_options": {"withhold_billing": True}}, "body.billing_options"),
    ],
    ids=str,
)
async def test_a_wrong_shape_is_refused_by_name(
    world: World, wrong: dict[str, object], where: str
) -> None:
    answer = await world.vendor_live.patch(f"/organizations/{world.shop}", json=wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(where)
    assert await world.events(world.shop) == []


async def test_an_empty_array_as_body_takes_the_fields_from_the_query(world: World) -> None:
    created = await world.create_shop()
    answer = await world.vendor_test.patch(path_of(created), params={"zip": "1"}, json=[])
    assert answer.json() == created | {"zip": "1"}


async def test_a_taken_external_id_is_refused(world: World) -> None:
    await world.create_shop(external_id="till-7")
    other = await world.create_shop()
    answer = await world.vendor_test.patch(path_of(other), json={"external_id": "till-7"})
    assert said(answer) == (409, "E_EXTERNAL_ID_CONFLICT")
    assert (await world.vendor_test.get(path_of(other))).json() == other
    assert await world.events(other["_id"]) == ["organization.created"]


async def test_an_external_id_is_changed_by_whoever_administers(world: World) -> None:
    """Taken or free: from below both answer alike, and so say nothing of those beside."""
    beside = {"name": "Beside", "external_id": "taken"} | ADDRESS
    assert (await world.vendor_live.post("/organizations", json=beside)).status_code == 200
    path = path_of({"_id": world.enterprise})
    taken = await world.enterprise_live.patch(path, json={"external_id": "taken"})
    free = await world.enterprise_live.patch(path, json={"external_id": "free"})
    assert said(taken) == said(free) == (403, "E_ACCESS_DENIED")
    assert taken.json()["message"] == free.json()["message"]
    assert (await world.vendor_live.patch(path, json={"external_id": "free"})).status_code == 200
    same = {"external_id": "free", "town": "Bonn"}
    assert (await world.enterprise_live.patch(path, json=same)).status_code == 200


async def test_nobody_is_their_own_payer(world: World) -> None:
    created = (
        await world.vendor_test.post("/organizations", json={"name": "Main"} | ADDRESS)
    ).json()
    options = {"bill_to_organization": created["_id"]}
    answer = await world.vendor_test.patch(path_of(created), json={"billing_options": options})
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert "body.billing_options.bill_to_organization" in answer.json()["message"]


async def test_a_payer_is_seen_and_main(world: World) -> None:
    created = await world.create_shop()
    for payer, expected in (
        (world.enterprise, (200, None)),
        (world.kiosk, (400, "E_FAILED_SCHEMA_VALIDATION")),
    ):
        options = {"bill_to_organization": str(payer)}
        answer = await world.vendor_test.patch(path_of(created), json={"billing_options": options})
        assert said(answer) == expected


async def test_a_payer_out_of_sight_is_asked_and_nothing_changes(world: World) -> None:
    options = {"bill_to_organization": str(world.vendor)}
    created = await world.create_shop(billing_options=options)
    for payer in (world.stranger, uuid4(), world.foreign):
        wanted = {"billing_options": {"bill_to_organization": str(payer)}}
        answer = await world.vendor_test.patch(path_of(created), json=wanted)
        changed = answer.json()
        assert changed.pop("payer_agreement_id")
        read = await world.vendor_test.get(path_of(created))
        assert changed == created == read.json()
        assert answer.headers["etag"] == read.headers["etag"]
    assert await world.events(created["_id"]) == ["organization.created"]


async def test_live_use_is_billed_to_a_live_payer(world: World) -> None:
    payer = (await world.vendor_test.post("/organizations", json={"name": "Main"} | ADDRESS)).json()
    wanted = {"billing_options": {"bill_to_organization": payer["_id"]}}
    answer = await world.vendor_live.patch(f"/organizations/{world.shop}", json=wanted)
    assert said(answer) == (409, "E_PAYER_NOT_LIVE")


async def test_a_contact_person_belongs_to_the_organization_or_the_caller(world: World) -> None:
    path = f"/organizations/{world.shop}"
    for person, expected in (
        (world.people["shop_owner"], (200, None)),
        (world.people["vendor_admin"], (200, None)),
        (uuid4(), (404, "E_USER_NOT_FOUND")),
    ):
        wanted = {"contact_person_id": str(person)}
        assert said(await world.vendor_live.patch(path, json=wanted)) == expected
    stranger = await world.stranger_live.patch(
        f"/organizations/{world.foreign}",
        json={"contact_person_id": str(world.people["vendor_admin"])},
    )
    assert said(stranger) == (404, "E_USER_NOT_FOUND")
