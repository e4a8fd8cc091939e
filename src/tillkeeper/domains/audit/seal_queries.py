"""The sealer's doors, and what proofs are made of."""

from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    select,
)

from tillkeeper.access.policy import Grant
from tillkeeper.db.pool import Tx
from tillkeeper.domains.audit.queries import GRANTED, IS_SEEN, sighted
from tillkeeper.domains.audit.seals import Signed
from tillkeeper.schema import audit_rows
from tillkeeper.sql import execute, many, one_or_none


class Pending(Struct, kw_only=True):
    """What the next seal is about; without leaves there is nothing to seal."""

    number: int
    previous: bytes
    epoch: int
    tx_from: int
    tx_upto: int
    leaves: bytes | None
    system_identifier: str
    timeline: int
    sealed_system: str
    sealed_timeline: int


class Seal(Struct, kw_only=True):
    """A seal without its leaves."""

    number: int
    body: str
    signature: bytes


class FullSeal(Struct, kw_only=True):
    """A seal with the hashes of its rows."""

    number: int
    body: str
    signature: bytes
    leaves: bytes


class Proven(Struct, kw_only=True):
    """A row as it was sealed: a document that the reader may not see is None."""

    epoch: int
    tx: int
    leaf: str
    leaf_hash: bytes
    origin: str | None
    content: str | None


_BEGIN = one_or_none(
    select(
        func.begin_seal(bindparam("most", type_=Integer)).table_valued(*Pending.__struct_fields__)
    ),
    Pending,
)
_WRITE = execute(
    select(
        func.write_seal(
            bindparam("number", type_=BigInteger),
            bindparam("body", type_=Text),
            bindparam("signature", type_=LargeBinary),
            bindparam("leaves", type_=LargeBinary),
            bindparam("epoch", type_=Integer),
            bindparam("tx_from", type_=BigInteger),
            bindparam("tx_upto", type_=BigInteger),
        )
    )
)
_LIST = many(
    select(
        func.list_seals(
            bindparam("before", type_=BigInteger), bindparam("most", type_=Integer)
        ).table_valued(*Seal.__struct_fields__)
    ),
    Seal,
)
_FIND = one_or_none(
    select(
        func.find_seal(
            bindparam("epoch", type_=Integer), bindparam("tx", type_=BigInteger)
        ).table_valued(*FullSeal.__struct_fields__)
    ),
    FullSeal,
)
_row = audit_rows.table_valued()
_IS_CLEAR = and_(
    *(
        sighted(audit_rows.c[name]).is_not_distinct_from(audit_rows.c[name])
        for name in ("details", "before", "after")
    )
)
_PROVE = one_or_none(
    select(
        audit_rows.c.epoch,
        audit_rows.c.tx,
        func.audit_leaf(_row).label("leaf"),
        func.audit_leaf_hash(_row).label("leaf_hash"),
        case((IS_SEEN, func.audit_origin(_row))).label("origin"),
        case((_IS_CLEAR, func.audit_content(_row))).label("content"),
    ).where(*GRANTED, audit_rows.c.id == bindparam("row_id", type_=Uuid)),
    Proven,
)


async def begin_seal(tx: Tx, *, most: int) -> Pending | None:
    """Lock the sealing for this transaction; None where another process has it."""
    return await _BEGIN(tx, most=most)


async def write_seal(tx: Tx, pending: Pending, signed: Signed) -> None:
    """Write the seal that was begun."""
    await _WRITE(
        tx,
        number=pending.number,
        body=signed.body,
        signature=signed.signature,
        leaves=pending.leaves or b"",
        epoch=pending.epoch,
        tx_from=pending.tx_from,
        tx_upto=pending.tx_upto,
    )


async def list_seals(grant: Grant, *, before: int | None, most: int) -> list[Seal]:
    """Return seals of the installation, newest first: whoever holds a grant may."""
    return await _LIST(grant.tx, before=before, most=most)


async def find_proven(grant: Grant, row_id: UUID) -> Proven | None:
    """Find a row of the granted organization and env as it is sealed."""
    return await _PROVE(grant.tx, **grant.scope, row_id=row_id, reader_id=grant.reader_id)


async def find_seal(grant: Grant, row: Proven) -> FullSeal | None:
    """Find the seal that a row is in, if it is in one yet."""
    return await _FIND(grant.tx, epoch=row.epoch, tx=row.tx)
