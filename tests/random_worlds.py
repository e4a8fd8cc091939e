"""Worlds drawn at random as the oracle's facts, and written into a database as rows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from typing import Any
from uuid import UUID

from facts import STATUSES, Actor, Id, Key, Organization, State
from oracle_standing import RANKS, chain
from tillkeeper.access.rights import Right
from tillkeeper.core import secrets
from tillkeeper.core.env import Env
from world import Connection

ENVS = (frozenset({"TEST"}), frozenset({"TEST", "LIVE"}))
HOUR = 3600.0


@dataclass
class Drawn:
    """A world of several trees that have nothing to do with each other."""

    rng: Random
    state: State = field(default_factory=State)
    roots: dict[UUID, UUID] = field(default_factory=dict)
    """The topmost organization above each."""
    texts: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    """What each key authenticates with."""
    extras: dict[Id, dict[str, Any]] = field(default_factory=dict)
    """What else the row of an organization says."""
    now: float = field(default_factory=time.time)

    def uuid(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    @cached_property
    def all(self) -> list[UUID]:
        """Every organization."""
        return list(self.roots)

    @cached_property
    def _trees(self) -> dict[UUID, list[UUID]]:
        trees: dict[UUID, list[UUID]] = {}
        for each, root in self.roots.items():
            trees.setdefault(root, []).append(each)
        return trees

    def near(self, organization: Id) -> list[UUID]:
        """Return the tree that an organization stands in."""
        return self._trees[self.roots[organization]]  # type: ignore[index]

    @cached_property
    def keys_of(self) -> dict[Id, list[Key]]:
        """The keys of each organization."""
        keys: dict[Id, list[Key]] = {each: [] for each in self.roots}
        for key in self.state.keys.values():
            keys[key.organization].append(key)
        return keys

    def actors(self) -> list[Actor]:
        """Return every credential there is, in every env it could name."""
        keys = [
            Actor("key", key.id, key.organization, key.env, generation=key.generation)
            for key in self.state.keys.values()
        ]
        people = [Actor("user", p, of, env) for of, p in self.state.roles for env in Env]
        return keys + people


def draw(rng: Random, *, roots: int, managed: int = 3, trouble: float = 0.08) -> Drawn:
    """Draw trees of main organizations; `trouble` is how often something is limited or ended."""
    world = Drawn(rng)
    for _ in range(roots):
        root = _draw_tree(world, None, managed, trouble)
        for _ in range(rng.randint(0, 2)):
            _draw_tree(world, root, managed, trouble)
    people = {person for _, person in world.state.roles}
    world.state.with_password = frozenset(p for p in people if rng.random() < 0.7)
    for organization in list(world.state.organizations):
        _point(world, organization)
    return world


def _draw_tree(world: Drawn, administrator: UUID | None, managed: int, trouble: float) -> UUID:
    main = _draw_organization(world, None, administrator, trouble)
    for _ in range(world.rng.randint(0, managed)):
        _draw_organization(world, main, None, trouble)
    return main


def _draw_organization(
    world: Drawn, manager: UUID | None, administrator: UUID | None, trouble: float
) -> UUID:
    rng, made = world.rng, world.uuid()
    is_troubled = rng.random() < trouble
    world.state.organizations[made] = Organization(
        made,
        manager,
        administrator,
        envs=rng.choices(ENVS, (1, 4))[0],
        status=rng.choice(STATUSES[1:]) if is_troubled else STATUSES[0],
        grace_ends_at=world.now + rng.choice((HOUR, -HOUR)),
        is_protected=rng.random() < 0.1,
    )
    above = administrator or manager
    world.roots[made] = world.roots[above] if above else made
    for env in Env:
        for _ in range(rng.randint(1, 2)):
            _draw_key(world, made, env, trouble)
    for _ in range(rng.randint(0, 3)):
        world.state.roles[made, world.uuid()] = rng.choice(RANKS)
    for _ in range(rng.randint(0, 2)):
        world.state.addresses[world.uuid()] = made
    return made


def _draw_key(world: Drawn, of: UUID, env: Env, trouble: float) -> None:
    rng, made = world.rng, world.uuid()
    key = Key(made, of, env.value, generation=rng.randint(0, 2))
    above = list(chain(of, world.state))[1:]
    if above and rng.random() < 0.15:
        key = replace(key, manager=rng.choice(above))
    for name, values in {
        "is_enabled": (False,),
        "not_before": (world.now - 3 * HOUR, world.now + HOUR),
        "allowed_ips": (("127.0.0.0/8",), ("10.0.0.0/8", "::1/128")),
        "retiring_ends_at": (world.now - HOUR, world.now + HOUR),
        "permissions": (frozenset(rng.sample(sorted(set(Right)), 9)),),
        "reach": ("self", "managed", frozenset(_some(world))),
    }.items():
        if rng.random() < trouble:
            key = replace(key, **{name: rng.choice(values)})  # type: ignore[arg-type]
    if rng.random() < trouble:
        ends = 2 * HOUR if (key.not_before or 0) > world.now else rng.choice((2 * HOUR, -2 * HOUR))
        key = replace(key, expires_at=world.now + ends)
    world.state.keys[made] = key
    secret, text = secrets.mint_secret(), secrets.mint_key_text(env, "drawn")
    world.texts[made] = (text, secret)


def _some(world: Drawn) -> list[UUID]:
    known = list(world.roots)
    return world.rng.sample(known, min(3, len(known)))


def _point(world: Drawn, organization: Any) -> None:  # noqa: ANN401 - an id
    """Let an organization point to its payer, contact and address, and to who made it."""
    rng, state = world.rng, world.state
    above = list(chain(organization, state))
    payers = [each for each in above[1:] if state.organizations[each].manager is None]
    contact_of, address_of = rng.choice(above), rng.choice(above)
    people = [person for of, person in state.roles if of == contact_of]
    addresses = [each for each, of in state.addresses.items() if of == address_of]
    makers = [key for key in state.keys.values() if key.organization == above[-1]]
    state.organizations[organization] = replace(
        state.organizations[organization],
        payer=rng.choice(payers) if payers and rng.random() < 0.5 else None,
        contact=rng.choice(people) if people else None,
        contact_is_from_above=bool(people) and contact_of != organization,
        address=rng.choice(addresses) if addresses and rng.random() < 0.5 else None,
        maker=rng.choice(makers).id,
        maker_of=above[-1],
    )


async def write(world: Drawn, owner: Connection, digest: Any) -> None:  # noqa: ANN401 - a function
    """Write the facts as rows. Whole by construction, so that no key needs to be checked."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        for table, rows in rows_of(world, digest):
            if rows:
                names = ", ".join(rows[0])
                insert = f"INSERT INTO {table} ({names}) SELECT {names} FROM "  # noqa: S608
                await owner.execute(f"{insert} jsonb_populate_recordset(NULL::{table}, $1)", rows)
    await owner.execute("ANALYZE")


def rows_of(world: Drawn, digest: Any) -> Iterator[tuple[str, list[dict[str, Any]]]]:  # noqa: ANN401
    state = world.state
    made_at = {"created_at": datetime.fromtimestamp(world.now - 24 * HOUR, UTC)}
    yield (
        "organizations",
        [
            _organization_row(row, state) | made_at | world.extras.get(row.id, {})
            for row in state.organizations.values()
        ],
    )
    yield "api_keys", [_key_row(key, world, digest) | made_at for key in state.keys.values()]
    people = {person for _, person in state.roles}
    yield (
        "users",
        [
            {
                "id": person,
                "email": mail_of(person),
                "compact_email": mail_of(person),
                "password_digest": "none" if person in state.with_password else None,
            }
            | made_at
            for person in people
        ],
    )
    yield (
        "memberships",
        [
            {"organization_id": of, "user_id": person, "role": role, "email": mail_of(person)}
            | made_at
            for (of, person), role in state.roles.items()
        ],
    )
    yield (
        "billing_addresses",
        [
            {"organization_id": of, "id": address, "recipient": "Billing"}
            | place_of(address)
            | made_at
            for address, of in state.addresses.items()
        ],
    )


def mail_of(person: Any) -> str:  # noqa: ANN401 - an id
    return f"{person.hex}@example.org"


def place_of(thing: Any) -> dict[str, str]:  # noqa: ANN401 - an id
    return {
        "address_line1": f"Weg {thing.hex}",
        "zip": "10115",
        "town": "Berlin",
        "country_code": "DEU",
    }


def _organization_row(row: Organization, state: State) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": f"Org {row.id}",
        "external_id": None,
        "tax_number": None,
        "envs": [env for env in ("TEST", "LIVE") if env in row.envs],
        "managed_by_organization_id": row.manager,
        "administered_by_organization_id": row.administrator,
        "reached_by": list(chain(row.id, state)),
        "status": row.status,
        "grace_ends_at": _time(row.grace_ends_at),
        "is_delete_protected": row.is_protected,
        "bill_to_organization": row.payer,
        "contact_person_id": row.contact,
        "contact_person_is_above": row.contact_is_from_above,
        "billing_address_id": row.address,
        "billing_address_organization_id": state.addresses[row.address] if row.address else None,
        "created_by_user": row.maker or row.id,
        "created_by_organization_id": row.maker_of or row.id,
    } | place_of(row.id)


def _key_row(key: Key, world: Drawn, digest: Any) -> dict[str, Any]:  # noqa: ANN401
    text, secret = world.texts[key.id]  # type: ignore[index]
    is_listed = isinstance(key.reach, frozenset)
    return {
        "organization_id": key.organization,
        "env": key.env,
        "id": key.id,
        "key": text,
        "secret_digest": f"\\x{digest(secret).hex()}",
        "name": f"drawn-{str(key.id)[:8]}",
        "status": "enabled" if key.is_enabled else "disabled",
        "metadata": {},
        "managed_by_organization_id": key.manager,
        "created_by_user": key.maker or key.id,
        "created_by_organization_id": key.maker_of or key.organization,
        "expires_at": _time(key.expires_at),
        "not_before": _time(key.not_before),
        "permissions": None if key.permissions is None else sorted(key.permissions),
        "reach": "listed" if is_listed else key.reach,
        "reach_organization_ids": sorted(key.reach) if is_listed else None,
        "allowed_ips": list(key.allowed_ips) or None,
        "generation": key.generation,
        "previous_ends_at": _time(key.retiring_ends_at),
    }


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
