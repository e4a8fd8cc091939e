import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tillkeeper.domains.test_data import actions
from tillkeeper.schema import metadata
from tills import Till
from world import ADDRESS, KEY, World, said

PATH = "/test-data"
LABELLED = {"metadata": {"label": "ci"}}


async def wipe(world: World, **query: str) -> dict[str, Any]:
    answer = await world.vendor_test.delete(PATH, params=query)
    assert answer.status_code == 200, answer.text
    wiped: dict[str, Any] = answer.json()
    return wiped


def counts(wiped: dict[str, Any]) -> tuple[int, int, int]:
    deleted = wiped["deleted"]
    return deleted["organizations"], deleted["api_keys"], deleted["kept_answers"]


async def live_rows(world: World) -> dict[str, tuple[int, str]]:
    """Every row that is in LIVE, or belongs to an organization that is, as the superuser reads:
    their number and one digest, for each table.
    """
    live = "SELECT id FROM organizations WHERE 'LIVE' = ANY (envs)"
    found = {}
    for name, table in metadata.tables.items():
        if "env" in table.c:
            where = "env = 'LIVE'"
        elif "organization_id" in table.c:
            where = f"organization_id IN ({live})"
        else:
            where = f"id IN ({live})" if name == "organizations" else "true"
        if name not in ("audit_seals", "pepper_holders"):
            digests = f"SELECT md5(t::text) AS one FROM {name} t WHERE {where}"  # noqa: S608 - ours
            total = "SELECT count(*), md5(string_agg(one, '' ORDER BY one)) FROM"
            row = await world.owner.fetchrow(f"{total} ({digests}) d")
            assert row is not None
            found[name] = row[0], row[1]
    return found


async def is_there(world: World, organization_id: object) -> bool:
    query = "SELECT count(*) FROM organizations WHERE id = $1"
    return bool(await world.owner.fetchval(query, UUID(str(organization_id))))


async def test_shops_in_test_alone_go_with_their_keys_and_each_is_recorded(world: World) -> None:
    shops = [await world.create_shop() for _ in range(3)]
    till = await world.enter_as(shops[0]["_id"], world.vendor_test)
    branch = {"name": "Branch", "managed_by_organization_id": str(world.enterprise)} | ADDRESS
    deep = (await world.vendor_test.post("/organizations", json=branch)).json()
    wiped = await wipe(world)
    assert (counts(wiped)[0], wiped["has_more"], wiped["_type"]) == (4, False, "TEST_DATA_DELETION")
    for shop in (*shops, deep):
        assert not await is_there(world, shop["_id"])
        assert (await world.events(shop["_id"]))[-1] == "organization.deleted"
    assert (await till.get("/me")).status_code == 401
    before = "SELECT before FROM audit_rows WHERE organization_id = $1 AND event = $2"
    told = await world.owner.fetchval(before, UUID(deep["_id"]), "organization.deleted")
    assert (told["name"], told["envs"]) == ("Branch", ["TEST"])


async def test_test_keys_of_live_organizations_go_but_not_the_one_that_asks(world: World) -> None:
    assert counts(await wipe(world))[1] == 4
    for gone in (world.shop_test, world.kiosk_test, world.enterprise_test, world.branch_test):
        assert (await gone.get("/me")).status_code == 401
    for there in (world.vendor_test, world.shop_live, world.vendor_live, world.stranger_test):
        assert (await there.get("/me")).status_code == 200
    assert (await world.events(world.shop)) == ["api_key.deleted"]


async def test_what_a_wiped_shop_has_signed_goes_with_it(world: World) -> None:
    """And what others have signed stays, in TEST and under the same ids."""
    key = await world.enter_as((await world.create_shop())["_id"], world.vendor_test)
    gone = await Till(key).open()
    stays = await Till(world.shop_test, gone.tss_id, gone.client_id).open()
    for till in (gone, stays):
        await till.sell()

    async def of_both() -> dict[str, int]:
        columns = dict.fromkeys(("tss_clients", "transactions", "log_messages"), "tss_id")
        return {
            table: await world.owner.fetchval(
                f"SELECT count(*) FROM {table} WHERE {column} = $1",  # noqa: S608 - ours
                gone.tss_id,
            )
            for table, column in {"tss": "id", **columns}.items()
        }

    before = await of_both()
    assert min(before.values()) == 2
    assert counts(await wipe(world))[0] == 1
    assert await of_both() == {table: number // 2 for table, number in before.items()}


async def test_no_row_of_live_is_another_afterwards(world: World) -> None:
    """Shops in TEST and LIVE, their people, addresses, keys, answers, audit: all as it was."""
    for client in (world.vendor_test, world.vendor_live):
        once = {"idempotency-key": uuid4().hex}
        await client.post(f"/organizations/{world.shop}/api-keys", json=KEY, headers=once)
    await world.create_shop()
    await (await Till(world.shop_live).open()).sell()
    before = await live_rows(world)
    assert counts(await wipe(world))[0] == 1
    assert await live_rows(world) == before


async def test_what_is_not_reached_is_not_touched(world: World) -> None:
    shop = {"name": "Foreign", "managed_by_organization_id": str(world.stranger)} | ADDRESS
    foreign = (await world.stranger_test.post("/organizations", json=shop)).json()
    above = await world.create_shop()
    answer = await world.enterprise_test.delete(PATH)
    assert counts(answer.json()) == (0, 1, 0)
    await wipe(world)
    assert await is_there(world, foreign["_id"])
    assert not await is_there(world, above["_id"])
    assert (await world.foreign_test.get("/me")).status_code == 200


async def test_what_is_protected_archived_main_or_leant_on_stays(world: World) -> None:
    protected, archived, payer, owner = [await world.create_shop() for _ in range(4)]
    path = f"/organizations/{protected['_id']}"
    await world.vendor_test.patch(path, json={"delete_protection": True})
    await world.vendor_test.post(
        f"/organizations/{archived['_id']}/status", json={"status": "archived", "reason": "Closed"}
    )
    inside = f"/organizations/{archived['_id']}"
    main = (await world.vendor_test.post("/organizations", json={"name": "Main"} | ADDRESS)).json()
    await world.owner.execute(
        "UPDATE organizations SET bill_to_organization = $2 WHERE id = $1",
        UUID(main["_id"]),
        UUID(payer["_id"]),
    )
    await world.owner.execute(
        "WITH made AS (INSERT INTO billing_addresses (organization_id, id, recipient, "
        "address_line1, zip, town, country_code, created_at) VALUES ($2, gen_random_uuid(), 'X', "
        "'Weg 1', '1', 'Berlin', 'DEU', now()) RETURNING organization_id, id) "
        "UPDATE organizations SET billing_address_organization_id = made.organization_id, "
        "billing_address_id = made.id FROM made WHERE organizations.id = $1",
        world.kiosk,
        UUID(owner["_id"]),
    )
    assert counts(await wipe(world))[0] == 0
    for stays in (protected, archived, payer, owner, main):
        assert await is_there(world, stays["_id"])
    assert (await world.vendor_test.get(inside)).status_code == 200


async def test_a_key_that_is_managed_above_stays(world: World) -> None:
    path = f"/organizations/{world.branch}/api-keys"
    managed = {"managed_by_organization_id": str(world.vendor)}
    made = (await world.vendor_test.post(path, json=KEY | managed)).json()
    await world.enterprise_test.delete(PATH)
    assert (await world.vendor_test.get(f"{path}/{made['_id']}")).status_code == 200
    assert counts(await wipe(world))[1] == 4
    assert said(await world.vendor_test.get(f"{path}/{made['_id']}"))[0] == 404


async def test_a_label_chooses(world: World) -> None:
    chosen = await world.create_shop(metadata=LABELLED["metadata"])
    other = await world.create_shop()
    path = f"/organizations/{world.shop}/api-keys"
    labelled = (await world.vendor_test.post(path, json=KEY | LABELLED)).json()
    assert counts(await wipe(world, label="c")) == (0, 0, 0)
    assert counts(await wipe(world, label="ci")) == (1, 1, 0)
    assert (await is_there(world, chosen["_id"]), await is_there(world, other["_id"])) == (
        False,
        True,
    )
    assert (await world.vendor_test.get(f"{path}/{labelled['_id']}")).status_code == 404
    assert (await world.shop_test.get("/me")).status_code == 200


async def test_kept_answers_go_and_the_answer_about_it_is_kept(world: World) -> None:
    once, again = ({"idempotency-key": uuid4().hex} for _ in range(2))
    body = {"name": "Once", "managed_by_organization_id": str(world.vendor)} | ADDRESS
    first = await world.vendor_test.post("/organizations", json=body, headers=once)
    wiped = await world.vendor_test.delete(PATH, headers=again)
    assert counts(wiped.json())[2] == 1
    assert not await is_there(world, first.json()["_id"])
    anew = await world.vendor_test.post("/organizations", json=body, headers=once)
    assert anew.json()["_id"] != first.json()["_id"]
    replayed = await world.vendor_test.delete(PATH, headers=again)
    assert (replayed.content, replayed.headers["idempotency-replayed"]) == (wiped.content, "true")
    assert await is_there(world, anew.json()["_id"])


async def test_it_goes_on_in_portions_until_nothing_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await world.create_shop()
    monkeypatch.setattr(actions, "_AT_ONCE", 2)
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["has_more"]:
        seen.append(await wipe(world))
        assert sum(counts(seen[-1])) <= 2
    assert [sum(part) for part in zip(*map(counts, seen), strict=True)][:2] == [5, 4]
    assert counts(await wipe(world)) == (0, 0, 0)


async def test_a_dry_run_counts_and_deletes_nothing(world: World) -> None:
    shop = await world.create_shop()
    dry = await wipe(world, dry_run="true")
    assert await is_there(world, shop["_id"])
    assert dry == await wipe(world)


@pytest.mark.parametrize(
    "character", ["vendor_live", "vendor_owner", "vendor_billing", "shop_test"]
)
async def test_only_a_test_credential_that_holds_the_right_may(
    world: World, character: str
) -> None:
    await world.create_shop()
    answer = await getattr(world, character).delete(PATH)
    assert said(answer) == (403, "E_ACCESS_DENIED")
    assert answer.json()["missing"]["right"] == "test_data:delete"


async def test_a_key_wipes_no_further_than_it_reaches(world: World) -> None:
    far, near = await world.create_shop(), await world.create_shop()
    key = await world.enter_as(world.vendor, world.vendor_test, reach=[near["_id"]])
    assert counts((await key.delete(PATH)).json())[:2] == (1, 1)
    assert (await is_there(world, far["_id"]), await is_there(world, near["_id"])) == (True, False)
    assert (await world.shop_test.get("/me")).status_code == 200


async def test_two_at_once_delete_and_record_everything_once(world: World) -> None:
    """Fails without the lock in `_chosen`: both would record what one deletes."""
    shops = [await world.create_shop() for _ in range(20)]
    answers = await asyncio.gather(*(world.vendor_test.delete(PATH) for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(counts(answer.json())[0] for answer in answers if answer.status_code == 200) == 20
    for shop in shops:
        assert await world.events(shop["_id"]) == ["organization.created", "organization.deleted"]


@pytest.mark.parametrize("query", ["label=", "label=" + "x" * 501])
async def test_a_label_that_is_none_is_refused(world: World, query: str) -> None:
    answer = await world.vendor_test.delete(f"{PATH}?{query}")
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
