"""Found secrets in the database: a list behind doors, and what is done to their keys."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Integer, LargeBinary, Text, Uuid, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import change
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyStatus, LeakedKeyPolicy
from tillkeeper.db.pool import Tx
from tillkeeper.domains.leaks.events import ApiKeyDisabledAsLeaked, ApiKeyLeaked
from tillkeeper.schema import api_keys
from tillkeeper.sql import execute, many, one_or_none

_QUIET = timedelta(hours=1)
_TIME = TIMESTAMP(timezone=True)


class Leak(Struct):
    """A found secret that belongs to a key, and who sent it."""

    digest: bytes
    organization_id: UUID
    env: Env
    key_id: UUID
    reported_at: datetime
    operation_id: str
    address: str | None
    agent: str | None


class Settlement(Struct):
    """What is to be done about it."""

    is_current: bool
    """Whether it is the secret of today, and not one that a rotation has replaced."""
    policy: LeakedKeyPolicy


class Changed(Struct):
    """The key that was written."""

    id: UUID


_REPORT = execute(
    select(
        func.report_leaks(
            bindparam("digests", type_=ARRAY(LargeBinary)),
            bindparam("now", type_=_TIME),
            bindparam("operation_id", type_=Text),
            bindparam("address", type_=Text),
            bindparam("agent", type_=Text),
        )
    )
)
_SORT = many(
    select(func.sort_leaks(bindparam("most", type_=Integer)).table_valued(*Leak.__struct_fields__)),
    Leak,
)
_SETTLE = one_or_none(
    select(
        func.settle_leak(
            bindparam("digest", type_=LargeBinary), bindparam("key_id", type_=Uuid)
        ).table_valued(*Settlement.__struct_fields__)
    ),
    Settlement,
)
_THIS = (
    api_keys.c.organization_id == bindparam("organization_id"),
    api_keys.c.env == bindparam("env"),
    api_keys.c.id == bindparam("key_id", type_=Uuid),
)
_MARK = change(
    update(api_keys)
    .where(
        *_THIS,
        or_(
            api_keys.c.leaked_at.is_(None),
            api_keys.c.leaked_at <= bindparam("quiet_since", type_=_TIME),
        ),
    )
    .values(leaked_at=bindparam("new_leaked_at", type_=_TIME))
    .returning(api_keys.c.id),
    Changed,
)
_DISABLE = change(
    update(api_keys)
    .where(*_THIS, api_keys.c.status == KeyStatus.ENABLED)
    .values(status=KeyStatus.DISABLED)
    .returning(api_keys.c.id),
    Changed,
)


async def report_leaks(tx: Tx, **values: object) -> None:
    """Put digests on the list, with when and by whom they were sent."""
    await _REPORT(tx, **values)


async def sort_leaks(tx: Tx, *, most: int) -> list[Leak]:
    """Take off the list what belongs to nobody, and return some of what does."""
    return await _SORT(tx, most=most)


async def settle_leak(grant: Grant, leak: Leak) -> Settlement | None:
    """Take a report off the list and lock its key; None where another process has."""
    return await _SETTLE(grant.tx, digest=leak.digest, key_id=leak.key_id)


async def mark_leaked(grant: Grant, event: ApiKeyLeaked, at: datetime) -> bool:
    """Record that a secret was found; False where that was recorded within the hour."""
    times = {"new_leaked_at": at, "quiet_since": at - _QUIET}
    return await _MARK(grant, event, key_id=event.api_key_id, **times) is not None


async def disable_leaked(grant: Grant, event: ApiKeyDisabledAsLeaked) -> bool:
    """Disable a key and record it; False where it was disabled already."""
    return await _DISABLE(grant, event, key_id=event.api_key_id) is not None
