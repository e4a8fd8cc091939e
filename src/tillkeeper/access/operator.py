"""Operations of the person at the machine: the same policy, walls and trail as every other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from msgspec import Struct
from sqlalchemy import Integer, Text, Uuid, bindparam, column, func, null, select, true
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from tillkeeper.access.operation import Actor, ActorKind, House, Operation, Target
from tillkeeper.access.rights import Right
from tillkeeper.core.addresses import compact_email
from tillkeeper.core.env import Env
from tillkeeper.core.status import Role
from tillkeeper.db.pool import Tx
from tillkeeper.schema import ENV
from tillkeeper.sql import execute, many, one_or_none


class Found(Struct):
    """Somebody or something is there."""

    id: UUID


class Home(Struct):
    """A person, and where they belong first of all."""

    id: UUID
    organization_id: UUID | None


_PUT_UP_WALLS = execute(
    select(
        *(
            func.set_config(f"tillkeeper.{name}", bindparam(name, type_=Text), True)  # noqa: FBT003
            for name in ("organization_id", "reach_of", "actor_of", "env")
        )
    )
)
_CLAIM_PERSON = one_or_none(
    select(
        func.claim_person(
            bindparam("id", type_=Uuid),
            bindparam("email", type_=Text),
            bindparam("compact", type_=Text),
            bindparam("now", type_=TIMESTAMP(timezone=True)),
        ).table_valued("id")
    ),
    Found,
)
_SET_PASSWORD = one_or_none(
    select(
        func.set_password(
            bindparam("email", type_=Text), bindparam("digest", type_=Text)
        ).table_valued("id")
    ),
    Found,
)
_person = func.find_person(bindparam("email", type_=Text)).table_valued(
    column("id", Uuid), column("password_digest", Text), name="person"
)
_home = (
    func.find_membership(_person.c.id, null(), bindparam("env", type_=ENV))
    .table_valued(column("organization_id", Uuid), name="home")
    .lateral()
)
_FIND_HOME = one_or_none(
    select(_person.c.id, _home.c.organization_id).select_from(_person.outerjoin(_home, true())),
    Home,
)
_LIST_ROOTS = many(
    select(func.list_roots(bindparam("most", type_=Integer)).table_valued("id")), Found
)

_COUNT_USES = execute(select(func.count_key_uses(bindparam("counted", type_=JSONB))))
_SWEEP = execute(select(func.sweep_kept_answers(bindparam("most", type_=Integer))))
_SWEEP_CELLS = execute(select(func.sweep_rate_cells(bindparam("most", type_=Integer))))


@asynccontextmanager
async def operate(
    house: House, organization_id: UUID, env: Env, envs: tuple[Env, ...], operator_id: UUID
) -> AsyncGenerator[Operation]:
    """Open an operation on one organization and what it reaches, there already or to be made."""
    actor = _mighty(ActorKind.OPERATOR, operator_id, organization_id, env)
    async with house.db.begin() as tx, _operation(house, tx, actor, envs) as op:
        yield op


@asynccontextmanager
async def rehearse(
    house: House, organization_id: UUID, env: Env, envs: tuple[Env, ...], operator_id: UUID
) -> AsyncGenerator[Operation]:
    """Open the same operation, and undo all of it at its end."""
    actor = _mighty(ActorKind.OPERATOR, operator_id, organization_id, env)
    async with house.db.rehearse() as tx, _operation(house, tx, actor, envs) as op:
        op.is_dry_run = True
        yield op


@asynccontextmanager
async def do_chore(house: House, organization_id: UUID, env: Env) -> AsyncGenerator[Operation]:
    """Open an operation that the service itself does on one organization."""
    actor = _mighty(ActorKind.SYSTEM, uuid4(), organization_id, env)
    async with house.db.begin() as tx, _operation(house, tx, actor, (env,)) as op:
        yield op


@asynccontextmanager
async def _operation(
    house: House, tx: Tx, actor: Actor, envs: tuple[Env, ...]
) -> AsyncGenerator[Operation]:
    organization_id = actor.organization_id
    walls = dict.fromkeys(("organization_id", "reach_of", "actor_of"), str(organization_id))
    await _PUT_UP_WALLS(tx, env=actor.env, **walls)
    yield Operation(
        tx=tx,
        actor=actor,
        target=Target(organization_id, envs, is_managed=False),
        is_wide=True,
        house=house,
        id=uuid4().hex,
        now=datetime.now(UTC),
    )


async def claim_person(tx: Tx, email: str) -> UUID:
    """Return the id of whoever has this address; a new one where nobody has it yet."""
    values = {"id": uuid4(), "email": email, "compact": compact_email(email)}
    person = await _CLAIM_PERSON(tx, now=datetime.now(UTC), **values)
    if person is None:
        raise LookupError("claim_person returns a row for every address")
    return person.id


async def find_home(house: House, email: str) -> Home | None:
    """Find who has an address, and the organization that they joined first, if there is one."""
    async with house.db.lend() as tx:
        return await _FIND_HOME(tx, email=compact_email(email), env=Env.TEST)


async def set_password(tx: Tx, email: str, digest: str) -> None:
    """Store a password for a known address."""
    await _SET_PASSWORD(tx, email=compact_email(email), digest=digest)


async def list_roots(house: House, *, most: int) -> list[UUID]:
    """Return the main organizations that nobody administers, oldest first."""
    async with house.db.lend() as tx:
        return [root.id for root in await _LIST_ROOTS(tx, most=most)]


def _mighty(kind: ActorKind, operator_id: UUID, organization_id: UUID, env: Env) -> Actor:
    return Actor(
        kind=kind,
        id=operator_id,
        organization_id=organization_id,
        env=env,
        is_main=True,
        is_administered=False,
        role=Role.OWNER,
        rights=frozenset(Right),
    )


async def sweep_kept_answers(house: House, *, most: int = 10_000) -> None:
    """Delete kept answers past their time, oldest first, so many at the most."""
    async with house.db.lend() as tx:
        await _SWEEP(tx, most=most)


async def sweep_rate_cells(house: House, *, most: int = 50_000) -> None:
    """Delete cells that are whole again, so many at the most."""
    async with house.db.lend() as tx:
        await _SWEEP_CELLS(tx, most=most)


async def write_uses(house: House) -> None:
    """Write down which keys this process has seen in use; what fails is written the next time."""
    taken = house.uses.take()
    if not taken:
        return
    rows = [
        used._asdict() | {"count": use.count, "at": use.at, "address": use.address}
        for used, use in taken.items()
    ]
    try:
        async with house.db.lend() as tx:
            await _COUNT_USES(tx, counted=rows)
    except BaseException:
        house.uses.put_back(taken)
        raise
