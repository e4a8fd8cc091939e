from typing import Any
from uuid import uuid4

import httpx
import pytest

from world import ADDRESS, World, said

CHANGES = {
    "recipient": "Other GmbH",
    "display_name": "Other",
    "address_line1": "Weg 2",
    "address_line2": "Hof",
    "zip": "10787",
    "town": "Potsdam",
    "country_code": "AUT",
    "vat_id": "ATU1",
}
NULLABLE = ("display_name", "address_line2", "vat_id")


async def create(client: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    wanted = {"recipient": "Somebody GmbH"} | ADDRESS | fields
    answer = await client.post("/billing-addresses", json=wanted)
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_what_is_given_changes_and_the_rest_stays(world: World) -> None:
    expected = await create(world.vendor_live)
    path = f"/billing-addresses/{expected['_id']}"
    for name, value in CHANGES.items():
        answer = await world.vendor_live.patch(path, json={name: value})
        expected[name] = value
        assert (answer.status_code, answer.json()) == (200, expected)
    assert (await world.vendor_live.get(path)).json() == expected
    updated = ["billing_address.updated" for _ in CHANGES]
    assert await world.events(world.vendor) == ["billing_address.created", *updated]


async def test_null_clears_what_is_optional(world: World) -> None:
    created = await create(world.vendor_live, **{name: CHANGES[name] for name in NULLABLE})
    path = f"/billing-addresses/{created['_id']}"
    answer = await world.vendor_live.patch(path, json=dict.fromkeys(NULLABLE))
    assert answer.json() == {k: v for k, v in created.items() if k not in NULLABLE}


async def test_a_change_of_nothing_is_no_event(world: World) -> None:
    created = await create(world.vendor_live)
    path = f"/billing-addresses/{created['_id']}"
    for same in ({}, {"zip": created["zip"], "vat_id": None}):
        answer = await world.vendor_live.patch(path, json=same)
        assert (answer.status_code, answer.json()) == (200, created)
    assert await world.events(world.vendor) == ["billing_address.created"]


async def test_a_change_belongs_to_whose_address_it_is(world: World) -> None:
    created = await create(world.enterprise_live)
    path = f"/billing-addresses/{created['_id']}"
    answer = await world.vendor_live.patch(path, json={"zip": "1"})
    assert answer.json() == created | {"zip": "1"}
    assert await world.events(world.enterprise) == [
        "billing_address.created",
        "billing_address.updated",
    ]
    assert await world.events(world.vendor) == []


async def test_members_and_test_keys_change_nothing_that_is_live(world: World) -> None:
    path = f"/billing-addresses/{(await create(world.vendor_live))['_id']}"
    for character, expected in (
        (world.vendor_member, (403, "E_ACCESS_DENIED")),
        (world.vendor_test, (403, "E_ACCESS_DENIED")),
        (world.vendor_billing, (200, None)),
    ):
        assert said(await character.patch(path, json={"zip": "1"})) == expected


async def test_what_cannot_be_seen_cannot_be_changed(world: World) -> None:
    path = f"/billing-addresses/{(await create(world.vendor_live))['_id']}"
    for client, hidden in (
        (world.shop_live, path),
        (world.enterprise_live, path),
        (world.stranger_live, path),
        (world.vendor_live, f"/billing-addresses/{uuid4()}"),
    ):
        answer = await client.patch(hidden, json={"zip": "1"})
        assert said(answer) == (404, "E_BILLING_ADDRESS_NOT_FOUND")


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"recipient": None}, "body.recipient"),
        ({"country_code": "XKX"}, "body.country_code"),
        ({"colour": "red"}, "body"),
    ],
    ids=str,
)
async def test_a_wrong_shape_is_refused_by_name(
    world: World, wrong: dict[str, object], where: str
) -> None:
    path = f"/billing-addresses/{(await create(world.vendor_live))['_id']}"
    answer = await world.vendor_live.patch(path, json=wrong)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(where)
