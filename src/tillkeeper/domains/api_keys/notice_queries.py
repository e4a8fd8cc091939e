"""Notices of the end of keys in the database: which are due, and that they were given."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Integer, SmallInteger, Uuid, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Event, change
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyStatus
from tillkeeper.db.pool import Tx
from tillkeeper.schema import api_keys
from tillkeeper.sql import many


class Notice(Struct):
    """A key that ends, and how near that is: 1 a month, 2 a week, 3 a day, 4 it is over."""

    organization_id: UUID
    env: Env
    id: UUID
    name: str
    expires_at: datetime
    stage: int


class Noticed(Struct):
    """The key whose notice was given."""

    id: UUID


_TIME = TIMESTAMP(timezone=True)
_LIST_DUE = many(
    select(
        func.list_due_notices(
            bindparam("at", type_=_TIME), bindparam("most", type_=Integer)
        ).table_valued(*Notice.__struct_fields__)
    ),
    Notice,
)
_STAGE = bindparam("stage", type_=SmallInteger)
_RECORD = change(
    update(api_keys)
    .where(
        api_keys.c.organization_id == bindparam("organization_id"),
        api_keys.c.env == bindparam("env"),
        api_keys.c.id == bindparam("key_id", type_=Uuid),
        api_keys.c.status == KeyStatus.ENABLED,
        api_keys.c.expires_at == bindparam("for_end", type_=_TIME),
        api_keys.c.notice_stage < _STAGE,
    )
    .values(noticed=_STAGE, noticed_for=bindparam("for_end", type_=_TIME))
    .returning(api_keys.c.id),
    Noticed,
)


async def list_due_notices(tx: Tx, *, at: datetime, most: int) -> list[Notice]:
    """Return notices that are due, the most urgent first, so many at the most."""
    return await _LIST_DUE(tx, at=at, most=most)


async def record_notice(grant: Grant, event: Event, due: Notice) -> bool:
    """Record a notice, unless it was given already or the key ends at another time by now."""
    given = await _RECORD(grant, event, key_id=due.id, for_end=due.expires_at, stage=due.stage)
    return given is not None
