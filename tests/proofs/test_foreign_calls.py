"""T04: random calls, most of them with ids of foreign worlds, answered as the oracle says."""

from random import Random
from typing import NamedTuple
from uuid import UUID

import pytest

from amounts import AMOUNTS, record_figure, share
from asgi import Answered, call
from facts import Actor
from operations import Call, Route, expected, heard, routes_of
from oracle import sees
from random_worlds import Drawn, draw
from room import Room
from tillkeeper.access.rights import Right
from tillkeeper.app import make_apps

CALLS_A_WORLD = 2_000
FOREIGN = 0.7
ROUTES = sorted(routes_of(make_apps()))
LISTS = {
    "listOrganizations": ("organizations", "limit=5000"),
    "listApiKeys": ("keys", ""),
    "listUsers": ("people", ""),
    "listBillingAddresses": ("addresses", ""),
}


class Wrong(NamedTuple):
    """A call that was not answered as the oracle says."""

    call: Call
    wanted: object
    found: object


class Caller:
    """Draws calls in one world."""

    def __init__(self, world: Drawn) -> None:
        self.world = world
        self.actors = world.actors()
        self.things: dict[str | None, dict[UUID, UUID]] = {
            "key": {key.id: key.organization for key in world.state.keys.values()},  # type: ignore[misc]
            "person": {person: of for of, person in world.state.roles},  # type: ignore[misc]
            "address": dict(world.state.addresses),  # type: ignore[arg-type]
        }

    def draw(self) -> Call:
        """Draw an actor, and ids that belong to it, to others, or to nobody."""
        rng = self.world.rng
        route, actor = rng.choice(ROUTES), rng.choice(self.actors)
        organization = self.organization(actor)
        others = tuple(self.organization(actor) for _ in range(rng.randint(0, 3)))
        about = self.thing(route, actor, organization)
        env = rng.choice(("TEST", "LIVE"))
        unique = f"{rng.getrandbits(48):012x}"
        limits = self.limits(actor) if route.name == "createApiKey" else ()
        return Call(route, actor, organization, about, others, env, unique, limits)

    def limits(self, actor: Actor) -> tuple[tuple[str, object], ...]:
        """Draw what a new key is limited to: within what its maker holds, or not."""
        rng = self.world.rng
        drawn: list[tuple[str, object]] = []
        if rng.random() < 0.4:
            drawn.append(("permissions", rng.sample(sorted(Right), rng.randint(1, 3))))
        if rng.random() < 0.4:
            listed: object = [str(self.organization(actor)) for _ in range(2)]
            drawn.append(("reach", rng.choice(("self", "managed", "all", listed))))
        if rng.random() < 0.2:
            drawn.append(("expires_at", int(self.world.now) + rng.choice((1, 3, 9)) * 3600))
        if rng.random() < 0.2:
            drawn.append(("allowed_ips", [rng.choice(("127.0.0.1", "10.1.0.0/16", "::1"))]))
        return tuple(drawn)

    def organization(self, actor: Actor) -> UUID:
        rng, roots = self.world.rng, self.world.roots
        is_foreign = rng.random() < FOREIGN
        root = roots[actor.organization]  # type: ignore[index]
        found = [each for each, at in roots.items() if (at != root) == is_foreign]
        return self.world.uuid() if rng.random() < 0.03 else rng.choice(found)

    def thing(self, route: Route, actor: Actor, organization: UUID) -> UUID:
        """Draw what the path names besides: two times in three of that very organization."""
        rng = self.world.rng
        things = self.things.get(route.asks.about, {})
        of = self.organization(actor) if route.asks.place == "address" else organization
        fitting = [each for each, at in things.items() if at == of]
        if rng.random() < 0.67 and fitting:
            return rng.choice(fitting)
        return rng.choice(list(things)) if things else self.world.uuid()


async def ask(room: Room, drawn: Call) -> Answered:
    _, query = LISTS.get(drawn.route.name, ("", ""))
    actor = drawn.actor
    return await call(
        room.app,
        drawn.route.method,
        drawn.path,
        token=room.token(actor),
        body=drawn.body,
        query=query or drawn.query,
        ip=actor.ip,
    )


async def compare(room: Room, world: Drawn, drawn: Call) -> Wrong | None:
    """Send a call; compare what is said, and of a list what is in it."""
    answer = await ask(room, drawn)
    body = answer.body
    wanted = [(status, code) for status, code in expected(drawn, world.state, world.now)]
    found = heard(answer.status, body)
    if found != wanted:
        return Wrong(drawn, wanted, (found, body))
    if drawn.route.name in LISTS and answer.status == 200:
        rows = {UUID(each["_id"]) for each in body["data"]}
        if rows != listed(drawn, world) or body["count"] != len(rows):
            return Wrong(drawn, listed(drawn, world), (rows, body["count"]))
    return None


def listed(drawn: Call, world: Drawn) -> set[UUID]:
    """Return what the oracle wants in a list."""
    state = world.state
    sight = sees(drawn.actor, state, world.now)
    match drawn.route.name:
        case "listOrganizations":
            found = sight.organizations
        case "listBillingAddresses":
            found = sight.addresses
        case "listUsers":
            members = {person for of, person in state.roles if of == drawn.organization}
            found = sight.people & members
        case _:
            found = {
                key for key in sight.keys if state.keys[key].organization == drawn.organization
            }
    return found  # type: ignore[return-value]


@pytest.mark.timeout(7200)
async def test_random_calls_into_foreign_worlds_are_answered_as_the_oracle_says(room: Room) -> None:
    wrong: list[Wrong] = []
    said: dict[int, int] = {}
    worlds = share(range(0, AMOUNTS.foreign_calls, CALLS_A_WORLD))
    for seed in worlds:
        world = draw(Random(seed), roots=5)  # noqa: S311 - the same worlds every time
        await room.settle(world)
        caller = Caller(world)
        for _ in range(CALLS_A_WORLD):
            drawn = caller.draw()
            if found := await compare(room, world, drawn):
                wrong.append(found)
            for status, _ in expected(drawn, world.state, world.now):
                said[status] = said.get(status, 0) + 1
    number = len(worlds) * CALLS_A_WORLD
    figure = f"{number} random calls, {dict(sorted(said.items()))}"
    record_figure("Isolation between tenants: random cross-tenant calls", figure, len(wrong))
    assert not wrong, report(wrong)
    assert min(said[status] for status in (200, 401, 403, 404, 409)) > number // 1000


def report(wrong: list[Wrong]) -> str:
    """Return what went wrong by kind, with the first call of each kind."""
    kinds: dict[str, list[Wrong]] = {}
    for each in wrong:
        found = each.found[0] if isinstance(each.found, tuple) else each.found
        kind = f"{each.call.route.name}: {str(each.wanted)[:80]} but {str(found)[:80]}"
        kinds.setdefault(kind, []).append(each)
    return "\n".join(f"{len(many)} x {kind}: {many[0]}" for kind, many in kinds.items())
