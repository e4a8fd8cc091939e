"""Deeds that change a world, what each leaves of the oracle's facts, and every view of them."""

import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from asgi import Answered, call
from facts import Actor, Id, Key, Organization, State
from operations import Call, Route, expected, heard, routes_of
from oracle import Sight, may, sees
from oracle_keys import handed_on
from oracle_standing import chain
from probes import unlimited
from random_worlds import Drawn
from room import Room
from tillkeeper.app import make_apps
from tillkeeper.surfaces.http.edge import Edge
from world import Json

ROUTES = {route.name: route for route in routes_of(make_apps())}
RETIRING_SECONDS = 86_400
Limits = tuple[tuple[str, Any], ...]


class Deed(NamedTuple):
    """One change: the route, what it adds to the body, how the audit calls it, what it leaves."""

    route: str
    event: str
    leave: Callable[[State, Call, Json], None]
    limits: Limits = ()


@dataclass
class Life:
    """A world that changes, the service in which it does, and the facts that should follow."""

    room: Room
    app: Edge
    world: Drawn
    wrong: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    """Which routes have changed something."""

    @property
    def state(self) -> State:
        return self.world.state

    def actors(self) -> list[Actor]:
        return self.world.actors()

    async def ask(self, actor: Actor, route: Route | str, path: str = "", **more: Any) -> Answered:  # noqa: ANN401
        method = route.method if isinstance(route, Route) else "GET"
        where = path if isinstance(route, Route) else f"/api/v0{route}"
        token = self.room.token(actor)
        return await call(self.app, method, where, token=token, ip=actor.ip, **more)

    async def do(self, deed: Deed, drawn: Call) -> None:
        """Do it; what is said must be what the oracle says, and the facts follow."""
        wanted = expected(drawn, self.state, time.time())
        answer = await self.ask(drawn.actor, drawn.route, drawn.path, body=drawn.body)
        body = answer.body
        if heard(answer.status, body) != wanted:
            self.wrong.append(f"{deed.route} of {drawn}: {wanted} but {answer.status} {body}")
        elif answer.status == 200:
            before = deepcopy(self.state)
            deed.leave(self.state, drawn, body)
            if self.state != before:
                self.done[deed.route] += 1
                await self.look_at_audit(deed, drawn, body)

    async def look_at_audit(self, deed: Deed, drawn: Call, body: Json) -> None:
        """What was done is the newest thing that happened, to whoever may read it."""
        made = deed.route == "createOrganization"
        organization = UUID(body["_id"]) if made else drawn.organization
        actor, now = drawn.actor, time.time()
        verdict = may(actor, "audit:read", organization, actor.env, self.state, now)
        if verdict.value != 200:
            return
        path = f"/organizations/{organization}/audit-log"
        answer = await self.ask(actor, path, query="limit=1&outcome=done")
        newest = answer.body["data"][0]
        found = newest["event"], newest["actor"].get("_id")
        if found != (deed.event, str(actor.id)):
            self.wrong.append(f"audit after {deed.route}: {found}, {drawn}")

    async def look(self, actor: Actor) -> None:
        """Compare every view that an actor has with the oracle, and so with one another."""
        now = time.time()
        sight = sees(actor, self.state, now)
        own = await self.ask(actor, "/me")
        verdict = may(actor, "organization:read", actor.organization, actor.env, self.state, now)
        self._compare("me", actor, verdict.value == 200, own.status == 200)
        if verdict.value != 200:
            return
        await self._look_at_lists(actor, sight)
        newest, some = [*self.state.organizations][-1], [*sight.organizations][-1:]
        for organization in {newest, *some}:
            await self._look_into(actor, organization, sight)

    async def _look_at_lists(self, actor: Actor, sight: Sight) -> None:
        wanted = sight.organizations
        whole = (await self.ask(actor, "/organizations", query="limit=5000")).body
        self._compare("list", actor, wanted, ids_in(whole["data"]))
        walked = await self._walk(actor, "/organizations", "limit=4&include=total")
        self._compare("list by cursor", actor, wanted, ids_in(walked))
        reached = await self._walk(actor, "/me/reach", "limit=3")
        self._compare("reach", actor, wanted, ids_in(reached))
        counted = (await self.ask(actor, "/me")).body["reach"]["organizations"]
        self._compare("counts", actor, {len(wanted)}, {whole["count"], counted})
        tree = (await self.ask(actor, f"/organizations/{actor.organization}/tree")).body
        self._compare("tree", actor, wanted, ids_in(_branches(tree["data"])))

    async def _look_into(self, actor: Actor, organization: Id, sight: Sight) -> None:
        path = f"/organizations/{organization}"
        answer = await self.ask(actor, path)
        self._compare("get", actor, organization in sight.organizations, answer.status == 200)
        state = self.state
        members = {person for of, person in state.roles if of == organization}
        held = {key.id for key in state.keys.values() if key.organization == organization}
        for name, seen, there in (
            ("api-keys", sight.keys, held),
            ("users", sight.people, members),
        ):
            listed = await self.ask(actor, f"{path}/{name}")
            if listed.status == 200:
                self._compare(name, actor, seen & there, ids_in(listed.body["data"]))
                self._compare(f"count of {name}", actor, len(seen & there), listed.body["count"])
        reported = await self.ask(actor, f"{path}/access")
        if reported.status == 200:
            wanted = self._with_access(actor, organization)
            self._compare("access", actor, wanted, ids_in(reported.body["data"]))

    def _with_access(self, actor: Actor, organization: Id) -> set[Id]:
        """Return everyone between the actor and an organization whose rights flow down to it."""
        state, above = self.state, set(chain(organization, self.state))
        seen = sees(actor, unlimited(actor, state), time.time()).organizations & above
        keys = {
            key.id
            for key in state.keys.values()
            if key.organization in seen and key.env == actor.env and flows(key, organization, state)
        }
        return keys | {person for of, person in state.roles if of in seen}

    async def _walk(self, actor: Actor, path: str, query: str) -> list[Json]:
        rows: list[Json] = []
        cursor = ""
        while True:
            page = (await self.ask(actor, path, query=f"{query}&cursor={cursor}")).body
            rows += page["data"]
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return rows

    def _compare(self, what: str, actor: Actor, wanted: object, found: object) -> None:
        if wanted != found:
            self.wrong.append(f"{what}: {wanted} but {found}, {actor}")


def flows(key: Key, organization: Id, state: State) -> bool:
    """Tell whether a key goes as far as an organization below its own."""
    if key.organization == organization or key.reach == "all":
        return True
    if isinstance(key.reach, frozenset):
        return organization in key.reach
    return key.reach == "managed" and state.organizations[organization].manager == key.organization


def ids_in(rows: list[Json]) -> set[Id]:
    return {UUID(row["_id"]) for row in rows}


def _branches(node: Json) -> list[Json]:
    return [node, *(each for child in node["children"] for each in _branches(child))]


def _created_key(state: State, drawn: Call, body: Json) -> None:
    actor, limits = drawn.actor, dict(drawn.limits)
    permissions, reach = limits.get("permissions"), limits.get("reach", "all")
    key = Key(
        UUID(body["_id"]),
        drawn.organization,
        actor.env,
        permissions=None if permissions is None else frozenset(permissions),
        reach=frozenset(map(UUID, reach)) if isinstance(reach, list) else reach,
        generation=0,
        maker=actor.id,
        maker_of=actor.organization,
    )
    state.keys[key.id] = handed_on(actor, key, state, named=frozenset(limits))


def _changed_key(**fields: Any) -> Callable[[State, Call, Json], None]:  # noqa: ANN401
    def leave(state: State, drawn: Call, _: Json) -> None:
        state.keys[drawn.about] = replace(state.keys[drawn.about], **fields)

    return leave


def _rotated(state: State, drawn: Call, _: Json) -> None:
    key = state.keys[drawn.about]
    ends = min(time.time() + RETIRING_SECONDS, key.expires_at or float("inf"))
    changed = replace(key, generation=key.generation + 1, retiring_ends_at=ends)
    state.keys[drawn.about] = changed


def _deleted_key(state: State, drawn: Call, _: Json) -> None:
    del state.keys[drawn.about]


def _created_organization(state: State, drawn: Call, body: Json) -> None:
    state.organizations[UUID(body["_id"])] = Organization(
        UUID(body["_id"]),
        manager=drawn.organization,
        envs=frozenset(body["_envs"]),
        maker=drawn.actor.id,
        maker_of=drawn.actor.organization,
    )


def _changed(**fields: Any) -> Callable[[State, Call, Json], None]:  # noqa: ANN401
    def leave(state: State, drawn: Call, _: Json) -> None:
        of = drawn.organization
        state.organizations[of] = replace(state.organizations[of], **fields)

    return leave


def _suspended(state: State, drawn: Call, body: Json) -> None:
    _changed(status="suspended", grace_ends_at=float(body["grace_ends_at"]))(state, drawn, body)


def _enabled(state: State, drawn: Call, body: Json) -> None:
    envs = state.organizations[drawn.organization].envs | {drawn.env}
    _changed(envs=envs)(state, drawn, body)


def _handed_over(state: State, drawn: Call, body: Json) -> None:
    _changed(administrator=None)(state, drawn, body)
    for key in list(state.keys.values()):
        above = set(chain(key.organization, state))
        if drawn.organization in above and key.manager is not None and key.manager not in above:
            state.keys[key.id] = replace(key, manager=None)


def _deleted(state: State, drawn: Call, _: Json) -> None:
    gone = drawn.organization
    del state.organizations[gone]
    state.keys = {
        id_: replace(key, manager=None) if key.manager == gone else key
        for id_, key in state.keys.items()
        if key.organization != gone
    }
    state.roles = {at: role for at, role in state.roles.items() if at[0] != gone}
    state.addresses = {a: of for a, of in state.addresses.items() if of != gone}


def _named_payer(state: State, drawn: Call, body: Json) -> None:
    payer = UUID(dict(drawn.limits)["billing_options"]["bill_to_organization"])
    _changed(payer=payer, payer_named_by=drawn.actor.organization)(state, drawn, body)


def _invited(state: State, drawn: Call, body: Json) -> None:
    state.roles[drawn.organization, UUID(body["_id"])] = body.get("role", "member")


def _removed(state: State, drawn: Call, _: Json) -> None:
    del state.roles[drawn.organization, drawn.about]


SUSPENSION: Limits = (("status", "suspended"), ("reason", "unpaid"))
DEEDS = {
    "create a key": Deed("createApiKey", "api_key.created", _created_key),
    "disable a key": Deed(
        "updateApiKey", "api_key.updated", _changed_key(is_enabled=False),
        (("status", "disabled"), ("metadata", {"why": "lost"})),
    ),
    "rotate a key": Deed("rotateApiKey", "api_key.rotated", _rotated),
    "delete a key": Deed("deleteApiKey", "api_key.deleted", _deleted_key),
    "create an organization": Deed(
        "createOrganization", "organization.created", _created_organization
    ),
    "suspend with a grace": Deed(
        "setOrganizationStatus", "organization.status_changed", _suspended,
        (*SUSPENSION, ("grace_seconds", 7200)),
    ),
    "suspend at once": Deed(
        "setOrganizationStatus", "organization.status_changed", _suspended,
        (*SUSPENSION, ("grace_seconds", 0)),
    ),
    "archive": Deed(
        "setOrganizationStatus", "organization.status_changed",
        _changed(status="archived", grace_ends_at=None),
    ),
    "restore": Deed(
        "setOrganizationStatus", "organization.status_changed",
        _changed(status="active", grace_ends_at=None), (("status", "active"),),
    ),
    "delete an organization": Deed("deleteOrganization", "organization.deleted", _deleted),
    "invite": Deed("inviteUser", "user.added", _invited),
    "remove a person": Deed("deleteUser", "user.removed", _removed),
    "hand over": Deed("handOverOrganization", "organization.handed_over", _handed_over),
    "change the payer": Deed("updateOrganization", "organization.updated", _named_payer),
    "enable LIVE": Deed("enableEnvironment", "organization.env_enabled", _enabled),
}  # fmt: skip
