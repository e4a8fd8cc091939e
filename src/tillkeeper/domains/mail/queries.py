"""Mail in the database: sealed, behind doors."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Boolean, Integer, LargeBinary, Text, Uuid, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.core.mail import Language
from tillkeeper.db.pool import Tx
from tillkeeper.schema import mails
from tillkeeper.sql import execute, many, one_or_none


class Taken(Struct, kw_only=True):
    """A mail that is this process's to send, for a while."""

    id: UUID
    language: Language
    sealed: bytes
    pepper_version: int
    attempts: int
    is_over: bool
    """Whether what it speaks of has ended already."""


class Standing(Struct):
    """Whether somebody is still who a letter was written to."""

    is_keeper: bool


_TIME = TIMESTAMP(timezone=True)
_POST = execute(
    select(
        func.post_mail(
            bindparam("id", type_=Uuid),
            bindparam("organization_id", type_=Uuid),
            cast(bindparam("language", type_=Text), mails.c.language.type),
            bindparam("sealed", type_=LargeBinary),
            bindparam("pepper_version", type_=Integer),
            bindparam("at", type_=_TIME),
            bindparam("ends_at", type_=_TIME),
        )
    )
)
_TAKE = many(
    select(
        func.take_mails(
            bindparam("most", type_=Integer), bindparam("lease_seconds", type_=Integer)
        ).table_valued(*Taken.__struct_fields__)
    ),
    Taken,
)
_SETTLE = execute(
    select(
        func.settle_mail(
            bindparam("id", type_=Uuid),
            bindparam("is_sent", type_=Boolean),
            bindparam("retry_in_seconds", type_=Integer),
        )
    )
)
_IS_STILL_KEEPER = one_or_none(
    select(
        func.is_still_keeper(
            bindparam("id", type_=Uuid), bindparam("person", type_=Uuid), type_=Boolean
        ).label("is_keeper")
    ),
    Standing,
)
_SWEEP = execute(
    select(func.sweep_mails(bindparam("days", type_=Integer), bindparam("most", type_=Integer)))
)


async def insert_mail(  # noqa: PLR0913 - the columns
    tx: Tx,
    *,
    mail_id: UUID,
    organization_id: UUID | None,
    language: Language,
    sealed: bytes,
    pepper_version: int,
    at: datetime,
    ends_at: datetime,
) -> None:
    """Put a mail in; it is due at once, when the transaction commits."""
    await _POST(
        tx,
        id=mail_id,
        organization_id=organization_id,
        language=language,
        sealed=sealed,
        pepper_version=pepper_version,
        at=at,
        ends_at=ends_at,
    )


async def take_mails(tx: Tx, *, most: int, lease_seconds: int) -> list[Taken]:
    """Take what is due; whoever has not settled it in time loses it to another."""
    return await _TAKE(tx, most=most, lease_seconds=lease_seconds)


async def is_still_keeper(tx: Tx, mail_id: UUID, person: UUID) -> bool:
    """Tell whether somebody still looks after the organization that a mail is about."""
    found = await _IS_STILL_KEEPER(tx, id=mail_id, person=person)
    return found is not None and found.is_keeper


async def settle_sent(tx: Tx, mail_id: UUID) -> None:
    await _SETTLE(tx, id=mail_id, is_sent=True, retry_in_seconds=None)


async def settle_given_up(tx: Tx, mail_id: UUID) -> None:
    await _SETTLE(tx, id=mail_id, is_sent=False, retry_in_seconds=None)


async def put_off(tx: Tx, mail_id: UUID, *, seconds: int) -> None:
    await _SETTLE(tx, id=mail_id, is_sent=False, retry_in_seconds=seconds)


async def delete_settled(tx: Tx, *, days: int, most: int) -> None:
    """Delete what was settled and is older than so many days."""
    await _SWEEP(tx, days=days, most=most)
