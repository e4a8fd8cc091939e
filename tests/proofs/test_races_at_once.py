"""T15: many attempts at the same thing at once; the invariant holds exactly.

The races of two in a chosen order are in tests/access; these are left to chance and many.
"""

from collections import Counter
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest

from amounts import AMOUNTS, record_figure
from arena import Arena, Attempt, open_arena, said_of
from races import managed_by
from world import KEY, World

MANY = AMOUNTS.race_attempts
OK = (200, None)
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def arena(world: World, serving_url: str) -> AsyncGenerator[Arena]:
    async with open_arena(world, serving_url) as opened:
        yield opened


def record(invariant: str) -> None:
    record_figure(f"Races: {invariant}", f"{MANY} attempts on 16 connections", 0)


async def test_a_key_name_is_taken_once(arena: Arena) -> None:
    """Fails without the unique constraint on (organization_id, env, name) of api_keys."""
    path = f"/organizations/{arena.world.shop}/api-keys"
    told = said_of(await arena.at_once([arena.ask("shop_test", "POST", path, KEY)] * MANY))
    assert told == {OK: 1, (409, "E_API_KEY_CONFLICT"): MANY - 1}
    where = "name = 'till-1' AND organization_id = $1"
    assert await arena.there("api_keys", where, arena.world.shop) == 1
    record("a key name is taken once")


async def test_an_external_id_is_taken_once_by_whatever_way(arena: Arena) -> None:
    """Fails without the index uq_organizations_external_id_test."""
    name, shop = uuid4().hex, f"/organizations/{await arena.shop()}"
    body = managed_by(arena.world.vendor, external_id=name)
    one = {"organization": body}
    ways = [
        arena.ask("vendor_test", "POST", "/organizations", body),
        arena.ask("vendor_test", "POST", "/organizations/provision", one),
        arena.ask("vendor_test", "POST", "/organizations/batch", {"items": [one]}),
        arena.ask("vendor_test", "PATCH", shop, {"external_id": name}),
    ]
    answers = await arena.at_once(ways * (MANY // 4))
    assert set(said_of(answers)) <= {OK, (409, "E_EXTERNAL_ID_CONFLICT")}
    assert await arena.there("organizations", "external_id = $1", name) == 1
    record("an external_id is taken once, by creation, provision, batch and change")


async def test_an_idempotency_key_has_one_effect(arena: Arena) -> None:
    """Fails without the primary key of kept_answers, the arbiter of ON CONFLICT in `enter`."""
    vendor = arena.world.ids["vendor"]
    once = [
        arena.ask(
            "vendor_test", "POST", "/organizations", managed_by(vendor), idempotency_key=f"key-{n}"
        )
        for n in range(MANY // 8)
    ]
    before = await arena.there("organizations", "parent_organization_id = $1", vendor)
    answers = await arena.at_once(once * 8)
    done = [answer for answer in answers if answer.said == OK]
    assert {a.said for a in answers} <= {OK, (409, "E_IDEMPOTENCY_IN_FLIGHT")}
    assert len({answer.content for answer in done}) == MANY // 8
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == MANY // 8
    after = await arena.there("organizations", "parent_organization_id = $1", vendor)
    assert after - before == MANY // 8
    record("an Idempotency-Key has one effect")


async def test_a_key_has_one_retiring_secret(arena: Arena) -> None:
    """Fails without `previous_ends_at <= now()` in the door rotate_key."""
    key = arena.world.keys["shop_test"]["id"]
    path = f"/organizations/{arena.world.shop}/api-keys/{key}/rotate"
    told = said_of(await arena.at_once([arena.ask("vendor_test", "POST", path, {})] * MANY))
    assert told == {OK: 1, (409, "E_API_KEY_NOT_ROTATABLE"): MANY - 1}
    assert await arena.there("api_keys", "id = $1 AND generation = 1", key) == 1
    record("a key has one retiring secret")


async def test_a_key_is_deleted_once(arena: Arena) -> None:
    """Fails where DELETE is recorded without its row: see `change` in access/trail.py."""
    key = arena.world.keys["kiosk_test"]["id"]
    path = f"/organizations/{arena.world.kiosk}/api-keys/{key}"
    told = said_of(await arena.at_once([arena.ask("vendor_test", "DELETE", path)] * MANY))
    assert told == {OK: 1, (404, "E_API_KEY_NOT_FOUND"): MANY - 1}
    assert await arena.world.events(arena.world.kiosk) == ["api_key.deleted"]
    record("a key is deleted, and recorded, once")


async def test_an_address_joins_an_organization_once(arena: Arena) -> None:
    """Fails without `on_conflict_do_nothing` in people/queries.py, or in the door claim_person."""
    path, body = f"/organizations/{arena.world.shop}/users", {"email": f"{uuid4().hex}@x.example"}
    told = said_of(await arena.at_once([arena.ask("vendor_live", "POST", path, body)] * MANY))
    assert told == {OK: 1, (409, "E_USER_CONFLICT"): MANY - 1}
    record("a person joins an organization once")


async def test_owners_who_remove_each_other_leave_one(arena: Arena) -> None:
    """Fails without `with_for_update()` in `_LOCK_OWNERS` (people/queries.py)."""
    vendor, people = arena.world.ids["vendor"], ("owner", "admin", "billing", "member")
    promote = "UPDATE memberships SET role = 'owner' WHERE organization_id = $1"
    for _ in range(MANY // 8):
        await arena.world.owner.execute(promote, vendor)
        left = [each for each in people if await _is_in(arena, each)]
        each_other = [(by, who) for by in left for who in left if by != who]
        told = said_of(await arena.at_once([_removal(arena, by, who) for by, who in each_other]))
        assert await arena.there("memberships", "organization_id = $1", vendor) >= 1
        gone = len(left) - len([each for each in people if await _is_in(arena, each)])
        assert told[OK] == gone
        await _rejoin(arena, people)
    record("the last owner stays")


def _removal(arena: Arena, by: str, who: str) -> Attempt:
    path = f"/organizations/{arena.world.vendor}/users/{arena.world.people[f'vendor_{who}']}"
    return arena.ask(f"vendor_{by}", "DELETE", path)


async def _is_in(arena: Arena, who: str) -> bool:
    person = arena.world.people[f"vendor_{who}"]
    return await arena.there("memberships", "user_id = $1", person) == 1


async def _rejoin(arena: Arena, people: tuple[str, ...]) -> None:
    for who in people:
        await arena.world.owner.execute(
            "INSERT INTO memberships (organization_id, user_id, role, email, created_at) "
            "VALUES ($1, $2, 'owner', 'x@x.example', now()) ON CONFLICT DO NOTHING",
            arena.world.ids["vendor"],
            arena.world.people[f"vendor_{who}"],
        )


async def test_of_those_who_saw_the_same_one_changes_it(arena: Arena) -> None:
    """Fails without `with_for_update` in `_LOCK` (organizations/queries.py): two compare the same
    tag, and one change is lost."""
    path = f"/organizations/{arena.world.shop}"
    for number in range(MANY // 8):
        tag = (await arena.ask("vendor_live", "GET", path)()).headers["etag"]
        names = [{"name": f"Shop {number}, {n}"} for n in range(8)]
        wanted = [arena.ask("vendor_live", "PATCH", path, name, if_match=tag) for name in names]
        assert said_of(await arena.at_once(wanted)) == {OK: 1, (412, "E_STALE"): 7}
    record("of those who saw the same one changes it")


async def test_every_change_begins_where_another_ended(arena: Arena) -> None:
    """Fails without `with_for_update` in `_locked` (access/documents.py): two changes tell the
    same `before`. The rows are a path from the first name to the last."""
    shop = arena.world.ids["shop"]
    path = f"/organizations/{shop}"
    names = [{"name": f"Shop {number % 3}"} for number in range(MANY)]
    told = await arena.at_once([arena.ask("vendor_live", "PATCH", path, name) for name in names])
    assert said_of(told) == {OK: MANY}
    rows = await arena.world.owner.fetch(
        "SELECT before ->> 'name' AS before, after ->> 'name' AS after FROM audit_rows "
        "WHERE organization_id = $1 AND before ? 'name'",
        shop,
    )
    left = Counter(row["before"] for row in rows)
    left[
        await arena.world.owner.fetchval("SELECT name FROM organizations WHERE id = $1", shop)
    ] += 1
    assert left == Counter(["Shop", *(row["after"] for row in rows)])
    assert len(rows) > 2
    record("the audit tells one history")
