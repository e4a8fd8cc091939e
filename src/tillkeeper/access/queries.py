"""The door that every operation enters by, and the question of reach."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import INET, array

from tillkeeper.access.identity import Credential
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, OrganizationStatus, Role
from tillkeeper.db.pool import Tx
from tillkeeper.schema import ENV, organizations
from tillkeeper.sql import Compiled, Rows, one_or_none


class Entered(Struct):
    """A living credential, the organization in sight, and what an idempotency key has claimed."""

    organization_id: UUID
    is_main: bool
    is_administered: bool
    role: Role | None
    standing: str
    reason: str | None
    permissions: list[str] | None
    reach: KeyReach
    listed: list[UUID] | None
    within: UUID | None
    within_envs: list[Env] | None
    within_is_managed: bool | None
    within_status: OrganizationStatus | None
    is_claimed: bool | None
    fingerprint: bytes | None
    status: int | None
    answer: bytes | None


class Reached(Struct, kw_only=True):
    """An organization that rights flow down to."""

    id: UUID
    envs: list[Env]
    is_managed: bool
    status: OrganizationStatus
    """The strictest of itself and all above."""


_ENTERED = func.enter(
    bindparam("actor_kind", type_=Text),
    bindparam("actor_id", type_=Uuid),
    bindparam("actor_organization_id", type_=Uuid),
    bindparam("actor_env", type_=ENV),
    bindparam("actor_generation", type_=Integer),
    bindparam("address", type_=INET),
    bindparam("target", type_=Uuid),
    bindparam("opening", type_=Text),
    bindparam("claim", type_=LargeBinary),
    bindparam("wanted_fingerprint", type_=LargeBinary),
).table_valued(*Entered.__struct_fields__, name="entered")

_ENTER = one_or_none(select(*_ENTERED.c), Entered)

_FIND_REACHED = one_or_none(
    select(
        organizations.c.id,
        organizations.c.envs,
        organizations.c.managed_by_organization_id.is_not(None).label("is_managed"),
        func.effective_status(organizations.c.id, type_=Text).label("status"),
    ).where(
        organizations.c.id == bindparam("id"),
        organizations.c.reached_by.contains(array([bindparam("by", type_=Uuid)])),
        organizations.c.envs.contains(array([bindparam("env", type_=ENV)])),
    ),
    Reached,
)


class Opening:
    """A reading statement that runs inside the statement that enters: one round trip in all.

    It sees what `enter` found as ENTERED_WITHIN and ENTERED_READER. LATERAL makes it wait for
    that row, and so for the walls; OFFSET 0 keeps the planner from pulling it apart.
    """

    def __init__(self, statement: Rows, into: type[Struct]) -> None:
        inner = statement.offset(literal_column("0")).lateral("opened")
        joined = _ENTERED.outerjoin(inner, true())
        self._compiled = Compiled(select(*_ENTERED.c, *inner.c).select_from(joined))
        self._into = into
        self._width = len(Entered.__struct_fields__)
        self._names = [column.name for column in inner.c]

    async def __call__(self, tx: Tx, **values: object) -> tuple[Entered | None, Any]:
        """Return who entered, and the row that was opened."""
        row = await tx.fetchrow(self._compiled.text, *self._compiled.arguments(values))
        if row is None:
            return None, None
        cells = tuple(row.values())
        entered = Entered(*cells[: self._width])
        if cells[self._width] is None:
            return entered, None
        return entered, self._into(**dict(zip(self._names, cells[self._width :], strict=True)))


ENTERED_WITHIN = _ENTERED.c.within
"""The organization of the path, as an opening sees it: null where it is out of reach."""
ENTERED_READER = _ENTERED.c.organization_id
"""The actor's own organization, as an opening sees it."""


@asynccontextmanager
async def look_around(tx: Tx) -> AsyncGenerator[None]:
    """Undo on the way out what happens inside, the walls that `enter` puts up before all."""
    await tx.execute("SAVEPOINT look_around")
    try:
        yield
    finally:
        await tx.execute("ROLLBACK TO SAVEPOINT look_around")


async def enter(tx: Tx, credential: Credential, **values: Any) -> Entered | None:  # noqa: ANN401
    """Read the credential's state and put up the walls: the first statement of an operation."""
    return await _ENTER(tx, **of_credential(credential), **values)


def of_credential(credential: Credential) -> dict[str, object]:
    """Return what a token says as parameters of `enter`."""
    return {
        "actor_kind": credential.kind,
        "actor_id": credential.sub,
        "actor_organization_id": credential.organization_id,
        "actor_env": credential.env,
        "actor_generation": credential.generation,
    }


async def find_reached(tx: Tx, organization_id: UUID, by: UUID, env: Env) -> Reached | None:
    """Find an organization that the rights of another flow down to in this env."""
    return await _FIND_REACHED(tx, id=organization_id, by=by, env=env)
