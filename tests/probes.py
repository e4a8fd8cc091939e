"""What the walls let a login see and change in one context, beside what the oracle wants.

Everything is compared as sets and counts of rows: one statement decides about thousands of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from facts import Actor, Key, State, Verdict
from oracle import may, sees
from oracle_standing import chain, is_alive, reaches, standing_of
from random_worlds import Drawn
from tenant_rows import Rows, child_of, row_of
from tillkeeper.access import queries
from tillkeeper.access.identity import issue
from tillkeeper.core.env import Env
from tillkeeper.schema import metadata
from world import Connection

OWN_TOO = {"memberships", "billing_addresses", "audit_rows", "agreements"}
"""Tables of which an actor's own organization is open in every context."""
OWN_ALONE = {"kept_answers"}
HELPERS = """
CREATE SCHEMA IF NOT EXISTS proof;
GRANT USAGE ON SCHEMA proof TO PUBLIC;
CREATE OR REPLACE FUNCTION proof.taken(place text, columns text, wanted jsonb) RETURNS int[]
LANGUAGE plpgsql AS $$
DECLARE
  one jsonb;
  position int := 0;
  taken int[] := '{}';
BEGIN
  FOR one IN SELECT jsonb_array_elements(wanted) LOOP
    BEGIN
      EXECUTE format('INSERT INTO %1$I (%2$s) SELECT %2$s
        FROM jsonb_populate_record(NULL::%1$I, $1)', place, columns) USING one;
      taken := taken || position;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
    position := position + 1;
  END LOOP;
  RETURN taken;
END $$;
CREATE OR REPLACE FUNCTION proof.changed(statements text[]) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
  one text;
  number bigint;
  numbers bigint[] := '{}';
BEGIN
  FOREACH one IN ARRAY statements LOOP
    BEGIN
      EXECUTE one;
      GET DIAGNOSTICS number = ROW_COUNT;
      RAISE SQLSTATE 'UNDO0';
    EXCEPTION WHEN SQLSTATE 'UNDO0' THEN NULL;
      WHEN insufficient_privilege THEN number := -1;
    END;
    numbers := numbers || number;
  END LOOP;
  RETURN numbers;
END $$;
"""
"""What the login is given to try things with: they run as itself."""
_DOORS = """
SELECT ARRAY(SELECT k FROM unnest($1::uuid[]) k, rotate_key(k, '\\x00', 1, 60)) AS rotated,
  ARRAY(SELECT k FROM unnest($2::uuid[]) k, expire_previous_secret(k)) AS expired,
  ARRAY(SELECT p FROM unnest($3::uuid[]) p, find_payer($4, p)) AS payers
"""


class Context(NamedTuple):
    """Who enters, how far the walls are to open, and about which organization."""

    actor: Actor
    opening: str
    target: UUID | None


class Wanted:
    """What the oracle wants of the walls in one context."""

    def __init__(self, context: Context, state: State, now: float) -> None:
        self.context, self.now = context, now
        self.state = unlimited(context.actor, state)
        actor = context.actor
        own = actor.organization
        self.is_in = is_alive(actor, state, now) and standing_of(own, state, now) != "ended"
        self.own: set[UUID] = {own} if self.is_in else set()  # type: ignore[arg-type]
        self.scope: set[UUID] = self._scope() if self.is_in else set()

    def _scope(self) -> set[UUID]:
        actor, opening, target = self.context
        seen: set[UUID] = sees(actor, self.state, self.now).organizations  # type: ignore[assignment]
        if target is None:
            return seen
        if opening == "across":
            is_reached = reaches(actor, target, self.state, self.now)
            return {target} if is_reached else set()
        if target not in seen:
            return set()
        if opening == "subtree":
            return {each for each in seen if target in chain(each, self.state)}
        return {target}

    def organizations_of(self, table: str) -> set[UUID]:
        """Return whose rows of a table are open."""
        if table in OWN_ALONE:
            return self.own
        return self.scope | self.own if table in OWN_TOO else self.scope

    def rows(self, table: str, rows: Rows) -> set[Any]:
        if table == "organizations":
            return self.scope
        return rows.of(table, self.organizations_of(table), self.context.actor.env)

    def takes(self, table: str, organization: UUID, env: str) -> bool:
        is_in_env = env == self.context.actor.env or "env" not in metadata.tables[table].c
        return organization in self.organizations_of(table) and is_in_env

    def takes_child(self, of: UUID) -> bool:
        """Only where the walls are wide, or around a subtree, is there room for one more."""
        actor, opening, target = self.context
        if target is not None and (opening != "subtree" or of not in self.scope):
            return False
        verdict = may(actor, "organization:create", of, actor.env, self.state, self.now)
        return verdict in (Verdict.ALLOW, Verdict.WRONG_STATE)

    def rotates(self, key: Key) -> bool:
        ends, retires = key.expires_at, key.retiring_ends_at
        is_over = ends is not None and ends <= self.now
        is_retiring = retires is not None and retires > self.now
        return self._is_at(key) and key.is_enabled and not is_over and not is_retiring

    def expires(self, key: Key) -> bool:
        return self._is_at(key) and (key.retiring_ends_at or 0) > self.now

    def _is_at(self, key: Key) -> bool:
        """The doors change keys of the one organization that the walls stand around."""
        is_narrow = self.context.target is not None and self.context.opening != "subtree"
        return is_narrow and key.organization in self.scope and key.env == self.context.actor.env

    def names_payer(self, payer: UUID) -> bool:
        return reaches(self.context.actor, payer, self.state, self.now)


def unlimited(actor: Actor, state: State) -> State:
    """Return the state in which the actor holds every right: walls know reach and env alone."""
    keys, roles, place = state.keys, state.roles, (actor.organization, actor.id)
    if actor.kind == "key" and actor.id in keys:
        keys = keys | {actor.id: replace(keys[actor.id], permissions=None)}
    if place in roles:
        roles = roles | {place: "owner"}
    return State(state.organizations, keys, roles, state.addresses, state.with_password)


@dataclass
class Probe:
    """Asks one database, in whatever transaction the connection is."""

    connection: Connection
    world: Drawn
    rows: Rows
    rng: Random
    is_writing: bool = True
    """Whether changes are tried too, and not reading and the doors alone."""
    decisions: int = 0
    wrong: list[str] = field(default_factory=list)

    async def try_context(self, context: Context) -> None:
        """Enter as a request does, compare all that is seen and changed, and undo it."""
        block = self.connection.transaction()
        await block.start()
        try:
            await enter(self.connection, context)
            wanted = Wanted(context, self.world.state, self.world.now)
            await self._read(wanted)
            await self._turn(wanted)
            if self.is_writing:
                await self._change(wanted)
                await self._insert(wanted)
        finally:
            await block.rollback()

    async def _read(self, wanted: Wanted) -> None:
        row = await self.connection.fetchrow(self.rows.reading)
        assert row is not None
        for table in self.rows.readable:
            expected = wanted.rows(table, self.rows)
            self._compare(wanted, f"reading {table}", expected, set(row[table]))
            self.decisions += self.rows.counts[table]

    async def _change(self, wanted: Wanted) -> None:
        blind = self.rows.blind
        texts = [each.text for each in blind]
        numbers = await self.connection.fetchval("SELECT proof.changed($1)", texts)
        for each, number in zip(blind, numbers, strict=True):
            self._compare(wanted, each.text, len(wanted.rows(each.table, self.rows)), number)
            self.decisions += self.rows.counts[each.table]

    async def _insert(self, wanted: Wanted) -> None:
        places = self._places(wanted.context)
        for table in self.rows.insertable:
            if table == "organizations":
                mains = [o for o, _ in places if self.world.state.organizations[o].manager is None]
                made = [child_of(o, wanted.context.actor.env, self.world) for o in mains]
                expected = {n for n, o in enumerate(mains) if wanted.takes_child(o)}
            else:
                made = [row_of(metadata.tables[table], *at, self.world) for at in places]
                expected = {n for n, at in enumerate(places) if wanted.takes(table, *at)}
            if made:
                await self._try_rows(wanted, table, made, expected)

    async def _try_rows(
        self, wanted: Wanted, table: str, made: list[dict[str, Any]], expected: set[int]
    ) -> None:
        names = ", ".join(name for name in self.rows.insertable[table] if name in made[0])
        taken = "SELECT proof.taken($1, $2, $3::text::jsonb)"
        text = json.dumps(made, default=str)
        found = await self.connection.fetchval(taken, table, names, text)
        self._compare(wanted, f"inserting into {table}", expected, set(found))
        self.decisions += len(made)

    async def _turn(self, wanted: Wanted) -> None:
        """Try the doors that take the walls' word for where they are."""
        places = [organization for organization, _ in self._places(wanted.context)]
        keys = [key for each in places for key in self.world.keys_of[each]]
        # This one is told who reads: nobody comes as far without having entered.
        payers = places if wanted.is_in else []
        ids, own = [key.id for key in keys], wanted.context.actor.organization
        row = await self.connection.fetchrow(_DOORS, ids[::2], ids[1::2], payers, own)
        assert row is not None
        rotated = {key.id for key in keys[::2] if wanted.rotates(key)}
        self._compare(wanted, "rotating", rotated, set(row["rotated"]))
        expired = {key.id for key in keys[1::2] if wanted.expires(key)}
        self._compare(wanted, "ending a secret", expired, set(row["expired"]))
        paying = {each for each in payers if wanted.names_payer(each)}
        self._compare(wanted, "naming a payer", paying, set(row["payers"]))
        self.decisions += len(keys) + len(payers)

    def _places(self, context: Context) -> list[tuple[UUID, str]]:
        """Organizations that have to do with the actor, and others, in either env."""
        near = self.world.near(context.actor.organization)
        found = [*self.rng.sample(near, min(2, len(near))), self.rng.choice(self.world.all)]
        if context.target is not None:
            found.append(context.target)
        return [(each, self.rng.choice(("TEST", "LIVE"))) for each in dict.fromkeys(found)]

    def _compare(self, wanted: Wanted, what: str, expected: object, found: object) -> None:
        if expected != found:
            text = f"{what}: {str(expected)[:200]} but {str(found)[:200]}, {wanted.context}"
            self.wrong.append(text)


async def enter(connection: Connection, context: Context) -> None:
    """Put the walls up by the statement that every request begins with."""
    actor, opening, target = context
    credential = issue(
        kind=actor.kind,  # type: ignore[arg-type]
        actor_id=actor.id,  # type: ignore[arg-type]
        organization_id=actor.organization,  # type: ignore[arg-type]
        env=Env(actor.env),
        now=0,
        seconds=1,
        generation=actor.generation,
    )
    values = {"address": actor.ip, "target": target, "opening": opening}
    claim = {"claim": None, "wanted_fingerprint": None}
    await queries.enter(connection, credential, **values, **claim)


_Traits: TypeAlias = dict[str, list[Actor]]


class Crowd:
    """Actors by what distinguishes them: the rare ones are drawn as often as the common."""

    def __init__(self, world: Drawn, rng: Random) -> None:
        self.world, self.rng = world, rng
        self.living, self.all = _Traits(), _Traits()
        for actor in world.actors():
            is_living = is_alive(actor, world.state, world.now)
            for trait in self._traits_of(actor):
                for index in (self.living, self.all) if is_living else (self.all,):
                    index.setdefault(trait, []).append(actor)

    def _traits_of(self, actor: Actor) -> Iterator[str]:
        state, now = self.world.state, self.world.now
        own = state.organizations[actor.organization]
        managers = {state.organizations[each].manager for each in self._below(actor)}
        is_high = len(managers) > 2  # nobody, itself, and one that it administers
        place = f"{own.manager is None}, {own.administrator is None}, {is_high}"
        yield f"{actor.kind}, {place}"
        yield f"standing: {standing_of(actor.organization, state, now)}"
        yield f"in its env: {actor.env in own.envs}"
        if key := state.keys.get(actor.id):
            yield f"enabled: {key.is_enabled}"
            yield f"reach: {key.reach if isinstance(key.reach, str) else 'listed'}, {place}"
            yield f"from somewhere: {bool(key.allowed_ips)}"
            for name in ("not_before", "expires_at", "retiring_ends_at"):
                moment = getattr(key, name)
                yield f"{name}: {moment and moment > now}"

    def draw(self) -> Context:
        """Draw somebody who may be anybody's, from anywhere, with a secret of any age."""
        rng = self.rng
        index = self.living if rng.random() < 0.7 else self.all
        actor = rng.choice(index[rng.choice(list(index))])
        if rng.random() < 0.3:
            actor = replace(actor, generation=actor.generation + rng.choice((-1, -1, -2, 1)))
        if rng.random() < 0.2:
            actor = replace(actor, ip=rng.choice(("10.1.1.1", "192.0.2.1", "::1")))
        if rng.random() < 0.05:
            actor = replace(actor, organization=rng.choice(self.world.all))
        if rng.random() < 0.05:
            actor = replace(actor, env="LIVE" if actor.env == "TEST" else "TEST")
        opening = rng.choices(("wide", "narrow", "subtree", "across"), (4, 3, 1, 2))[0]
        if opening == "wide":
            return Context(actor, "narrow", None)
        return Context(actor, opening, self._target(actor))

    def _target(self, actor: Actor) -> UUID:
        """Draw what is reached, what is near, or anything."""
        near, every = self.world.near(actor.organization), self.world.all
        return self.rng.choice(self.rng.choices((self._below(actor), near, every), (5, 3, 2))[0])

    def _below(self, actor: Actor) -> list[UUID]:
        state, own = self.world.state, actor.organization
        return [each for each in self.world.near(own) if own in chain(each, state)]
