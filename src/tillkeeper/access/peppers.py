"""Which process holds which version of the pepper, and what still needs one.

Several processes share an installation and take up its secrets one after the other. What each
holds is written down in the database, so that a step of a rotation can see whether it is safe.
"""

import socket
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Integer, LargeBinary, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from tillkeeper.access.operation import House
from tillkeeper.core.errors import Overloaded
from tillkeeper.core.secrets import Keyring
from tillkeeper.logs import log
from tillkeeper.sql import execute, many


class PepperHolder(Struct, kw_only=True):
    """One version in one process."""

    process_id: UUID
    version: int
    host: str
    fingerprint: bytes
    is_active: bool
    is_alive: bool
    """Whether the process has told of it within the last seconds."""
    tokens_end_at: datetime | None


class PepperNeed(Struct):
    """How many things would be lost with a version."""

    need: str
    count: int


class StoredVersion(Struct):
    """A version that something is stored under."""

    version: int


_HOLD = execute(
    select(
        func.hold_peppers(
            bindparam("process", type_=Uuid),
            bindparam("host", type_=Text),
            bindparam("versions", type_=ARRAY(Integer)),
            bindparam("fingerprints", type_=ARRAY(LargeBinary)),
            bindparam("active", type_=Integer),
            bindparam("token_seconds", type_=Integer),
        )
    )
)
_LIST_HOLDERS = many(
    select(func.list_pepper_holders().table_valued(*PepperHolder.__struct_fields__)), PepperHolder
)
_COUNT_NEEDS = many(
    select(
        func.count_pepper_needs(bindparam("version", type_=Integer)).table_valued(
            *PepperNeed.__struct_fields__
        )
    ),
    PepperNeed,
)
_LIST_STORED = many(select(func.list_stored_versions().table_valued("version")), StoredVersion)


async def tell_what_is_held(house: House) -> None:
    """Write down which versions this process holds, and which one it signs under."""
    await _tell(house, house.keyring.oldest_first)


async def tell_of_the_end(house: House) -> None:
    """Write down that this process holds nothing any more; the tokens it has signed live on."""
    try:
        await _tell(house, [])
    except Overloaded:
        log.warning("keys.end_not_told")


async def _tell(house: House, versions: list[int]) -> None:
    keyring = house.keyring
    async with house.db.lend() as tx:
        await _HOLD(
            tx,
            process=house.process_id,
            host=socket.gethostname(),
            versions=versions,
            fingerprints=[keyring.fingerprint(each) for each in versions],
            active=keyring.active,
            token_seconds=max(house.access_token_seconds, house.refresh_token_seconds),
        )


async def list_pepper_holders(house: House) -> Sequence[PepperHolder]:
    """Return what the processes hold, and until when tokens of those that are gone may live."""
    async with house.db.lend() as tx:
        return await _LIST_HOLDERS(tx)


async def count_pepper_needs(house: House, version: int) -> Sequence[PepperNeed]:
    """Return what is stored under a version, kind by kind."""
    async with house.db.lend() as tx:
        return await _COUNT_NEEDS(tx, version=version)


async def list_unknown_versions(house: House) -> list[int]:
    """Return the versions that something is stored under and that these secrets lack."""
    keyring: Keyring = house.keyring
    known = keyring.peppers.keys() | keyring.retired.keys()
    async with house.db.lend() as tx:
        stored = await _LIST_STORED(tx)
    return sorted({each.version for each in stored} - known)
