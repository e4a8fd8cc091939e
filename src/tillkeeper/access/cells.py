"""The cells of rate limits in the database: one statement leases from one."""

from msgspec import Struct
from sqlalchemy import BigInteger, Integer, LargeBinary, Text, bindparam, func, select

from tillkeeper.core.rates import Rate
from tillkeeper.db.pool import Database
from tillkeeper.sql import one_or_none


class Leased(Struct):
    """What a process may spend, and what the cell has left besides."""

    granted: int
    room: int
    wait_ns: int
    full_in_ns: int
    is_first_refusal: bool


_LEASE = one_or_none(
    select(
        func.lease_cell(
            bindparam("cell", type_=LargeBinary),
            bindparam("holder", type_=Text),
            bindparam("given_back", type_=Integer),
            bindparam("most", type_=Integer),
            bindparam("burst", type_=Integer),
            bindparam("interval_ns", type_=BigInteger),
            bindparam("life_ns", type_=BigInteger),
        ).table_valued(*Leased.__struct_fields__)
    ),
    Leased,
)


async def lease_cell(db: Database, rate: Rate, **values: object) -> Leased:
    """Grant this process a part of what a cell has left; nothing where it is exhausted."""
    async with db.lend() as tx:
        leased = await _LEASE(tx, burst=rate.burst, interval_ns=rate.interval_ns, **values)
    if leased is None:
        raise LookupError("lease_cell returns a row for every cell")
    return leased
