from uuid import UUID

import pytest

from world import ADDRESS, World, said

WANTED = {"recipient": "Vendor GmbH"} | ADDRESS


async def test_the_answer_is_the_address_of_the_tokens_organization(world: World) -> None:
    answer = await world.vendor_live.post("/billing-addresses", json=WANTED)
    created = answer.json()
    assert answer.status_code == 200
    assert list(created) == ["_id", "_type", "_envs", *WANTED]
    assert (created["_type"], created["_envs"]) == ("BILLING_ADDRESS", ["TEST", "LIVE"])
    assert WANTED.items() <= created.items()
    owner = await world.owner.fetchval(
        "SELECT organization_id FROM billing_addresses WHERE id = $1", UUID(created["_id"])
    )
    assert owner == world.vendor
    assert await world.events(world.vendor) == ["billing_address.created"]


async def test_optional_fields_are_answered_as_they_were_given(world: World) -> None:
    optional = {"display_name": "Vendor", "address_line2": "Hof", "vat_id": "DE123456789"}
    created = await world.vendor_live.post("/billing-addresses", json=WANTED | optional)
    assert (WANTED | optional).items() <= created.json().items()


async def test_money_is_for_owners_admins_and_billing_people(world: World) -> None:
    found = {}
    for role in ("owner", "admin", "billing", "member"):
        client = world.clients[f"vendor_{role}"]
        found[role] = (await client.post("/billing-addresses", json=WANTED)).status_code
    assert found == {"owner": 200, "admin": 200, "billing": 200, "member": 403}


async def test_a_shop_and_a_test_key_of_what_is_live_create_none(world: World) -> None:
    for character in (world.shop_live, world.shop_owner, world.vendor_test):
        answer = await character.post("/billing-addresses", json=WANTED)
        assert said(answer) == (403, "E_ACCESS_DENIED")


async def test_an_empty_array_as_body_takes_the_fields_from_the_query(world: World) -> None:
    answer = await world.vendor_live.post("/billing-addresses", params=WANTED, json=[])
    assert WANTED.items() <= answer.json().items()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"recipient": None}, "body.recipient"),
        ({"recipient": ""}, "body.recipient"),
        ({"zip": 1}, "body.zip"),
        ({"country_code": "XKX"}, "body.country_code"),
        ({"country_code": "deu"}, "body.country_code"),
        ({"vat_id_valid": True}, "body"),
        ({"_id": "x"}, "body"),
    ],
    ids=str,
)
async def test_a_wrong_shape_is_refused_by_name(
    world: World, wrong: dict[str, object], where: str
) -> None:
    answer = await world.vendor_live.post("/billing-addresses", json=WANTED | wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(where)
    assert await world.events(world.vendor) == []
