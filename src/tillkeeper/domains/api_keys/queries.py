"""API keys in the database. The secret's digest goes in and never comes out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    delete,
    extract,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, array, insert

from tillkeeper.access.policy import Grant
from tillkeeper.access.sight import creator
from tillkeeper.access.trail import Change, Happened, bulk_insert, change, record_many
from tillkeeper.core.errors import OrganizationNotFound, SchemaViolation
from tillkeeper.core.order import Order
from tillkeeper.core.status import KeyReach
from tillkeeper.domains.api_keys.events import (
    ApiKeyCreated,
    ApiKeyDeleted,
    ApiKeyUpdated,
)
from tillkeeper.domains.api_keys.wire import ApiKey, OrderBy
from tillkeeper.schema import ENV, api_keys, key_uses
from tillkeeper.sql import Page, differs, given, one_or_none


class Held(Struct, kw_only=True):
    """What decides who may touch a key: who administers it, and what it is limited to."""

    managed_by_organization_id: UUID | None
    permissions: list[str] | None
    reach: KeyReach
    reach_organization_ids: list[UUID] | None
    expires_at: datetime | None
    allowed_ips: list[str] | None


class OwnLimits(Struct):
    """When the key that speaks ends, and from where alone it works."""

    expires_at: datetime | None
    allowed_ips: list[str] | None


class Answer(Struct):
    """A door's yes or no."""

    is_so: bool


def _seconds(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.floor(extract("epoch", moment)), BigInteger)


_READER = bindparam("reader_id", type_=Uuid)
_GRANTED = (
    api_keys.c.organization_id == bindparam("organization_id"),
    api_keys.c.env == bindparam("env"),
)
# A managed organization knows its manager by id. Whoever else stands above and manages the key is
# not known below: that somebody does is told by the type.
_IS_MANAGER_SEEN = or_(
    api_keys.c.managed_by_organization_id == _READER,
    func.manages(api_keys.c.managed_by_organization_id, api_keys.c.organization_id, type_=Boolean),
    func.reaches(_READER, api_keys.c.managed_by_organization_id, type_=Boolean),
)
_THIS = (*_GRANTED, api_keys.c.id == bindparam("key_id", type_=Uuid))
_SHOWN = (
    api_keys.c.id,
    case(
        (api_keys.c.managed_by_organization_id.is_(None), "API_KEY"), else_="MANAGED_API_KEY"
    ).label("type"),
    array([api_keys.c.env]).label("envs"),
    api_keys.c.key,
    cast(func.floor(extract("epoch", api_keys.c.created_at)), BigInteger).label("created_at"),
    creator(
        _READER,
        api_keys.c.organization_id,
        api_keys.c.created_by_user,
        api_keys.c.created_by_organization_id,
    ).label("created_by_user"),
    api_keys.c.name,
    api_keys.c.status,
    api_keys.c.metadata,
    case((_IS_MANAGER_SEEN, cast(api_keys.c.managed_by_organization_id, Text)), else_="").label(
        "managed_by_organization_id"
    ),
    _seconds(api_keys.c.expires_at).label("expires_at"),
    _seconds(api_keys.c.not_before).label("not_before"),
    api_keys.c.permissions,
    case(
        (api_keys.c.reach == KeyReach.ALL, None),
        (api_keys.c.reach == KeyReach.LISTED, func.to_jsonb(api_keys.c.reach_organization_ids)),
        else_=func.to_jsonb(cast(api_keys.c.reach, Text)),
    ).label("reach"),
    cast(api_keys.c.allowed_ips, ARRAY(Text)).label("allowed_ips"),
    api_keys.c.areas,
    api_keys.c.vat_number,
    case((api_keys.c.previous_ends_at > func.now(), _seconds(api_keys.c.previous_ends_at))).label(
        "previous_secret_ends_at"
    ),
)

_USE = (
    _seconds(key_uses.c.last_used_at).label("last_used_at"),
    func.host(key_uses.c.last_used_ip).label("last_used_ip"),
    key_uses.c.request_count,
    _seconds(key_uses.c.previous_used_at).label("previous_secret_last_used_at"),
    func.host(key_uses.c.previous_used_ip).label("previous_secret_last_used_ip"),
)
_WITH_USE = select(*_SHOWN, *_USE).select_from(
    api_keys.outerjoin(
        key_uses,
        (key_uses.c.organization_id == api_keys.c.organization_id)
        & (key_uses.c.env == api_keys.c.env)
        & (key_uses.c.key_id == api_keys.c.id),
    )
)
_TIME = TIMESTAMP(timezone=True)

_COLUMNS = {
    OrderBy.NAME: api_keys.c.name,
    OrderBy.KIND: api_keys.c.env,
    OrderBy.STATUS: api_keys.c.status,
    OrderBy.CREATED_AT: api_keys.c.created_at,
}
_LIST = Page(
    _WITH_USE.where(*_GRANTED),
    orders={
        f"{by} {order}": [getattr(_COLUMNS[by], order)(), getattr(api_keys.c.id, order)()]
        for by in OrderBy
        for order in Order
    },
    status=cast(api_keys.c.status, Text) == func.any(bindparam("status", type_=ARRAY(Text))),
    kind=cast(api_keys.c.env, Text) == func.any(bindparam("kind", type_=ARRAY(Text))),
    unused_since=func.coalesce(key_uses.c.last_used_at, api_keys.c.created_at)
    < bindparam("unused_since", type_=_TIME),
    expiring_before=api_keys.c.expires_at < bindparam("expiring_before", type_=_TIME),
)
_FIND = one_or_none(_WITH_USE.where(*_THIS), ApiKey)
_LOCK = one_or_none(
    select(*_SHOWN).where(*_THIS).with_for_update(key_share=True, of=api_keys), ApiKey
)
_LOCK_HELD = one_or_none(
    select(
        api_keys.c.managed_by_organization_id,
        api_keys.c.permissions,
        api_keys.c.reach,
        api_keys.c.reach_organization_ids,
        api_keys.c.expires_at,
        cast(api_keys.c.allowed_ips, ARRAY(Text)).label("allowed_ips"),
    )
    .where(*_THIS)
    .with_for_update(key_share=True),
    Held,
)
_IS_REACHED = one_or_none(
    select(
        func.reaches(
            bindparam("one", type_=Uuid), bindparam("other", type_=Uuid), type_=Boolean
        ).label("is_so")
    ),
    Answer,
)
_IS_REACHED_IN = one_or_none(
    select(
        func.reaches_in(
            bindparam("one", type_=Uuid),
            bindparam("other", type_=Uuid),
            bindparam("env", type_=ENV),
            type_=Boolean,
        ).label("is_so")
    ),
    Answer,
)
_FIND_OWN_LIMITS = one_or_none(
    select(
        func.find_own_limits(bindparam("asking_id", type_=Uuid)).table_valued(
            *OwnLimits.__struct_fields__
        )
    ),
    OwnLimits,
)

_LIMITS: tuple[Any, ...] = tuple(
    api_keys.c[name]
    for name in (
        "expires_at",
        "not_before",
        "permissions",
        "reach",
        "reach_organization_ids",
        "allowed_ips",
        "areas",
        "vat_number",
    )
)
_WRITTEN = (
    api_keys.c.id,
    api_keys.c.organization_id,
    api_keys.c.env,
    api_keys.c.key,
    api_keys.c.secret_digest,
    api_keys.c.pepper_version,
    api_keys.c.name,
    api_keys.c.status,
    api_keys.c.metadata,
    api_keys.c.managed_by_organization_id,
    api_keys.c.created_at,
    api_keys.c.created_by_user,
    api_keys.c.created_by_organization_id,
    *_LIMITS,
)
_INSERT = change(
    insert(api_keys)
    .values(given(*_WRITTEN))
    .on_conflict_do_nothing(index_elements=["organization_id", "env", "name"])
    .returning(*_SHOWN),
    ApiKey,
)
_DELETE = change(delete(api_keys).where(*_THIS).returning(*_SHOWN), ApiKey)


async def list_api_keys(
    grant: Grant, *, order: str, limit: int, offset: int, **filters: object
) -> tuple[list[ApiKey], int]:
    values = {**grant.scope, **filters, "reader_id": grant.reader_id}
    return await _LIST.by_offset(
        grant.tx, ApiKey, order=order, limit=limit, offset=offset, **values
    )


async def find_api_key(grant: Grant, key_id: UUID) -> ApiKey | None:
    return await _FIND(grant.tx, **grant.scope, key_id=key_id, reader_id=grant.reader_id)


async def lock_api_key(grant: Grant, key_id: UUID) -> ApiKey | None:
    """Find it, and keep it as it is until the operation ends."""
    return await _LOCK(grant.tx, **grant.scope, key_id=key_id, reader_id=grant.reader_id)


async def lock_held(grant: Grant, key_id: UUID) -> Held | None:
    """Find what decides who may touch a key, and keep it so until the operation ends."""
    return await _LOCK_HELD(grant.tx, **grant.scope, key_id=key_id)


async def is_reached(grant: Grant, *, one: UUID, other: UUID) -> bool:
    """Tell whether the rights of one organization flow down to the other."""
    answer = await _IS_REACHED(grant.tx, one=one, other=other)
    return answer is not None and answer.is_so


async def is_in_reach(grant: Grant, other: UUID) -> bool:
    """Tell whether the granted organization reaches another one in the granted env."""
    answer = await _IS_REACHED_IN(grant.tx, one=grant.organization_id, other=other, env=grant.env)
    return answer is not None and answer.is_so


async def find_own_limits(grant: Grant) -> OwnLimits | None:
    """Find when the key that speaks ends and where it works; None for whoever is no key."""
    return await _FIND_OWN_LIMITS(grant.tx, asking_id=grant.op.actor.id)


async def insert_api_key(
    grant: Grant, event: ApiKeyCreated, row: Mapping[str, object]
) -> ApiKey | None:
    """Insert a key, or return None when the name is taken in this organization and env."""
    try:
        return await _INSERT(grant, event, reader_id=grant.reader_id, **row)
    except asyncpg.ForeignKeyViolationError as error:
        raise OrganizationNotFound(grant.organization_id) from error


@cache
def _update(names: frozenset[str]) -> Change[ApiKey | None]:
    values = {name: bindparam(f"new_{name}", type_=api_keys.c[name].type) for name in sorted(names)}
    return change(
        update(api_keys).where(*_THIS, differs(values, api_keys)).values(values).returning(*_SHOWN),
        ApiKey,
    )


async def update_api_key(
    grant: Grant, event: ApiKeyUpdated, row: Mapping[str, object]
) -> ApiKey | None:
    new = {f"new_{name}": value for name, value in row.items()}
    try:
        return await _update(frozenset(row))(
            grant, event, key_id=event.api_key_id, reader_id=grant.reader_id, **new
        )
    except asyncpg.CheckViolationError as error:
        raise SchemaViolation("body.expires_at", "should be later than not_before") from error


async def delete_api_key(grant: Grant, event: ApiKeyDeleted) -> bool:
    deleted = await _DELETE(grant, event, key_id=event.api_key_id, reader_id=grant.reader_id)
    return deleted is not None


_BULK: tuple[Any, ...] = (
    api_keys.c.id,
    api_keys.c.organization_id,
    api_keys.c.key,
    api_keys.c.pepper_version,
    api_keys.c.name,
    api_keys.c.status,
    api_keys.c.metadata,
    api_keys.c.managed_by_organization_id,
    api_keys.c.created_at,
    *_LIMITS,
)
_wanted = (
    func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
    .table_valued(
        *(column(each.name, each.type) for each in _BULK),
        column("digest_hex", Text),
        name="wanted",
    )
    .render_derived(with_types=True)
)
_BULK_ROW = {each.name: _wanted.c[each.name] for each in _BULK} | {
    "env": bindparam("env", type_=ENV),
    "secret_digest": func.decode(_wanted.c.digest_hex, "hex"),
    "created_by_user": bindparam("created_by_user", type_=Uuid),
    "created_by_organization_id": bindparam("created_by_organization_id", type_=Uuid),
}
_INSERT_MANY = bulk_insert(
    insert(api_keys).from_select(list(_BULK_ROW), select(*_BULK_ROW.values())).returning(*_SHOWN),
    ApiKey,
)


async def insert_many_api_keys(grant: Grant, rows: Sequence[Mapping[str, Any]]) -> list[ApiKey]:
    """Insert the first keys of organizations created in this operation, and record each."""
    inserted = await _INSERT_MANY(
        grant.tx,
        rows=rows,
        env=grant.env,
        created_by_user=grant.op.actor.id,
        created_by_organization_id=grant.op.actor.organization_id,
        reader_id=grant.reader_id,
    )
    owners = {row["id"]: row["organization_id"] for row in rows}
    happened = [
        Happened(owners[each.id], ApiKeyCreated(api_key_id=each.id, name=each.name), after=after)
        for each, after in inserted
    ]
    await record_many(grant, happened)
    return [each for each, _ in inserted]
