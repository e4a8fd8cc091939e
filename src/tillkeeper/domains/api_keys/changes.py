"""Changes of secrets. Digests are out of the login's reach: doors write them."""

from typing import Any

from msgspec import Struct
from sqlalchemy import Integer, LargeBinary, Uuid, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import JSONB

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Event, Happened, record_many
from tillkeeper.domains.api_keys.events import ApiKeyRotated, ApiKeySecretExpired
from tillkeeper.sql import one_or_none


class Told(Struct):
    """What a door has changed, as the audit repeats it."""

    before: dict[str, Any]
    after: dict[str, Any]


_TOLD = (column("before", JSONB), column("after", JSONB))
_ROTATE = one_or_none(
    select(
        func.rotate_key(
            bindparam("key_id", type_=Uuid),
            bindparam("digest", type_=LargeBinary),
            bindparam("version", type_=Integer),
            bindparam("overlap_seconds", type_=Integer),
        ).table_valued(*_TOLD)
    ),
    Told,
)
_EXPIRE_PREVIOUS = one_or_none(
    select(func.expire_previous_secret(bindparam("key_id", type_=Uuid)).table_valued(*_TOLD)), Told
)


async def rotate_api_key(
    grant: Grant, event: ApiKeyRotated, *, digest: bytes, version: int
) -> bool:
    """Replace the secret of a key behind the walls; False where it cannot be rotated now."""
    told = await _ROTATE(
        grant.tx,
        key_id=event.api_key_id,
        digest=digest,
        version=version,
        overlap_seconds=event.overlap_seconds,
    )
    return await _recorded(grant, event, told)


async def expire_previous_secret(grant: Grant, event: ApiKeySecretExpired) -> bool:
    """End the retiring secret of a key behind the walls; False where there is none."""
    return await _recorded(grant, event, await _EXPIRE_PREVIOUS(grant.tx, key_id=event.api_key_id))


async def _recorded(grant: Grant, event: Event, told: Told | None) -> bool:
    if told is None:
        return False
    happened = Happened(grant.organization_id, event, before=told.before, after=told.after)
    await record_many(grant, [happened])
    return True
