"""The keepers of a key in the database, and the key as they are told of it."""

from uuid import UUID

from msgspec import Struct
from sqlalchemy import Uuid, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.access.policy import Grant
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyStatus
from tillkeeper.schema import api_keys, organizations
from tillkeeper.sql import many, one_or_none


class Keeper(Struct):
    """Somebody who looks after a key."""

    id: UUID
    email: str
    country_code: str
    """Of their organization."""


class Subject(Struct):
    """The key that is written about."""

    organization: str
    env: Env
    key_name: str
    key: str
    is_working: bool

    @property
    def about(self) -> dict[str, str]:
        """Return what letters name of it."""
        names = ("organization", "env", "key_name", "key")
        return {name: getattr(self, name) for name in names}


_KEY_ID = bindparam("key_id", type_=Uuid)
_LIST_KEEPERS = many(
    select(func.list_key_keepers(_KEY_ID).table_valued(*Keeper.__struct_fields__)), Keeper
)
_FIND_SUBJECT = one_or_none(
    select(
        func.coalesce(organizations.c.display_name, organizations.c.name).label("organization"),
        api_keys.c.env,
        api_keys.c.name.label("key_name"),
        api_keys.c.key,
        and_(
            api_keys.c.status == KeyStatus.ENABLED,
            or_(
                api_keys.c.expires_at.is_(None),
                api_keys.c.expires_at > bindparam("now", type_=TIMESTAMP(timezone=True)),
            ),
        ).label("is_working"),
    )
    .join(organizations, organizations.c.id == api_keys.c.organization_id)
    .where(
        api_keys.c.organization_id == bindparam("organization_id"),
        api_keys.c.env == bindparam("env"),
        api_keys.c.id == _KEY_ID,
    ),
    Subject,
)


async def list_keepers(grant: Grant, key_id: UUID) -> list[Keeper]:
    """Return who is to be told of a key: the door says who that is."""
    return await _LIST_KEEPERS(grant.tx, key_id=key_id)


async def find_subject(grant: Grant, key_id: UUID) -> Subject | None:
    """Find a key as it is written about, if it is still there."""
    return await _FIND_SUBJECT(grant.tx, key_id=key_id, now=grant.op.now, **grant.scope)
