"""The doors to the authorities."""

from msgspec import Struct
from sqlalchemy import Integer, LargeBinary, Text, bindparam, func, select

from tillkeeper.access.policy import Grant
from tillkeeper.db.pool import Tx
from tillkeeper.sql import execute, many, one_or_none


class Authority(Struct, kw_only=True):
    """A generation: certificates in DER, keys sealed."""

    generation: int
    issuer_id: str
    root_certificate: bytes
    root_key: bytes
    issuer_certificate: bytes
    issuer_key: bytes


class Chain(Struct, kw_only=True):
    """Who vouches for a TSS, in DER."""

    issuer_certificate: bytes
    root_certificate: bytes


_LIST = many(
    select(func.list_signing_authorities().table_valued(*Authority.__struct_fields__)), Authority
)
_ADD = execute(
    select(
        func.add_signing_authority(
            bindparam("generation", type_=Integer),
            bindparam("issuer_id", type_=Text),
            bindparam("root_certificate", type_=LargeBinary),
            bindparam("root_key", type_=LargeBinary),
            bindparam("issuer_certificate", type_=LargeBinary),
            bindparam("issuer_key", type_=LargeBinary),
        )
    )
)
_FIND_CHAIN = one_or_none(
    select(
        func.find_signing_chain(bindparam("issuer_id", type_=Text)).table_valued(
            *Chain.__struct_fields__
        )
    ),
    Chain,
)


async def list_authorities(grant: Grant) -> list[Authority]:
    """Return the authorities of the env that was entered, newest first."""
    return await _LIST(grant.tx)


async def insert_authority(grant: Grant, authority: Authority) -> None:
    """Add a generation, unless somebody was first with it: then wait for them."""
    values = {name: getattr(authority, name) for name in Authority.__struct_fields__}
    await _ADD(grant.tx, **values)


async def find_chain(tx: Tx, issuer_id: str) -> Chain | None:
    """Find who vouches for a TSS: public, so that no grant is asked for."""
    return await _FIND_CHAIN(tx, issuer_id=issuer_id)
