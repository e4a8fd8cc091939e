from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest

from world import ADDRESS, KEY, World, said

RECORDED = [
    "_id",
    "_type",
    "_envs",
    "name",
    "address_line1",
    "zip",
    "town",
    "state",
    "country_code",
    "tax_number",
    "managed_by_organization_id",
    "created_by_user",
]
MAIN = {"name": "Partner"} | ADDRESS


def managed_by(organization_id: object, **fields: object) -> dict[str, Any]:
    return MAIN | {"managed_by_organization_id": str(organization_id)} | fields


async def test_a_managed_organization_made_in_test_is_in_test(world: World) -> None:
    answer = await world.vendor_test.post("/organizations", json=managed_by(world.vendor))
    created = answer.json()
    assert (answer.status_code, created["_type"]) == (200, "MANAGED_ORGANIZATION")
    assert created["_envs"] == ["TEST"]
    assert UUID(created["_id"]).version == 4
    assert await world.events(created["_id"]) == ["organization.created"]
    row = await world.owner.fetchrow(
        "SELECT reached_by FROM organizations WHERE id = $1", UUID(created["_id"])
    )
    assert row
    assert row["reached_by"] == [UUID(created["_id"]), world.vendor]


async def test_a_managed_organization_made_in_live_is_in_both(world: World) -> None:
    answer = await world.vendor_live.post("/organizations", json=managed_by(world.vendor))
    assert answer.json()["_envs"] == ["TEST", "LIVE"]
    for client in (world.vendor_test, world.vendor_live):
        found = await client.get(f"/organizations/{answer.json()['_id']}")
        assert found.json() == answer.json()


async def test_the_answer_has_the_recorded_fields_in_the_recorded_order(world: World) -> None:
    wanted = managed_by(world.vendor, state="Berlin", tax_number="12/345/67890")
    answer = await world.vendor_test.post("/organizations", json=wanted)
    assert list(answer.json()) == RECORDED
    assert wanted.items() <= answer.json().items()


async def test_optional_fields_never_set_are_left_out(world: World) -> None:
    answer = await world.vendor_test.post("/organizations", json=managed_by(world.vendor))
    assert list(answer.json()) == [n for n in RECORDED if n not in ("state", "tax_number")]


async def test_optional_fields_are_answered_as_they_were_given(world: World) -> None:
    optional: dict[str, Any] = {
        "display_name": "Kiosk am Zoo",
        "vat_id": "DE123456789",
        "address_line2": "Hinterhaus",
        "economy_id": "DE123456789-00001",
        "external_id": "shop-1",
        "contact_person_id": str(world.people["vendor_admin"]),
        "billing_options": {"gln": "4012345000009"},
        "metadata": {"till": "7"},
    }
    created = await world.create_shop(**optional)
    assert optional.items() <= created.items()
    read = await world.vendor_test.get(f"/organizations/{created['_id']}")
    assert read.json() == created


async def test_the_creator_of_organization_and_key_is_the_key_that_made_both(world: World) -> None:
    created = await world.create_shop()
    path = f"/organizations/{created['_id']}/api-keys"
    key = (await world.vendor_test.post(path, json=KEY)).json()
    assert created["created_by_user"] == key["created_by_user"]
    assert created["created_by_user"] == str(world.keys["vendor_test"]["id"])


async def test_the_creator_of_what_a_person_makes_is_the_person(world: World) -> None:
    answer = await world.vendor_admin.post("/organizations", json=managed_by(world.vendor))
    assert answer.json()["created_by_user"] == str(world.people["vendor_admin"])


async def test_without_a_manager_it_is_a_main_one_that_its_creator_administers(
    world: World,
) -> None:
    created = (await world.vendor_test.post("/organizations", json=MAIN)).json()
    assert created["_type"] == "ORGANIZATION"
    assert created["administered_by_organization_id"] == str(world.vendor)
    assert "managed_by_organization_id" not in created
    assert await world.events(created["_id"]) == ["organization.created"]
    partner = await world.enter_as(created["_id"], world.vendor_test)
    seen_by_itself = await partner.get(f"/organizations/{created['_id']}")
    assert "administered_by_organization_id" not in seen_by_itself.json()
    assert str(world.vendor) not in seen_by_itself.text


async def test_an_administered_main_organization_manages_but_does_not_administer(
    world: World,
) -> None:
    refused = await world.enterprise_test.post("/organizations", json=MAIN)
    assert said(refused) == (403, "E_ACCESS_DENIED")
    assert refused.json()["missing"]["right"] == "organization:administer"
    branch = await world.enterprise_test.post("/organizations", json=managed_by(world.enterprise))
    assert branch.status_code == 200
    seen_from_the_top = await world.vendor_test.get(f"/organizations/{branch.json()['_id']}")
    assert seen_from_the_top.status_code == 200


async def test_the_administrator_creates_below_what_it_administers(world: World) -> None:
    branch = await world.vendor_test.post("/organizations", json=managed_by(world.enterprise))
    assert branch.json()["managed_by_organization_id"] == str(world.enterprise)
    seen = await world.enterprise_test.get(f"/organizations/{branch.json()['_id']}")
    assert seen.status_code == 200


async def test_a_managed_organization_creates_and_contains_none(world: World) -> None:
    for client, wanted in (
        (world.shop_test, MAIN),
        (world.shop_test, managed_by(world.shop)),
        (world.vendor_test, managed_by(world.shop)),
    ):
        answer = await client.post("/organizations", json=wanted)
        assert said(answer) == (403, "E_ACCESS_DENIED")


async def test_unknown_foreign_and_higher_managers_answer_as_recorded(world: World) -> None:
    for client, manager in (
        (world.vendor_test, uuid4()),
        (world.vendor_test, world.stranger),
        (world.shop_test, world.vendor),
        (world.enterprise_test, world.vendor),
    ):
        answer = await client.post("/organizations", json=managed_by(manager))
        problem = answer.json()
        assert problem.pop("request_id") == answer.headers["x-request-id"]
        assert problem == {"status_code": 404, "error": "Not Found", "message": "Not Found"}


async def test_people_create_according_to_their_role(world: World) -> None:
    found = {}
    for character in ("vendor_owner", "vendor_admin", "vendor_billing", "vendor_member"):
        client = world.clients[character]
        answer = await client.post("/organizations", json=managed_by(world.vendor))
        found[character.removeprefix("vendor_")] = answer.status_code
    assert found == {"owner": 200, "admin": 200, "billing": 403, "member": 403}


async def test_a_main_organization_is_live_at_once_only_by_a_live_payer(world: World) -> None:
    paid_by_test = (await world.vendor_test.post("/organizations", json=MAIN)).json()["_id"]
    found = []
    for client, payer in (
        (world.vendor_live, None),
        (world.vendor_live, paid_by_test),
        (world.vendor_test, world.vendor),
        (world.vendor_live, world.vendor),
    ):
        options = {"bill_to_organization": str(payer)} if payer else None
        answer = await client.post("/organizations", json=MAIN | {"billing_options": options})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["_envs"])
    assert found == [["TEST"], ["TEST"], ["TEST"], ["TEST", "LIVE"]]


async def test_a_live_managed_organization_wants_a_live_payer(world: World) -> None:
    payer = (await world.vendor_test.post("/organizations", json=MAIN)).json()["_id"]
    wanted = managed_by(world.vendor, billing_options={"bill_to_organization": payer})
    refused = await world.vendor_live.post("/organizations", json=wanted)
    assert said(refused) == (409, "E_PAYER_NOT_LIVE")
    assert (await world.vendor_test.post("/organizations", json=wanted)).status_code == 200


async def test_withholding_the_bill_needs_somebody_who_gets_it(world: World) -> None:
    wanted = managed_by(world.vendor, billing_options={"withhold_billing": True})
    answer = await world.vendor_test.post("/organizations", json=wanted)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith("body.billing_options")


async def test_a_payer_out_of_sight_is_asked_whether_it_exists_or_not(world: World) -> None:
    for payer in (uuid4(), world.stranger, world.foreign):
        options = {"bill_to_organization": str(payer), "withhold_billing": True}
        wanted = managed_by(world.vendor, billing_options=options)
        created = (await world.vendor_test.post("/organizations", json=wanted)).json()
        assert "billing_options" not in created
        path = f"/organizations/{world.vendor}/agreements/{created['payer_agreement_id']}"
        asked = (await world.vendor_test.get(path)).json()
        assert (asked["state"], asked["with_organization_id"]) == ("proposed", str(payer))
        assert (asked["about_organization_id"], asked["withhold_billing"]) == (created["_id"], True)


async def test_a_main_organization_whose_payer_is_asked_begins_in_test(world: World) -> None:
    options = {"bill_to_organization": str(world.stranger)}
    wanted = MAIN | {"billing_options": options}
    created = (await world.vendor_live.post("/organizations", json=wanted)).json()
    assert created["_envs"] == ["TEST"]
    asked = await world.stranger_live.get(f"/organizations/{world.stranger}/agreements")
    assert [each["about_organization_id"] for each in asked.json()["data"]] == [created["_id"]]


async def test_the_payer_is_a_main_organization(world: World) -> None:
    options = {"bill_to_organization": str(world.shop)}
    for client in (world.vendor_test, world.vendor_live):
        answer = await client.post("/organizations", json=MAIN | {"billing_options": options})
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
        assert "body.billing_options.bill_to_organization" in answer.json()["message"]


async def test_a_managed_payer_is_refused_in_whatever_env_it_is(world: World) -> None:
    options = {"bill_to_organization": (await world.create_shop())["_id"]}
    wanted = MAIN | {"billing_options": options}
    for client in (world.vendor_test, world.vendor_live):
        answer = await client.post("/organizations", json=wanted)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"colour": "red"}, "body"),
        ({"_id": str(UUID(int=7))}, "body"),
        ({"name": "AB"}, "body.name"),
        ({"name": "A" * 256}, "body.name"),
        ({"name": None}, "body.name"),
        ({"name": "Kiosk\n"}, "body.name"),
        ({"zip": 10115}, "body.zip"),
        ({"town": ""}, "body.town"),
        ({"address_line1": "Weg\t1"}, "body.address_line1"),
        ({"country_code": "XKX"}, "body.country_code"),
        ({"country_code": "ANT"}, "body.country_code"),
        ({"country_code": "deu"}, "body.country_code"),
        ({"country_code": "DE"}, "body.country_code"),
        ({"managed_by_organization_id": "vendor"}, "body.managed_by_organization_id"),
        ({"contact_person_id": 7}, "body.contact_person_id"),
        ({"billing_options": {"gln": "123"}}, "body.billing_options.gln"),
        ({"billing_options": {"payer": "me"}}, "body.billing_options"),
        ({"managed_configuration": {}}, "body.managed_configuration"),
        ({"metadata": {str(n): "x" for n in range(21)}}, "body.metadata"),
        ({"metadata": {"k" * 41: "x"}}, "body.metadata"),
        ({"metadata": {"k": "x" * 501}}, "body.metadata"),
        ({"metadata": {"k": 1}}, "body.metadata"),
    ],
    ids=str,
)
async def test_a_wrong_shape_is_refused_by_name(
    world: World, wrong: dict[str, object], where: str
) -> None:
    answer = await world.vendor_test.post("/organizations", json=managed_by(world.vendor) | wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    message, field = answer.json()["message"], answer.json()["details"][0]["field"]
    assert message.startswith(f"{where}"), message
    assert field.startswith(where)


@pytest.mark.parametrize("name", ["name", "address_line1", "zip", "town", "country_code"])
async def test_a_required_field_is_missed_by_name(world: World, name: str) -> None:
    wanted = managed_by(world.vendor)
    del wanted[name]
    answer = await world.vendor_test.post("/organizations", json=wanted)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert name in answer.json()["message"]


async def test_metadata_may_be_as_large_as_promised(world: World) -> None:
    metadata = {f"{n:040}": "x" * 500 for n in range(20)}
    assert (await world.create_shop(metadata=metadata))["metadata"] == metadata


async def test_names_need_not_be_unique(world: World) -> None:
    assert (await world.create_shop("Twin"))["_id"] != (await world.create_shop("Twin"))["_id"]


async def test_an_empty_array_as_body_takes_the_fields_from_the_query(world: World) -> None:
    wanted = managed_by(world.vendor)
    answer = await world.vendor_test.post("/organizations", params=wanted, json=[])
    assert answer.status_code == 200, answer.text
    assert wanted.items() <= answer.json().items()


async def test_the_old_spelling_of_withholding_makes_the_manager_the_payer(world: World) -> None:
    created = await world.create_shop(managed_configuration={"withhold_billing": True})
    assert created["managed_configuration"] == {"withhold_billing": True}
    assert created["billing_options"] == {
        "withhold_billing": True,
        "bill_to_organization": str(world.vendor),
    }
    shop = await world.enter_as(created["_id"], world.vendor_test)
    seen = (await shop.get(f"/organizations/{created['_id']}")).json()
    assert seen["billing_options"] == {"withhold_billing": True}


async def test_an_external_id_is_taken_once_per_manager_and_env(world: World) -> None:
    number = count()
    found = []
    for client, manager in (
        (world.vendor_test, world.vendor),
        (world.vendor_test, world.vendor),
        (world.vendor_live, world.vendor),
        (world.vendor_live, world.vendor),
        (world.vendor_test, world.enterprise),
        (world.stranger_test, world.stranger),
    ):
        wanted = managed_by(manager, external_id="till-7", name=f"Shop {next(number)}")
        found.append(said(await client.post("/organizations", json=wanted)))
    taken = (409, "E_EXTERNAL_ID_CONFLICT")
    assert found == [(200, None), taken, (200, None), taken, (200, None), (200, None)]


async def test_a_taken_external_id_leaves_nothing_behind(world: World) -> None:
    await world.create_shop(external_id="till-7")
    before = (await world.vendor_test.get("/organizations")).json()
    wanted = managed_by(world.vendor, external_id="till-7")
    await world.vendor_test.post("/organizations", json=wanted)
    assert (await world.vendor_test.get("/organizations")).json() == before


async def test_a_contact_person_and_an_address_are_the_callers_own(world: World) -> None:
    for field, code in (
        ("contact_person_id", "E_USER_NOT_FOUND"),
        ("billing_address_id", "E_BILLING_ADDRESS_NOT_FOUND"),
    ):
        wanted = managed_by(world.vendor) | {field: str(uuid4())}
        answer = await world.vendor_test.post("/organizations", json=wanted)
        assert said(answer) == (404, code)
    wanted = managed_by(world.stranger) | {"contact_person_id": str(world.people["vendor_admin"])}
    answer = await world.stranger_test.post("/organizations", json=wanted)
    assert said(answer) == (404, "E_USER_NOT_FOUND")


async def test_a_shop_does_not_learn_its_managers_contact_person(world: World) -> None:
    person = str(world.people["vendor_admin"])
    created = await world.create_shop(contact_person_id=person)
    shop = await world.enter_as(created["_id"], world.vendor_test)
    seen = await shop.get(f"/organizations/{created['_id']}")
    assert created["contact_person_id"] == person
    assert person not in seen.text


async def test_nobody_creates_nothing(world: World) -> None:
    answer = await world.nobody.post("/organizations", json=managed_by(world.vendor))
    assert said(answer) == (401, None)


async def test_a_refusal_is_kept_where_it_came_from_and_announced_nowhere(world: World) -> None:
    await world.shop_test.post("/organizations", json=managed_by(world.shop))
    await world.shop_test.post("/organizations", json=managed_by(world.vendor))
    assert await world.trail(world.shop) == ["access.refused", "access.refused"]
    assert await world.trail(world.shop, "outbox_rows") == []
    assert await world.trail(world.vendor) == []
