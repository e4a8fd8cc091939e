"""Eyes on a database that tests change: the facts are read again after every change."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from uuid import UUID

import asyncpg

from facts import Actor, Id, Key, Organization, State
from leaks import Exchange, Signed, Tokens, is_shown, sight_of
from tillkeeper.db.pool import teach_types
from world import Connection

_VERSION = """
SELECT pg_current_snapshot()::text AS version,
  ARRAY(SELECT DISTINCT root_organization_id FROM organizations WHERE id = ANY ($1)) AS roots
"""
"""The whole snapshot: its end alone stays the same when a transaction begun earlier commits."""
_ORGANIZATIONS = "SELECT * FROM organizations WHERE root_organization_id = ANY ($1)"
_OF = "SELECT * FROM {} WHERE organization_id = ANY ($1)"
_AGREED = """
SELECT organization_id, about_organization_id FROM agreements WHERE organization_id = ANY ($1)
UNION SELECT organization_id, with_organization_id FROM agreements
WHERE organization_id = ANY ($1) AND with_organization_id IS NOT NULL
"""
_EXISTING = """
SELECT id::text FROM organizations WHERE id = ANY ($1::uuid[])
UNION ALL SELECT id::text FROM api_keys WHERE id = ANY ($1::uuid[])
UNION ALL SELECT user_id::text FROM memberships WHERE user_id = ANY ($1::uuid[])
UNION ALL SELECT id::text FROM billing_addresses WHERE id = ANY ($1::uuid[])
UNION ALL SELECT lower(email) FROM memberships WHERE lower(email) = ANY ($2::text[])
UNION ALL SELECT key FROM api_keys WHERE key = ANY ($3::text[])
"""


_SIGNED = """
SELECT id::text AS id, organization_id, env::text AS env, 'tss:read' AS reading FROM tss
  WHERE id = ANY ($1::uuid[])
UNION ALL SELECT serial_number, organization_id, env::text, 'tss:read' FROM tss
  WHERE serial_number = ANY ($2::text[])
UNION ALL SELECT id::text, organization_id, env::text, 'client:read' FROM tss_clients
  WHERE id = ANY ($1::uuid[])
UNION ALL SELECT id::text, organization_id, env::text, 'transaction:read' FROM transactions
  WHERE id = ANY ($1::uuid[])
UNION ALL SELECT id::text, organization_id, env::text, 'export:read' FROM exports
  WHERE id = ANY ($1::uuid[])
"""
"""What tills make, and the right to read it. It never changes hands: how things are once somebody
has been answered is enough, and whole journals need not be read again for each answer."""
Seen: TypeAlias = tuple[Tokens, set[str]]


@dataclass
class Facts:
    """The trees of whoever asks, and of what is asked about."""

    state: State = field(default_factory=State)
    names: dict[UUID, str] = field(default_factory=dict)
    mails: list[tuple[UUID, str]] = field(default_factory=list)
    """Whose organization knows which address."""
    texts: dict[UUID, str] = field(default_factory=dict)
    agreed: list[tuple[UUID, UUID]] = field(default_factory=list)
    """Whose copy of an agreement names which organization: a proposal is made to it, id and all."""
    sights: dict[tuple[Actor | None, bool, bool], Seen] = field(default_factory=dict)
    """What was found out already: facts never change, new ones are read."""


@dataclass
class FromDatabase:
    """One connection that sees through the walls, opened when it is first needed."""

    url: str
    _connection: "Connection | None" = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _read: tuple[object, Facts] = field(default_factory=lambda: (None, Facts()))

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def look(self, asker: Actor | None) -> Facts:
        """Return the facts as they are now: what is answered may have gone by afterwards."""
        async with self._opened() as connection:
            return await self._facts(connection, {asker.organization} if asker else set())

    async def hidden(self, exchange: Exchange, tokens: Tokens, before: object) -> list[str]:
        """Return what exists, in a tree near or far, and is not in the caller's sight."""
        own = {exchange.actor.organization} if exchange.actor else set()
        async with self._opened() as connection:
            after = await self._facts(connection, own | Tokens.of(exchange.asked).ids)
            names: set[str] = set()
            for facts in (before, after):
                assert isinstance(facts, Facts)
                seen, called = _sight(exchange, facts)
                tokens, names = tokens.without(seen), names | called
            found, shown = await _signed(connection, exchange, tokens, (before, after))
            if tokens.ids or tokens.mails or tokens.keys:
                rows = await connection.fetch(_EXISTING, *tokens.lists)
                found += [row[0] for row in rows if row[0] not in shown]
        return found + _names_said(exchange, set(after.names.values()), names)

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[Connection]:
        async with self._lock:
            if self._connection is None:
                self._connection = await asyncpg.connect(self.url)
                await teach_types(self._connection)
            yield self._connection

    async def _facts(self, connection: Connection, about: set[Id]) -> Facts:
        row = await connection.fetchrow(_VERSION, list(about))
        assert row is not None
        version = row["version"], frozenset(row["roots"])
        if self._read[0] != version:
            self._read = version, await _load(connection, row["roots"])
        return self._read[1]


async def _signed(
    connection: Connection, exchange: Exchange, tokens: Tokens, moments: tuple[object, ...]
) -> tuple[list[str], set[str]]:
    """Return what tills have made that the caller may not see, and what it may.

    Their ids are chosen by who makes them, and unique within an organization and env alone: one
    that is the caller's too is no leak, whatever else is called so.
    """
    if not (tokens.ids or tokens.serials):
        return [], set()
    rows = await connection.fetch(_SIGNED, list(tokens.ids), list(tokens.serials))
    facts = [each for each in moments if isinstance(each, Facts)]
    things = {Signed(*row) for row in rows}
    shown = {
        thing.name
        for thing in things
        if any(is_shown(exchange, each.state, time.time(), thing) for each in facts)
    }
    return sorted({thing.name for thing in things} - shown), shown


async def _load(connection: Connection, roots: list[UUID]) -> Facts:
    facts = Facts()
    state = facts.state
    for row in await connection.fetch(_ORGANIZATIONS, roots):
        state.organizations[row["id"]] = _organization(row)
        facts.names[row["id"]] = row["name"]
        if row["billing_address_id"] is not None:
            home = row["billing_address_organization_id"]
            state.addresses[row["billing_address_id"]] = home
    ids = list(state.organizations)
    for row in await connection.fetch(_OF.format("api_keys"), ids):
        state.keys[row["id"]] = _key(row)
        facts.texts[row["id"]] = row["key"]
    for row in await connection.fetch(_OF.format("memberships"), ids):
        state.roles[row["organization_id"], row["user_id"]] = row["role"]
        facts.mails.append((row["organization_id"], row["email"].lower()))
    for row in await connection.fetch(_OF.format("billing_addresses"), ids):
        state.addresses[row["id"]] = row["organization_id"]
    facts.agreed = [(party, named) for party, named in await connection.fetch(_AGREED, ids)]
    return facts


def _organization(row: asyncpg.Record) -> Organization:
    return Organization(
        row["id"],
        row["managed_by_organization_id"],
        row["administered_by_organization_id"],
        frozenset(map(str, row["envs"])),
        payer=row["bill_to_organization"],
        payer_named_by=row["payer_named_by_organization_id"],
        maker=row["created_by_user"],
        maker_of=row["created_by_organization_id"],
        contact=row["contact_person_id"],
        contact_is_from_above=row["contact_person_is_above"],
        address=row["billing_address_id"],
    )


def _key(row: asyncpg.Record) -> Key:
    listed = row["reach_organization_ids"]
    return Key(
        row["id"],
        row["organization_id"],
        str(row["env"]),
        permissions=None if row["permissions"] is None else frozenset(row["permissions"]),
        reach=row["reach"] if listed is None else frozenset(listed),
        manager=row["managed_by_organization_id"],
        maker=row["created_by_user"],
        maker_of=row["created_by_organization_id"],
    )


def _sight(exchange: Exchange, facts: Facts) -> Seen:
    """Return what the caller may see, and how the organizations in its sight are called."""
    asked = exchange.actor, exchange.is_change, exchange.is_report
    if asked not in facts.sights:
        facts.sights[asked] = _look_around(exchange, facts)
    return facts.sights[asked]


def _look_around(exchange: Exchange, facts: Facts) -> Seen:
    actor, now = exchange.actor, time.time()
    if actor is None:
        return Tokens(frozenset(), frozenset(), frozenset()), set()
    seen = sight_of(exchange, facts.state, now)
    reached = sight_of(replace(exchange, is_change=True), facts.state, now).organizations
    keys, ids = seen.keys, seen.organizations | seen.people | seen.addresses | seen.bare_ids
    ids |= {named for party, named in facts.agreed if party in seen.organizations}
    if exchange.is_change:
        # Whoever makes something is told of it: in LIVE what begins in TEST, and as the last thing
        # before a handover takes it out of sight.
        keys = keys | {key.id for key in facts.state.keys.values() if key.maker == actor.id}
        ids |= {row.id for row in facts.state.organizations.values() if row.maker == actor.id}
    tokens = Tokens(
        frozenset(ids | keys),  # type: ignore[arg-type]
        frozenset(mail for of, mail in facts.mails if of in reached and seen.people),
        frozenset(facts.texts[key] for key in keys),  # type: ignore[index]
    )
    return tokens, {name for of, name in facts.names.items() if of in seen.organizations}


def _names_said(exchange: Exchange, every: set[str], seen: set[str]) -> list[str]:
    """Return the names in an answer that are in nobody's sight, and that the request did not say.

    Names that are seen are taken out first: "Shop" is not said by "Shop 7".
    """
    hidden = [name for name in every - seen if name in exchange.answered]
    if not hidden:
        return []
    text = exchange.answered
    for name in sorted(seen, key=len, reverse=True):
        text = text.replace(name, "")
    said = (re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in hidden)
    return [n for n, found in zip(hidden, said, strict=True) if found and n not in exchange.asked]
