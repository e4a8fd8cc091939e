"""T05: every route, for every kind of actor, about every kind of organization, in both envs."""

import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import NamedTuple
from uuid import UUID

import asyncpg
import pytest

from amounts import record_figure
from asgi import call
from facts import Actor, Key, Organization
from operations import OPERATIONS, Call, Route, expected, heard, routes_of
from random_worlds import Drawn
from room import Room
from tillkeeper.app import make_apps
from tillkeeper.core import secrets
from tillkeeper.core.env import Env

HOUR = 3600.0
BOTH = frozenset({"TEST", "LIVE"})
ABOVE: dict[str, dict[str, object]] = {
    "vendor": {},
    "shop": {"manager": "vendor"},
    "kiosk": {"manager": "vendor"},
    "enterprise": {"administrator": "vendor"},
    "rival": {"administrator": "vendor"},
    "branch": {"manager": "enterprise"},
    "stranger": {},
    "foreign": {"manager": "stranger"},
    "paused": {"status": "suspended", "grace_ends_at": HOUR},
    "till": {"manager": "paused"},
    "ended": {"status": "suspended", "grace_ends_at": -HOUR},
    "closed": {"manager": "vendor", "status": "archived"},
}


class Related(NamedTuple):
    """The organizations that a route is asked about, by how they stand to the actor's own."""

    own: str
    child: str | None
    sibling: str | None
    main: str | None
    foreign: str = "foreign"
    absent: str = "absent"


VENDOR = Related("vendor", "shop", "stranger", None)
SHOP = Related("shop", None, "kiosk", "vendor")
ENTERPRISE = Related("enterprise", "branch", "rival", "vendor")
ROLES = ("owner", "admin", "billing", "member")
READING = frozenset({"organization:read", "api_key:read"})
# What distinguishes an actor: how its organization is related, its role or the limits of its key.
ACTORS: dict[str, tuple[Related, str | dict[str, object]]] = {
    "key of a main organization": (VENDOR, {}),
    "key of an administered main organization": (ENTERPRISE, {}),
    "key of a managed organization": (SHOP, {}),
    "owner of a main organization": (VENDOR, "owner"),
    "admin of a main organization": (VENDOR, "admin"),
    "billing person of a main organization": (VENDOR, "billing"),
    "member of a main organization": (VENDOR, "member"),
    "owner of a managed organization": (SHOP, "owner"),
    "key that may read": (VENDOR, {"permissions": READING}),
    "key that reaches its own organization alone": (VENDOR, {"reach": "self"}),
    "key that reaches what is managed": (VENDOR, {"reach": "managed"}),
    "disabled key": (VENDOR, {"is_enabled": False}),
    "key after its end": (SHOP, {"expires_at": -HOUR}),
    "key before its time": (SHOP, {"not_before": HOUR}),
    "key from another address": (VENDOR, {"allowed_ips": ("10.0.0.0/8",)}),
    "key with an older secret": (VENDOR, {"generation": 3, "retiring_ends_at": HOUR}),
    "key of a suspended organization": (Related("paused", "till", "kiosk", None), {}),
    "key below a suspended organization": (Related("till", None, "kiosk", "paused"), {}),
    "key of an organization whose grace is over": (Related("ended", None, "kiosk", None), {}),
    "key of an archived organization": (Related("closed", None, "shop", "vendor"), {}),
    "key above an archived organization": (Related("vendor", "closed", None, None), {}),
    "admin of an administered main organization": (ENTERPRISE, "admin"),
}
ROUTES = sorted(routes_of(make_apps()))


class Cast(NamedTuple):
    """The world of the characters, with an actor for each line above and env."""

    world: Drawn
    ids: dict[str, UUID]
    actors: dict[tuple[str, str], Actor]
    things: dict[tuple[str | None, str, str], UUID]
    """A key, a person or an address, by organization and env."""


def _cast() -> Cast:
    world = Drawn(Random(5))  # noqa: S311 - the same world every time
    cast = Cast(world, {name: world.uuid() for name in (*ABOVE, "absent")}, {}, {})
    for name in ABOVE:
        cast.world.state.organizations[cast.ids[name]] = _organization(cast, name)
        for env in Env:
            cast.things["key", name, env.value] = _key(cast, name, env)
            person, address = world.uuid(), world.uuid()
            world.state.roles[cast.ids[name], person] = "member"
            world.state.addresses[address] = cast.ids[name]
            cast.things["person", name, env.value] = person
            cast.things["address", name, env.value] = address
    for title, (related, what) in ACTORS.items():
        for env in Env:
            cast.actors[title, env.value] = _actor(cast, related.own, what, env)
    return cast


def _organization(cast: Cast, name: str) -> Organization:
    values = dict(ABOVE[name])
    for pointer in ("manager", "administrator"):
        if pointer in values:
            values[pointer] = cast.ids[str(values[pointer])]
    if isinstance(ends := values.get("grace_ends_at"), float):
        values["grace_ends_at"] = cast.world.now + ends
    return Organization(cast.ids[name], envs=BOTH, **values)  # type: ignore[arg-type]


def _key(cast: Cast, of: str, env: Env, limits: dict[str, object] | None = None) -> UUID:
    made = cast.world.uuid()
    values = dict(limits or {})
    for name in values.keys() & {"expires_at", "not_before", "retiring_ends_at"}:
        values[name] = cast.world.now + float(str(values[name]))
    key = Key(made, cast.ids[of], env.value, **values)  # type: ignore[arg-type]
    cast.world.state.keys[made] = key
    cast.world.texts[made] = (secrets.mint_key_text(env, "drawn"), secrets.mint_secret())
    return made


def _actor(cast: Cast, of: str, what: str | dict[str, object], env: Env) -> Actor:
    organization = cast.ids[of]
    if isinstance(what, str):
        person = cast.world.uuid()
        cast.world.state.roles[organization, person] = what
        return Actor("user", person, organization, env.value)
    return Actor("key", _key(cast, of, env, what), organization, env.value)


def _calls(cast: Cast) -> Iterator[tuple[str, Call]]:
    for route in ROUTES:
        for (title, env), actor in cast.actors.items():
            for relation, name in ACTORS[title][0]._asdict().items():
                if name is not None:
                    yield f"{title}, {env}, {relation}", _call(cast, route, actor, name, env)


def _call(cast: Cast, route: Route, actor: Actor, name: str, env: str) -> Call:
    about = cast.things.get((route.asks.about, name, env), cast.ids["absent"])
    return Call(route, actor, cast.ids[name], about, env=env, unique=str(time.monotonic_ns()))


def test_every_route_is_known_to_the_table_and_nothing_else_is_in_it() -> None:
    assert sorted(route.name for route in ROUTES) == sorted(OPERATIONS)


@pytest.mark.timeout(600)
async def test_every_route_answers_every_actor_as_the_oracle_says(room: Room) -> None:
    cast = _cast()
    await room.settle(cast.world)
    wrong, number = [], 0
    for title, drawn in _calls(cast):
        number += 1
        token = room.token(drawn.actor)
        answer = await call(
            room.app,
            drawn.route.method,
            drawn.path,
            token=token,
            body=drawn.body,
            query=drawn.query,
        )
        wanted = expected(drawn, cast.world.state, cast.world.now)
        found = heard(answer.status, answer.body)
        if found != wanted:
            wrong.append(f"{drawn.route.name}, {title}: {wanted} but {found}")
    figure = f"{number} calls: {len(ROUTES)} routes, {len(ACTORS)} actors, both envs"
    record_figure("Isolation between tenants: every route, every actor", figure, len(wrong))
    assert not wrong, "\n".join(wrong)
    assert number > len(ROUTES) * len(ACTORS) * 2 * 4


async def test_the_longest_grace_does_not_excuse_the_shortest(room: Room) -> None:
    """Two suspended above one another: whichever grace ended first decides."""
    cast = _cast()
    state, now = cast.world.state, cast.world.now
    enterprise, vendor = cast.ids["enterprise"], cast.ids["vendor"]
    route = next(route for route in ROUTES if route.name == "retrieveMe")
    actor = cast.actors["key of an administered main organization", "LIVE"]
    for own, above in ((HOUR, HOUR), (-HOUR, HOUR), (HOUR, -HOUR)):
        for of, ends in ((enterprise, own), (vendor, above)):
            found = state.organizations[of]
            state.organizations[of] = replace(found, status="suspended", grace_ends_at=now + ends)
        await room.settle(cast.world)
        drawn = Call(route, actor, enterprise, enterprise)
        answer = await call(room.app, "GET", drawn.path, token=room.token(actor))
        assert heard(answer.status, answer.body) == expected(drawn, state, now), (own, above)


async def test_no_suspension_is_without_an_end_of_its_grace(room: Room) -> None:
    """`enter` asks whether every grace lasts, and a missing one would be passed over."""
    cast = _cast()
    shop = cast.ids["shop"]
    cast.world.state.organizations[shop] = Organization(shop, envs=BOTH, status="suspended")
    with pytest.raises(asyncpg.CheckViolationError):
        await room.settle(cast.world)
