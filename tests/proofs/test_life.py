"""T08: lives of organizations, keys and people, drawn step by step and compared with the oracle."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from amounts import AMOUNTS, record_figure
from facts import Actor, Id
from life import DEEDS, ROUTES, Deed, Life
from operations import Call, expected
from oracle_standing import is_alive, reaches, standing_of
from random_worlds import draw
from room import Room, committing, furnish
from tillkeeper.access.rights import Right
from tillkeeper.core.secrets import Keyring
from tillkeeper.surfaces.http.edge import Edge

LOGIN = "tillkeeper_app_tests"
_TRIES = 200
"""Of a deed that few may do to little: what is deleted is in TEST alone, and nobody's payer."""
T = TypeVar("T")


class Stage:
    """Where the machine plays: Hypothesis calls plain functions, so the loop is ours."""

    def __init__(self, runner: asyncio.Runner, room: Room, app: Edge) -> None:
        self.runner, self.room, self.app = runner, room, app
        self.steps = self.views = 0
        self.done: Counter[str] = Counter()

    def wait(self, what: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await what

        return self.runner.run(awaited())


class Machine(RuleBasedStateMachine):
    """Any deed, by anybody, to anything; and after each one everything that somebody sees."""

    stage: ClassVar[Stage]
    life: Life
    rng: Random

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.rng = Random(seed)  # noqa: S311
        world = draw(self.rng, roots=2, managed=2, trouble=0.05)
        self.life = Life(self.stage.room, self.stage.app, world, done=self.stage.done)
        self.stage.wait(self.stage.room.settle(world))

    @rule(name=st.sampled_from(sorted(DEEDS)), seed=st.integers(0, 2**32))
    def do(self, name: str, seed: int) -> None:
        self.rng = Random(seed)  # noqa: S311
        deed, unique = DEEDS[name], f"{seed:x}-{time.monotonic_ns():x}"
        drawn = self.draw(name, deed, unique)
        for _ in range(_TRIES if self.rng.random() < 0.7 else 0):
            if self.is_whole(name, drawn) and expected(drawn, self.life.state, time.time()) == [
                (200, None)
            ]:
                break
            drawn = self.draw(name, deed, unique)
        if name == "change the payer" and not drawn.limits:
            return
        before = len(self.life.wrong)
        self.stage.wait(self.life.do(deed, drawn))
        self.stage.steps += 1
        assert len(self.life.wrong) == before, self.life.wrong[-1]

    def is_whole(self, name: str, drawn: Call) -> bool:
        """Tell whether a drawn deed changes anything: a payer is named, an env is a new one."""
        if name == "change the payer":
            return bool(drawn.limits)
        state = self.life.state
        return (
            name != "enable LIVE" or drawn.env not in state.organizations[drawn.organization].envs
        )

    def draw(self, name: str, deed: Deed, unique: str) -> Call:
        """Draw who does it to what: most of the time it is tried until somebody may."""
        actor = self.actor()
        organization = self.organization(actor)
        about, limits = self.about(deed, organization), self.limits(name, deed, actor, organization)
        return Call(ROUTES[deed.route], actor, organization, about, unique=unique, limits=limits)

    @invariant()
    def every_view_agrees(self) -> None:
        if hasattr(self, "life"):
            self.stage.wait(self.life.look(self.actor()))
            self.stage.views += 1
            assert not self.life.wrong, self.life.wrong[0]

    def actor(self) -> Actor:
        """Draw a credential, one that still works three times in four."""
        actors, state = self.life.actors(), self.life.state
        now = time.time()
        living = [
            each
            for each in actors
            if is_alive(each, state, now) and standing_of(each.organization, state, now) != "ended"
        ]
        return self.rng.choice(living if living and self.rng.random() < 0.75 else actors)

    def organization(self, actor: Actor) -> UUID:
        """Draw what the actor reaches, two times in three."""
        every: list[Any] = list(self.life.state.organizations)
        reached = [e for e in every if reaches(actor, e, self.life.state, time.time())]
        found: UUID = self.rng.choice(reached if reached and self.rng.random() < 0.67 else every)
        return found

    def about(self, deed: Deed, organization: UUID) -> UUID:
        state = self.life.state
        things: dict[str | None, list[Any]] = {
            "key": [key.id for key in state.keys.values() if key.organization == organization],
            "person": [person for of, person in state.roles if of == organization],
        }
        found = things.get(ROUTES[deed.route].asks.about) or [self.life.world.uuid()]
        chosen: UUID = self.rng.choice(found)
        return chosen

    def limits(
        self, name: str, deed: Deed, actor: Actor, organization: UUID
    ) -> tuple[tuple[str, Any], ...]:
        if name == "create a key" and self.rng.random() < 0.5:
            reach = self.rng.choice(("self", "managed", "all", [str(self.organization(actor))]))
            held = self.rng.sample(sorted(Right), 12)
            return (("permissions", held), ("reach", reach))
        if name != "change the payer":
            return deed.limits
        payers = [each for each in self.payers(actor, organization) if each != organization]
        options = [{"bill_to_organization": str(each)} for each in payers[:1]]
        return tuple(("billing_options", each) for each in options)

    def payers(self, actor: Actor, organization: UUID) -> Iterator[UUID]:
        """Yield LIVE main organizations that the actor reaches, unless who pays is above it."""
        state, now = self.life.state, time.time()
        current = state.organizations[organization].payer
        if current is not None and not reaches(actor, current, state, now):
            return
        for each in state.organizations.values():
            is_fit = each.manager is None and "LIVE" in each.envs
            is_circle = self.is_circle(each.id, to=organization)
            if is_fit and not is_circle and reaches(actor, each.id, state, now):
                yield each.id  # type: ignore[misc]

    def is_circle(self, payer: Id | None, *, to: UUID) -> bool:
        """Tell whether a payer is billed to the organization that it is to pay for."""
        while payer is not None and payer != to:
            payer = self.life.state.organizations[payer].payer
        return payer == to


@asynccontextmanager
async def staged(owner_url: str, keyring: Keyring) -> AsyncGenerator[tuple[Room, Edge]]:
    async with furnish(owner_url, LOGIN, keyring, "lives") as room, committing(room) as app:
        yield room, app


@pytest.fixture
def stage(owner_url: str, serving_url: str, keyring: Keyring) -> Iterator[Stage]:
    assert serving_url, "the roles are made first"
    with asyncio.Runner() as runner:
        place = staged(owner_url, keyring)
        room, app = runner.run(place.__aenter__())
        yield Stage(runner, room, app)
        runner.run(place.__aexit__(None, None, None))


@pytest.mark.timeout(7200)
def test_every_view_agrees_with_the_oracle_after_every_deed(stage: Stage) -> None:
    Machine.stage = stage
    amounts = settings(
        max_examples=AMOUNTS.machine_runs,
        stateful_step_count=AMOUNTS.machine_steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    failures = 1
    try:
        run_state_machine_as_test(Machine, settings=amounts)
        failures = 0
    finally:
        lives, changes = AMOUNTS.machine_runs, stage.done.total()
        figure = (
            f"{lives} lives, {stage.steps} deeds, {changes} changes, {stage.views} times all views"
        )
        record_figure("Isolation between tenants: state machine", figure, failures)
    assert set(stage.done) == {deed.route for deed in DEEDS.values()}, "each deed has happened"


def test_a_view_that_disagrees_is_found(stage: Stage) -> None:
    """The comparison itself: facts that nobody told the service of must be noticed everywhere."""
    world = draw(Random(8), roots=1, managed=3, trouble=0)  # noqa: S311
    stage.wait(stage.room.settle(world))
    life = Life(stage.room, stage.app, world)
    root = next(each for each, row in world.state.organizations.items() if not row.administrator)
    actor = next(key for key in world.actors() if key.kind == "key" and key.organization == root)
    stage.wait(life.look(actor))
    assert life.wrong == []
    newest = list(world.state.organizations)[-1]
    hidden = replace(world.state.organizations[newest], manager=None)
    world.state.organizations[newest] = hidden
    stage.wait(life.look(actor))
    said = {each.partition(":")[0] for each in life.wrong}
    assert said >= {"list", "list by cursor", "reach", "counts", "tree", "get"}
