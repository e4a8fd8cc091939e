"""Wiping TEST rows: each statement names TEST, and organizations that are in TEST alone.

What goes is chosen and locked first, then recorded, then deleted: an event is written behind the
walls of an organization that is still there.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    column,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from tillkeeper.access.documents import document
from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Event, Happened, record_many
from tillkeeper.core.env import Env
from tillkeeper.core.errors import Overloaded
from tillkeeper.core.status import OrganizationStatus
from tillkeeper.domains.api_keys.events import ApiKeyDeleted
from tillkeeper.domains.organizations.events import OrganizationDeleted
from tillkeeper.schema import api_keys, organizations
from tillkeeper.sql import Rows, execute, many, one_or_none


class Wiped(Struct):
    """How many of a noun went, and whether some are left for the next call."""

    count: int
    has_more: bool


class _Chosen(Struct):
    """What is about to go."""

    id: UUID
    organization_id: UUID
    before: dict[str, Any]


_READER = bindparam("reader_id", type_=Uuid)
_LABEL = bindparam("label", type_=Text)
_MOST = bindparam("most", type_=Integer)
_IDS = bindparam("ids", type_=ARRAY(Uuid))
# All that a main organization reaches has it as the topmost one or as its main one: two indexes.
# The walls leave of it what a key with less reach may touch.
_REACHED = and_(
    or_(
        organizations.c.root_organization_id == _READER,
        organizations.c.main_organization_id == _READER,
    ),
    organizations.c.reached_by.contains(array([_READER])),
    # What is archived or marked for deletion is kept as it is: these two are the strictest.
    func.effective_status(organizations.c.id, type_=organizations.c.status.type)
    < OrganizationStatus.ARCHIVED,
)


def _labelled(metadata: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(_LABEL.is_(None), metadata.op("->>")("label") == _LABEL)


def _chosen(rows: Rows, of: Any) -> Rows:  # noqa: ANN401 - the table to lock
    return rows.limit(_MOST).with_for_update(of=of)


_CHOOSE_ORGANIZATIONS = many(
    _chosen(
        select(
            organizations.c.id,
            organizations.c.id.label("organization_id"),
            document(organizations).label("before"),
        ).where(
            _REACHED,
            organizations.c.id != _READER,
            organizations.c.envs == [Env.TEST],
            organizations.c.managed_by_organization_id.is_not(None),
            organizations.c.is_delete_protected.is_(False),
            _labelled(organizations.c.metadata),
            func.is_leant_on(organizations.c.id, type_=Boolean).is_(False),
        ),
        organizations,
    ),
    _Chosen,
)
_DELETE_ORGANIZATIONS = execute(
    delete(organizations).where(
        organizations.c.id == any_(_IDS), organizations.c.envs == [Env.TEST]
    )
)
_manager = api_keys.c.managed_by_organization_id
_CHOOSE_API_KEYS = many(
    _chosen(
        select(api_keys.c.id, api_keys.c.organization_id, document(api_keys).label("before"))
        .select_from(organizations.join(api_keys, api_keys.c.organization_id == organizations.c.id))
        .where(
            _REACHED,
            api_keys.c.env == Env.TEST,
            api_keys.c.id != bindparam("asking_id", type_=Uuid),
            or_(_manager.is_(None), func.reaches(_READER, _manager, type_=Boolean)),
            _labelled(api_keys.c.metadata),
        ),
        api_keys,
    ),
    _Chosen,
)
_DELETE_API_KEYS = execute(
    delete(api_keys).where(
        api_keys.c.organization_id == any_(bindparam("organization_ids", type_=ARRAY(Uuid))),
        api_keys.c.env == Env.TEST,
        api_keys.c.id == any_(_IDS),
    )
)
_WIPE_KEPT_ANSWERS = one_or_none(
    select(
        func.wipe_kept_answers(_MOST).table_valued(
            column("count", BigInteger), column("has_more", Boolean)
        )
    ),
    Wiped,
)


async def wipe_organizations(grant: Grant, label: str | None, most: int) -> Wiped:
    """Delete managed organizations that are in TEST alone, with all that is theirs.

    Those stay that are protected, archived or marked for deletion, or that somebody leans on.
    """
    chosen = await _CHOOSE_ORGANIZATIONS(
        grant.tx, reader_id=grant.reader_id, label=label, most=most + 1
    )
    going = chosen[:most]
    await _record(grant, going, [OrganizationDeleted(organization_id=each.id) for each in going])
    try:
        await _DELETE_ORGANIZATIONS(grant.tx, ids=[each.id for each in going])
    except asyncpg.ForeignKeyViolationError as error:
        # Somebody has begun to lean on one since it was chosen: the next call passes it by.
        raise Overloaded from error
    return Wiped(len(going), len(chosen) > most)


async def wipe_api_keys(grant: Grant, label: str | None, most: int) -> Wiped:
    """Delete TEST keys with their uses: not the one that asks, nor what is managed above."""
    chosen = await _CHOOSE_API_KEYS(
        grant.tx,
        reader_id=grant.reader_id,
        asking_id=grant.op.actor.id,
        label=label,
        most=most + 1,
    )
    going = chosen[:most]
    await _record(grant, going, [ApiKeyDeleted(api_key_id=each.id) for each in going])
    await _DELETE_API_KEYS(
        grant.tx,
        ids=[each.id for each in going],
        organization_ids=[each.organization_id for each in going],
    )
    return Wiped(len(going), len(chosen) > most)


async def wipe_kept_answers(grant: Grant, label: str | None, most: int) -> Wiped:
    """Delete answers kept for those who ask again; they bear no label, and with one they stay."""
    if label is not None:
        return Wiped(0, has_more=False)
    wiped = await _WIPE_KEPT_ANSWERS(grant.tx, most=most)
    return wiped or Wiped(0, has_more=False)


async def _record(grant: Grant, going: Sequence[_Chosen], events: Sequence[Event]) -> None:
    happened = [
        Happened(each.organization_id, event, before=_given(each.before))
        for each, event in zip(going, events, strict=True)
    ]
    await record_many(grant, happened)


def _given(before: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in before.items() if value is not None}
