from uuid import uuid4

import httpx

from world import World


async def test_rights_flow_down_to_managed_and_administered(world: World) -> None:
    for name in ("vendor", "shop", "enterprise", "branch"):
        answer = await world.vendor_test.get(f"/organizations/{world.ids[name]}")
        assert (answer.status_code, answer.json()["_id"]) == (200, str(world.ids[name]))


async def test_a_shop_knows_its_manager_by_id_and_nothing_else_of_it(world: World) -> None:
    path = f"/organizations/{world.shop}"
    seen_from_above = (await world.vendor_test.get(path)).json()
    seen_by_itself = (await world.shop_test.get(path)).json()
    assert seen_by_itself["managed_by_organization_id"] == str(world.vendor)
    assert seen_by_itself.pop("created_by_user") != seen_from_above.pop("created_by_user")
    assert seen_by_itself == seen_from_above


async def test_a_payer_above_leaves_no_trace_below(world: World) -> None:
    for name, client in (("shop", world.shop_test), ("enterprise", world.enterprise_test)):
        path = f"/organizations/{world.ids[name]}"
        before = (await client.get(path)).json()
        payer = "UPDATE organizations SET bill_to_organization = $1 WHERE id = $2"
        await world.owner.execute(payer, world.vendor, world.ids[name])
        assert (await client.get(path)).json() == before
        from_above = (await world.vendor_test.get(path)).json()
        assert from_above["billing_options"] == {"bill_to_organization": str(world.vendor)}


async def test_a_contact_from_above_is_known_to_those_who_reach_the_person(world: World) -> None:
    path, contact = f"/organizations/{world.branch}", world.people["vendor_admin"]
    appointed = (
        "UPDATE organizations SET contact_person_id = $1, contact_person_is_above = true "
        "WHERE id = $2"
    )
    await world.owner.execute(appointed, contact, world.branch)
    seen = (await world.vendor_test.get(path)).json()
    assert seen["contact_person_id"] == str(contact)
    for client in (world.enterprise_test, world.branch_test):
        assert "contact_person_id" not in (await client.get(path)).json()


async def test_above_beside_and_absent_answer_alike(world: World) -> None:
    hidden = [
        await world.shop_test.get(f"/organizations/{world.vendor}"),
        await world.shop_test.get(f"/organizations/{world.kiosk}"),
        await world.enterprise_test.get(f"/organizations/{world.vendor}"),
        await world.stranger_test.get(f"/organizations/{world.shop}"),
    ]
    absent = await world.shop_test.get(f"/organizations/{uuid4()}")
    assert (absent.status_code, absent.json()["code"]) == (404, "E_ORGANIZATION_NOT_FOUND")
    assert {_shape(answer) for answer in hidden} == {_shape(absent)}


def _shape(answer: httpx.Response) -> tuple[int, str, tuple[str, ...]]:
    """Return what can be told apart: all but the ids that the caller itself chose or was given."""
    text = answer.text.replace(answer.headers["x-request-id"], "request")
    asked = answer.request.url.path.rsplit("/", 1)[-1]
    return answer.status_code, text.replace(asked, "asked"), tuple(answer.headers)
