"""All that policy promises, asked of any module that claims to be policy: without a database.

Whom an actor reaches is the walls' business and not asked here: the oracle says it, in their place.
"""

import time
from collections.abc import Coroutine
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from functools import cache
from itertools import product
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple, cast
from uuid import UUID

import facts
from facts import Verdict
from oracle import may_at_all
from oracle_standing import effective_status, is_alive, is_visible, standing_of
from random_worlds import Drawn, draw
from tillkeeper.access.operation import Actor, ActorKind, Operation, Target
from tillkeeper.access.queries import Reached
from tillkeeper.access.rights import EXPORTS, READS, Right, rights_of_key, rights_of_role
from tillkeeper.core import errors
from tillkeeper.core.env import Env
from tillkeeper.core.errors import AccessDenied, Refusal
from tillkeeper.core.status import KeyReach, OrganizationStatus, Role

OWN, BELOW, AWAY = (UUID(int=n << 76 | 8 << 60 | n) for n in (1, 2, 3))
BOTH = (Env.TEST, Env.LIVE)
SAID = {
    type(None): Verdict.ALLOW,
    errors.OrganizationSuspended: Verdict.SUSPENDED,
    errors.OrganizationNotFound: Verdict.INVISIBLE,
    AccessDenied: Verdict.DENIED,
    errors.OrganizationArchived: Verdict.WRONG_STATE,
}
DEEDS = 4_000


class Judged(NamedTuple):
    """A deed of a drawn world, and what the oracle says to it."""

    actor: Actor
    right: Right
    organization: UUID
    target: Target
    env: Env
    verdict: Verdict


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it returns
    """Run what waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("policy waited for something")


def is_missing(coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Tell whether what waits for nothing ends by saying that there is no organization."""
    try:
        run(coroutine)
    except errors.OrganizationNotFound:
        return True
    return False


@cache
def judged() -> list[Judged]:
    """Draw deeds towards what is seen, of everybody who may enter, with the oracle's verdict."""
    found: list[Judged] = []
    for seed in range(4):
        world = draw(Random(seed), roots=2, trouble=0.25)  # noqa: S311 - the same every time
        alive = [a for a in world.actors() if _may_enter(a, world)]
        deeds = [
            (who, right, of, env)
            for who, right, of, env in product(alive, Right, world.state.organizations, Env)
            if is_visible(who, right, of, world.state, world.now)
            and (env == who.env or right is not Right.ORGANIZATION_ENABLE_ENV)
        ]
        for who, right, of, env in world.rng.sample(deeds, min(DEEDS, len(deeds))):
            found.append(_judge(world, who, right, cast("UUID", of), env))
    return found


def _may_enter(who: facts.Actor, world: Drawn) -> bool:
    state, now = world.state, world.now
    return is_alive(who, state, now) and standing_of(who.organization, state, now) != "ended"


def _judge(world: Drawn, who: facts.Actor, right: Right, of: UUID, env: Env) -> Judged:
    state, now = world.state, world.now
    target = _target(of, state)
    verdict = may_at_all(who, right, of, env, state, now)
    return Judged(_actor(who, world), right, of, target, env, verdict)


def _target(of: UUID, state: facts.State) -> Target:
    found = state.organizations[of]
    envs = tuple(env for env in Env if env in found.envs)
    status = OrganizationStatus(effective_status(of, state))
    return Target(of, envs, found.manager is not None, status)


def _actor(who: facts.Actor, world: Drawn) -> Actor:
    """Return who entered, as the door describes them."""
    state, own = world.state, world.state.organizations[who.organization]
    is_main, is_administered = own.manager is None, own.administrator is not None
    role, reach = None, KeyReach.ALL
    if who.kind == "user":
        role = Role(state.roles[who.organization, who.id])
        rights = rights_of_role(role, is_main=is_main, is_administered=is_administered)
    else:
        drawn = state.keys[who.id]
        rights = rights_of_key(is_main=is_main, is_administered=is_administered)
        rights &= rights if drawn.permissions is None else frozenset(map(Right, drawn.permissions))
        reach = KeyReach(drawn.reach) if isinstance(drawn.reach, str) else KeyReach.LISTED
    is_suspended = standing_of(who.organization, state, world.now) != "active"
    return Actor(
        kind=ActorKind(who.kind),
        id=cast("UUID", who.id),
        organization_id=cast("UUID", who.organization),
        env=Env(who.env),
        is_main=is_main,
        is_administered=is_administered,
        role=role,
        rights=rights,
        reach=KeyReach.LISTED if is_suspended else reach,
        is_suspended=is_suspended,
    )


def key(**differing: Any) -> Actor:  # noqa: ANN401 - an actor's fields
    """Return the key of a main organization, but for what differs."""
    position: dict[str, bool] = {"is_main": True, "is_administered": False}
    whole: dict[str, Any] = {
        "kind": ActorKind.KEY,
        "id": OWN,
        "organization_id": OWN,
        "env": Env.LIVE,
        "role": None,
        "rights": rights_of_key(**position),
    }
    return Actor(**(whole | position | differing))


def check_the_oracle_agrees(policy: ModuleType) -> None:
    for actor, right, of, target, env, verdict in judged():
        refusal = policy.refusal_of(actor, right, of, target, env)
        assert SAID[type(refusal)] is verdict, (actor, right, target, env)


SHOP = Target(BELOW, BOTH, is_managed=True)
MAIN = Target(OWN, BOTH, is_managed=False)
CLOSED = Target(BELOW, BOTH, is_managed=True, status=OrganizationStatus.ARCHIVED)
SENTENCES: list[tuple[Actor, Right, Target, Env, str, type[Refusal], str]] = [
    (
        key(is_suspended=True, rights=frozenset()),
        Right.API_KEY_CREATE,
        MAIN,
        Env.LIVE,
        "suspension",
        errors.OrganizationSuspended,
        "Your organization is suspended. Ask who manages it",
    ),
    (
        key(rights=frozenset()),
        Right.ORGANIZATION_SUSPEND,
        MAIN,
        Env.TEST,
        "right_not_held",
        AccessDenied,
        "This credential may not set the status of this organization: only who stands above it may",
    ),
    (
        key(),
        Right.ORGANIZATION_SUSPEND,
        MAIN,
        Env.TEST,
        "relation",
        AccessDenied,
        "This credential may not set the status of this organization: only who stands above it may",
    ),
    (
        key(env=Env.TEST),
        Right.ORGANIZATION_UPDATE,
        CLOSED,
        Env.LIVE,
        "other_env",
        AccessDenied,
        "This credential is good for TEST and may not change this organization in LIVE",
    ),
    (
        key(env=Env.TEST),
        Right.ORGANIZATION_UPDATE,
        CLOSED,
        Env.TEST,
        "live_needs_live",
        AccessDenied,
        "A TEST key may not change this organization: it is LIVE, use a LIVE key",
    ),
    (
        key(),
        Right.ORGANIZATION_UPDATE,
        CLOSED,
        Env.LIVE,
        "closed",
        errors.OrganizationArchived,
        "This organization is archived: set its status to active first",
    ),
]


def check_the_first_rule_is_said(policy: ModuleType) -> None:
    """Each row breaks its own rule and later ones, and none before it."""
    for actor, right, target, env, name, kind, sentence in SENTENCES:
        assert policy.judge(policy.Deed(actor, right, target, env)).name == name
        of = target.organization_id
        refusal = policy.refusal_of(actor, right, of, target, env)
        assert type(refusal) is kind
        assert refusal.sentence == sentence
        if isinstance(refusal, AccessDenied):
            assert (refusal.right, refusal.organization_id, refusal.env) == (right, of, env)
    assert list(dict.fromkeys(rule.name for rule in policy.RULES)) == [row[4] for row in SENTENCES]
    assert str(AWAY) in policy.refusal_of(key(), Right.USER_READ, AWAY, None, Env.LIVE).sentence


def check_a_grace_stops_neither_looks_nor_tills_nor_exports(policy: ModuleType) -> None:
    goes_on = READS | EXPORTS | {Right.TRANSACTION_SIGN, Right.TRANSACTION_UPDATE}
    for right in Right:
        said = policy.refusal_of(key(is_suspended=True), right, OWN, MAIN, Env.LIVE)
        assert isinstance(said, errors.OrganizationSuspended) is (right not in goes_on), right


def check_the_house_itself_is_stopped_by_what_is_closed_alone(policy: ModuleType) -> None:
    for kind, right, env in product((ActorKind.OPERATOR, ActorKind.SYSTEM), Right, Env):
        actor = key(kind=kind, rights=frozenset())
        for target in (MAIN, SHOP):
            assert policy.refusal_of(actor, right, target.organization_id, target, env) is None
        for status in OrganizationStatus:
            is_over = status in (OrganizationStatus.ARCHIVED, OrganizationStatus.PENDING_DELETION)
            is_open = right in READS | EXPORTS or right is Right.ORGANIZATION_SUSPEND
            is_allowed = is_open or not is_over
            closed = Target(BELOW, BOTH, is_managed=True, status=status)
            assert (policy.refusal_of(actor, right, BELOW, closed, env) is None) is is_allowed


MADE = {
    # Within a reach: whether it may create below its own, below another main organization, and
    # main organizations.
    KeyReach.SELF: (False, False, False),
    KeyReach.LISTED: (False, False, False),
    KeyReach.MANAGED: (True, False, False),
    KeyReach.ALL: (True, True, True),
}


def check_a_key_makes_only_what_it_will_reach(policy: ModuleType) -> None:
    create, administer = Right.ORGANIZATION_CREATE, Right.ORGANIZATION_ADMINISTER
    for reach, made in MADE.items():
        actor = key(reach=reach)
        asked = [
            (create, MAIN),
            (create, Target(BELOW, BOTH, is_managed=False)),
            (administer, MAIN),
        ]
        deeds = [policy.Deed(actor, right, target, Env.LIVE) for right, target in asked]
        assert tuple(policy.judge(deed) is None for deed in deeds) == made
        for right in (create, administer):
            assert policy.judge(policy.Deed(actor, right, SHOP, Env.LIVE)).name == "relation"


def check_live_is_not_enabled_from_test(policy: ModuleType) -> None:
    """Before an archive is told of: what is not permitted has no state."""
    enable, test = Right.ORGANIZATION_ENABLE_ENV, (Env.TEST,)
    missing = Target(BELOW, test, is_managed=True, status=OrganizationStatus.ARCHIVED)
    there = Target(BELOW, BOTH, is_managed=True)
    person = key(kind=ActorKind.USER, role=Role.OWNER, env=Env.TEST)
    for actor, target, enabling, name in (
        (key(env=Env.TEST), missing, Env.LIVE, "live_needs_live"),
        (key(env=Env.TEST), missing, Env.TEST, "closed"),
        (key(env=Env.TEST), missing, None, "closed"),
        (key(env=Env.TEST), there, Env.LIVE, None),
        (person, missing, Env.LIVE, "closed"),
        (key(), missing, Env.LIVE, "closed"),
    ):
        env = actor.env
        rule = policy.judge(policy.Deed(actor, enable, target, env, enabling))
        found = None if rule is None else str(rule.name)
        assert found == name
    live_alone = Target(BELOW, (Env.LIVE,), is_managed=True)
    both = key(env=Env.TEST), Right.ORGANIZATION_UPDATE, BELOW, live_alone, Env.TEST
    first = policy.refusal_of(*both, enabling=Env.TEST).sentence
    assert first == "A TEST key may not change this organization: it is LIVE, use a LIVE key"
    asked = key(env=Env.TEST), enable, BELOW, missing, Env.TEST
    said = policy.refusal_of(*asked, enabling=Env.LIVE).sentence
    assert said == "A TEST key may not enable LIVE: use a LIVE key, or log in"
    assert isinstance(policy.refusal_of(*asked), errors.OrganizationArchived)
    answer(policy, None)
    op = operation(missing, is_wide=False, actor=key(env=Env.TEST))
    assert isinstance(refused(policy, op, enable, BELOW, enabling=Env.LIVE), AccessDenied)


class Held:
    """A condition that remembers the grants it was held for."""

    def __init__(self) -> None:
        self.grants: list[Any] = []

    async def hold(self, grant: Any) -> None:  # noqa: ANN401 - a Grant of whichever policy
        self.grants.append(grant)


def operation(target: Target | None, *, is_wide: bool, **differing: Any) -> Operation:  # noqa: ANN401
    whole: dict[str, Any] = {
        "tx": "tx",
        "actor": key(),
        "house": None,
        "id": "battery",
        "now": datetime.fromtimestamp(time.time(), UTC),
    }
    return Operation(target=target, is_wide=is_wide, **(whole | differing))


def answer(policy: ModuleType, found: Reached | None) -> list[tuple[Any, ...]]:
    """Let the database find this, and return where it will note what it was asked."""
    asked: list[tuple[Any, ...]] = []

    async def find_reached(tx: object, organization_id: UUID, by: UUID, env: Env) -> Reached | None:
        asked.append((tx, organization_id, by, env))
        return found

    policy.queries = SimpleNamespace(find_reached=find_reached)  # type: ignore[attr-defined]
    return asked


def check_a_grant_says_what_was_granted(policy: ModuleType) -> None:
    answer(policy, None)
    op = operation(SHOP, is_wide=False)
    grant = run(policy.require(op, Right.API_KEY_CREATE, BELOW))
    assert (grant.op, grant.right) == (op, Right.API_KEY_CREATE)
    assert (grant.organization_id, grant.env, grant.tx) == (BELOW, Env.LIVE, "tx")
    assert grant.reader_id == OWN
    assert grant.scope == {"organization_id": BELOW, "env": Env.LIVE}
    try:
        grant.organization_id = AWAY
    except FrozenInstanceError:
        return
    raise AssertionError("a grant was changed")


def check_a_named_env_is_the_one_that_counts(policy: ModuleType) -> None:
    answer(policy, None)
    op = operation(SHOP, is_wide=False, actor=key(kind=ActorKind.OPERATOR))
    assert run(policy.require(op, Right.API_KEY_CREATE, BELOW, Env.TEST)).env is Env.TEST
    assert refused(policy, operation(SHOP, is_wide=False), Right.USER_READ, BELOW, Env.TEST)


def refused(
    policy: ModuleType, op: Operation, *asked: object, enabling: Env | None = None
) -> Refusal | None:
    try:
        run(policy.require(op, *asked, enabling=enabling))
    except Refusal as refusal:
        return refusal
    return None


def check_a_condition_is_held_for_granted_changes_alone(policy: ModuleType) -> None:
    answer(policy, None)
    held = Held()
    op = operation(SHOP, is_wide=False, condition=held)
    for right in READS:
        run(policy.require(op, right, BELOW))
    assert refused(policy, op, Right.ORGANIZATION_HAND_OVER, BELOW)
    assert not held.grants
    grant = run(policy.require(op, Right.USER_INVITE, BELOW))
    assert held.grants == [grant]


def check_only_what_is_reached_is_found(policy: ModuleType) -> None:
    row = Reached(id=BELOW, envs=list(BOTH), is_managed=True, status=OrganizationStatus.ARCHIVED)
    asked = answer(policy, row)
    narrow, wide = operation(SHOP, is_wide=False), operation(SHOP, is_wide=True)
    assert run(policy.find_target(narrow, BELOW)) is SHOP
    assert run(policy.find_target(narrow, AWAY)) is None
    assert isinstance(refused(policy, narrow, Right.USER_READ, AWAY), errors.OrganizationNotFound)
    assert not asked
    assert run(policy.find_target(operation(None, is_wide=True), BELOW)) == CLOSED
    assert run(policy.find_target(wide, AWAY)) == CLOSED
    assert asked == [("tx", BELOW, OWN, Env.LIVE), ("tx", AWAY, OWN, Env.LIVE)]
    answer(policy, None)
    assert run(policy.find_target(wide, AWAY)) is None
    assert run(policy.find_target(operation(None, is_wide=False), AWAY)) is None


def check_what_left_the_reach_is_noticed(policy: ModuleType) -> None:
    grant = policy.Grant(operation(SHOP, is_wide=False), Right.USER_INVITE, BELOW, Env.LIVE)
    row = Reached(id=BELOW, envs=list(BOTH), is_managed=True, status=OrganizationStatus.ACTIVE)
    asked = answer(policy, row)
    assert run(policy.is_still_reached(grant)) is True
    assert asked == [("tx", BELOW, OWN, Env.LIVE)]
    run(policy.check_still_reached(grant))
    answer(policy, None)
    assert run(policy.is_still_reached(grant)) is False
    assert is_missing(policy.check_still_reached(grant))
    own = policy.Grant(operation(SHOP, is_wide=False), Right.USER_INVITE, OWN, Env.LIVE)
    run(policy.check_still_reached(own))


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
