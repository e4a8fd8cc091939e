"""Random questions to `explain`, and what a grant does to the facts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from facts import ACTIVE, STATUSES, Actor, Key, State, Verdict
from oracle import may_at_all
from oracle_standing import chain, is_visible
from random_worlds import Drawn
from tillkeeper.access.rights import Right
from world import Json

ADDRESSES = ("127.0.0.1", "10.1.2.3", "2001:db8::1")
NAMES = {
    Verdict.ALLOW: "allowed",
    Verdict.UNKNOWN: "unknown_credential",
    Verdict.SUSPENDED: "suspended",
    Verdict.DENIED: "denied",
    Verdict.INVISIBLE: "invisible",
    Verdict.WRONG_STATE: "wrong_state",
}


@dataclass(frozen=True)
class Question:
    """Whether a principal may do something to an organization, and who asks."""

    asker: Actor
    principal: Actor
    right: Right
    organization: Any
    env: str

    @property
    def query(self) -> str:
        principal = self.principal
        return (
            f"principal={principal.id}&acting_for={principal.organization}&right={self.right}"
            f"&organization_id={self.organization}&address={principal.ip}&env={self.env}"
        )

    @property
    def is_own(self) -> bool:
        return self.asker.id == self.principal.id

    def verdict(self, state: State, now: float) -> str:
        """Return what the oracle says, in the words of `explain`."""
        of, right = self.organization, self.right
        return NAMES[may_at_all(self.principal, right, of, self.env, state, now)]

    def is_answered(self, state: State, now: float) -> bool:
        """Nothing is explained of what the asker does not see; to itself what it sees across."""
        if is_visible(self.asker, "access:read", self.organization, state, now):
            return True
        verdict = self.verdict(state, now)
        return self.is_own and verdict not in ("unknown_credential", "suspended", "invisible")


class Curious:
    """Draws questions in one world, of those who may ask them."""

    def __init__(self, world: Drawn) -> None:
        self.world, self.actors = world, world.actors()
        self._seen: dict[Actor, tuple[list[Any], list[Actor]]] = {}

    @cached_property
    def alive(self) -> list[Actor]:
        found = ((a, self._may(a, "organization:read")) for a in self.actors)
        return [a for a, verdict in found if verdict in (Verdict.ALLOW, Verdict.DENIED)]

    @cached_property
    def askers(self) -> list[Actor]:
        return [a for a in self.alive if self._may(a, "access:read") is Verdict.ALLOW]

    def draw(self) -> Question:
        """Draw a question: one in seven about oneself, the others about whom the asker sees."""
        rng = self.world.rng
        right = rng.choice(list(Right))
        if rng.random() < 0.15:
            own = rng.choice(self.alive)
            organization = rng.choice(list(self.world.state.organizations))
            return Question(own, own, right, organization, own.env)
        asker = rng.choice(self.askers)
        organizations, principals = self.seen_by(asker)
        known = self.world.state.organizations
        closed = [each for each in organizations if known[each].status in STATUSES[2:]]
        if closed and rng.random() < 0.05:
            # Seldom met by chance: that somebody may, and what it is about is closed.
            return Question(asker, asker, right, rng.choice(closed), asker.env)
        principal = replace(rng.choice(principals), ip=rng.choice(ADDRESSES))
        is_of_other_env = right is not Right.ORGANIZATION_ENABLE_ENV and rng.random() < 0.1
        env = rng.choice(("TEST", "LIVE")) if is_of_other_env else principal.env
        if principal.kind == "user":
            principal = replace(principal, env=env)
        return Question(asker, principal, right, rng.choice(organizations), env)

    def seen_by(self, asker: Actor) -> tuple[list[Any], list[Actor]]:
        """Return the organizations that an asker sees, and the principals that belong to them."""
        if asker not in self._seen:
            state, now = self.world.state, self.world.now
            places = [
                each
                for each in state.organizations
                if is_visible(asker, "access:read", each, state, now)
            ]
            principals = [
                actor
                for actor in self.actors
                if actor.organization in places and (actor.kind == "user" or actor.env == asker.env)
            ]
            self._seen[asker] = places, principals
        return self._seen[asker]

    def _may(self, actor: Actor, action: str) -> Verdict:
        state, now = self.world.state, self.world.now
        return may_at_all(actor, action, actor.organization, actor.env, state, now)


def grant(asked: Question, state: State, needed: Iterable[Json]) -> tuple[Question, State]:
    """Return the question and the facts after something was granted."""
    given = _copy(state)
    for each in needed:
        asked = _give(asked, given, each["kind"], each["value"], UUID(each["organization_id"]))
    return asked, given


def _copy(state: State) -> State:
    organizations, keys, roles = dict(state.organizations), dict(state.keys), dict(state.roles)
    return State(organizations, keys, roles, state.addresses, state.with_password)


def _give(asked: Question, state: State, kind: str, value: str, of: UUID) -> Question:
    principal = asked.principal
    match kind:
        case "role":
            state.roles[of, principal.id] = value
        case "env":
            found = state.organizations[of]
            state.organizations[of] = replace(found, envs=found.envs | {value})
        case "status":
            # What holds for an organization ends where it comes from; its own asks for itself.
            for each in list(chain(of, state)):
                if each == principal.organization != of:
                    break
                state.organizations[each] = replace(state.organizations[each], status=ACTIVE)
        case "key":
            state.keys[principal.id] = replace(state.keys[principal.id], env=value)
            return replace(asked, principal=replace(principal, env=value), env=value)
        case _:
            changed = _given_to_key(state.keys[principal.id], kind, value)
            state.keys[principal.id] = changed
    return asked


def _given_to_key(key: Key, kind: str, value: str) -> Key:
    match kind:
        case "permission":
            return replace(key, permissions=(key.permissions or frozenset()) | {value})
        case "reach" if value in ("managed", "all"):
            return replace(key, reach=value)
        case "reach":
            listed = key.reach if isinstance(key.reach, frozenset) else frozenset()
            return replace(key, reach=listed | {UUID(value)})
        case "key_status":
            return replace(key, is_enabled=True)
        case "key_time":
            return replace(key, **{value: None})  # type: ignore[arg-type]
        case "address":
            return replace(key, allowed_ips=(*key.allowed_ips, value))
    raise LookupError(kind)


def most(asked: Question, state: State) -> tuple[Question, State]:
    """Return the facts after everything was granted that a principal can be given at all."""
    given = _copy(state)
    for of, found in state.organizations.items():
        envs = frozenset({"TEST", "LIVE"})
        given.organizations[of] = replace(found, status=ACTIVE, envs=envs)
    env = "LIVE" if asked.env == asked.principal.env else asked.env
    principal = replace(asked.principal, env=env)
    if principal.kind == "key":
        of = principal.organization
        given.keys[principal.id] = Key(principal.id, of, env, generation=principal.generation)
    else:
        given.roles[principal.organization, principal.id] = "owner"
    return replace(asked, principal=principal, env=env), given
