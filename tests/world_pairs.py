"""Two worlds that are the same for one actor, and differ in what this actor may not see."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

from facts import Actor, Id, Key, Organization, State
from oracle import is_manned, sees
from oracle_standing import chain, is_alive, standing_of
from probes import unlimited
from random_worlds import Drawn, draw
from tillkeeper.core import secrets
from tillkeeper.core.env import Env

POINTERS = ("manager", "administrator", "payer", "maker", "maker_of", "contact", "address")
TAKEN = ("shop-1", "shop-2", "shop-3")
"""External ids that organizations out of sight have, and the actor wants too."""


def twin(id_: UUID) -> UUID:
    """Return the id of the same thing in the other world: its place in any order is the same."""
    return UUID(int=id_.int ^ 1)


@dataclass
class Pair:
    """The two worlds, and the actor in the first one."""

    actor: Actor
    left: Drawn
    right: Drawn

    @property
    def actors(self) -> tuple[Actor, Actor]:
        actor = self.actor
        of_right = replace(actor, id=twin(actor.id), organization=twin(actor.organization))  # type: ignore[arg-type]
        return actor, of_right

    def differences(self) -> list[str]:
        """Return in what the actor may see the two worlds differ: they must not."""
        one, other = (
            sees(actor, world.state, world.now)
            for actor, world in zip(self.actors, (self.left, self.right), strict=True)
        )
        there = ids_of(self.right)
        wrong = []
        for name in ("organizations", "keys", "people", "addresses", "bare_ids"):
            mapped = {twin(each) if twin(each) in there else each for each in getattr(one, name)}
            if mapped != getattr(other, name):
                wrong.append(name)
        return wrong


def draw_pair(rng: Random) -> Pair:
    """Draw a world, an actor that is alive in it, and the other world."""
    while True:
        left = draw(rng, roots=1, trouble=0.08)
        state, now = left.state, left.now
        living = [
            actor
            for actor in left.actors()
            if is_alive(actor, state, now)
            and standing_of(actor.organization, state, now) != "ended"
        ]
        if living:
            actor = rng.choice(living)
            return Pair(actor, left, _Other(left, actor).make())


class _Other:
    """Makes the other world of an actor's own."""

    def __init__(self, left: Drawn, actor: Actor) -> None:
        self.left, self.actor, self.rng = left, actor, left.rng
        state = unlimited(actor, left.state)
        self.sight = sees(actor, state, left.now)
        seen = self.sight.organizations | self.sight.keys | self.sight.people | self.sight.addresses
        self.kept = seen | self.sight.bare_ids | {actor.id, actor.organization}
        self.fresh: dict[Id, UUID] = {}

    def make(self) -> Drawn:
        """Copy what is seen under the twins of its ids, and everything else under new ones."""
        left, state = self.left, self.left.state
        right = Drawn(self.rng, now=left.now)
        for organization in state.organizations.values():
            copied = self._pointing(organization)
            right.state.organizations[copied.id] = copied
            right.roots[copied.id] = self.of(left.roots[organization.id])  # type: ignore[index]
        for key in state.keys.values():
            self._copy_key(right, key)
        for (of, person), role in state.roles.items():
            right.state.roles[self.of(of), self.of(person)] = role
        right.state.addresses = {self.of(a): self.of(o) for a, o in state.addresses.items()}
        right.state.with_password = frozenset(self.of(p) for p in state.with_password)
        for change in (self._rename, self._crowd, self._cut_off, self._empty_pointers, self._spare):
            if self.rng.random() < 0.7:
                change(right)
        return right

    def of(self, id_: Id) -> UUID:
        """Return the other world's id of something in this one."""
        if id_ in self.kept:
            return twin(id_)  # type: ignore[arg-type]
        if id_ not in self.fresh:
            self.fresh[id_] = self.left.uuid()
        return self.fresh[id_]

    def _pointing(self, row: Organization) -> Organization:
        pointers = {name: getattr(row, name) for name in POINTERS}
        moved: dict[str, Any] = {name: each and self.of(each) for name, each in pointers.items()}
        return replace(row, id=self.of(row.id), **moved)

    def _copy_key(self, right: Drawn, key: Key) -> None:
        reach = key.reach
        moved = replace(
            key,
            id=self.of(key.id),
            organization=self.of(key.organization),
            manager=key.manager and self.of(key.manager),
            maker=key.maker and self.of(key.maker),
            maker_of=key.maker_of and self.of(key.maker_of),
            reach=frozenset(map(self.of, reach)) if isinstance(reach, frozenset) else reach,
        )
        right.state.keys[moved.id] = moved
        text = secrets.mint_key_text(Env(key.env), "drawn")
        right.texts[moved.id] = (text, secrets.mint_secret())  # type: ignore[index]

    def _hidden(self) -> list[UUID]:
        """Organizations of the other world that the actor does not see."""
        return [self.of(o) for o in self.left.all if o not in self.sight.organizations]

    def _above(self) -> set[UUID]:
        return {self.of(o) for o in chain(self.actor.organization, self.left.state)}

    def _rename(self, right: Drawn) -> None:
        """Who stands above or beside has another name, and external ids that one may want.

        What the actor's own organization manages shares its names with it, seen by a key or not.
        """
        left_over: dict[Id, list[str]] = {}
        own = self.of(self.actor.organization)
        for each in self._hidden():
            row = right.state.organizations[each]
            if own in chain(each, right.state):
                continue
            free = left_over.setdefault(row.manager or row.administrator, list(TAKEN))
            taken = {"external_id": free.pop() if free else None, "tax_number": TAKEN[0]}
            right.extras[each] = {"name": f"Elsewhere {self.rng.random()}"} | taken

    def _crowd(self, right: Drawn) -> None:
        """There are more beside, with keys, people and addresses."""
        for above in self._hidden():
            found = right.state.organizations[above]
            is_main = found.manager is None
            for _ in range(self.rng.randint(0, 3)):
                made = Organization(
                    right.uuid(), manager=above if is_main else found.manager, envs=found.envs
                )
                right.state.organizations[made.id] = made
                right.roots[made.id] = right.roots[above]  # type: ignore[index]
                right.state.roles[made.id, right.uuid()] = "owner"
                right.state.addresses[right.uuid()] = made.id

    def _cut_off(self, right: Drawn) -> None:
        """Nobody administers the organization that manages the actor's own."""
        own = right.state.organizations[self.of(self.actor.organization)]
        if own.manager is None:
            return
        manager = right.state.organizations[own.manager]
        above = manager.administrator
        if above is not None and right.state.organizations[above].status == "active":
            right.state.organizations[manager.id] = replace(manager, administrator=None)

    def _empty_pointers(self, right: Drawn) -> None:
        """What is hidden need not be there at all."""
        for of, name in self.sight.hidden:
            row = right.state.organizations[self.of(of)]
            is_managed = row.manager is not None
            if name == "contact":
                row = replace(row, contact=None, contact_is_from_above=False)
            elif name == "address" or (name == "payer" and is_managed):
                pointing_nowhere: dict[str, Any] = {name: None}
                row = replace(row, **pointing_nowhere)
            right.state.organizations[row.id] = row

    def _spare(self, right: Drawn) -> None:
        """The other env is full of keys."""
        other = "LIVE" if self.actor.env == "TEST" else "TEST"
        for of in self.sight.organizations:
            is_safe = is_manned(of, self.left.state)
            for _ in range(self.rng.randint(0, 2)):
                key = Key(right.uuid(), self.of(of), other, is_enabled=is_safe)
                self._copy_key_as_is(right, key)

    def _copy_key_as_is(self, right: Drawn, key: Key) -> None:
        right.state.keys[key.id] = key
        text = secrets.mint_key_text(Env(key.env), "drawn")
        right.texts[key.id] = (text, secrets.mint_secret())  # type: ignore[index]


def ids_of(world: Drawn) -> set[UUID]:
    state = world.state
    found = {*state.organizations, *state.keys, *state.addresses}
    return found | {person for _, person in state.roles}  # type: ignore[return-value]


def together(worlds: list[Drawn]) -> Drawn:
    """Return one world that holds them all."""
    first = worlds[0]
    whole = Drawn(first.rng, now=first.now)
    for each in worlds:
        whole.roots |= each.roots
        whole.texts |= each.texts
        whole.extras |= each.extras
        whole.state = State(
            whole.state.organizations | each.state.organizations,
            whole.state.keys | each.state.keys,
            whole.state.roles | each.state.roles,
            whole.state.addresses | each.state.addresses,
            whole.state.with_password | each.state.with_password,
        )
    return whole
