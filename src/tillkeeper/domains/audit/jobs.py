"""Sealing, as the service does it by itself."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from tillkeeper.access.operation import House
from tillkeeper.domains.audit import seal_queries, seals
from tillkeeper.domains.audit.seal_queries import Pending
from tillkeeper.domains.audit.seals import SealBody, Signed
from tillkeeper.logs import log

_ROWS_AT_MOST = 5000
_TELL_EVERY_SECONDS = 60


class OtherCluster(Exception):
    """The database is not the one that was sealed last; the sentence says what to do."""

    def __init__(self, pending: Pending) -> None:
        super().__init__(
            f"The audit was sealed in cluster {pending.sealed_system}, timeline "
            f"{pending.sealed_timeline}; this is {pending.system_identifier}, timeline "
            f"{pending.timeline}: after a restore or a failover run `tillkeeper audit restored`"
        )


async def seal(house: House) -> Signed | None:
    """Seal what has come since the last seal; None where there is nothing or another seals.

    Refuses on a cluster other than the one that was sealed last: its transaction ids may begin
    anew, and rows written twice would pass for one another.
    """
    async with house.db.begin() as tx:
        pending = await seal_queries.begin_seal(tx, most=_ROWS_AT_MOST)
        if pending is None:
            return None
        if is_other(pending):
            raise OtherCluster(pending)
        if pending.leaves is None:
            return None
        signed = seals.sign(house.keyring, body_of(pending, at=datetime.now(UTC)))
        await seal_queries.write_seal(tx, pending, signed)
        return signed


async def check_cluster(house: House) -> None:
    """Refuse a copied database that nobody has declared: what it writes could not be ordered."""
    async with house.db.begin() as tx:
        pending = await seal_queries.begin_seal(tx, most=0)
    if pending is not None and pending.system_identifier != pending.sealed_system:
        raise OtherCluster(pending)


def body_of(pending: Pending, *, at: datetime) -> SealBody:
    """Return what the next seal says, unsigned."""
    leaves = seals.split_leaves(pending.leaves or b"")
    return SealBody(
        number=pending.number,
        cluster=pending.sealed_system,
        timeline=pending.sealed_timeline,
        epoch=pending.epoch,
        tx_from=pending.tx_from,
        tx_upto=pending.tx_upto,
        count=len(leaves),
        root=seals.root_of(leaves).hex(),
        previous=pending.previous.hex(),
        at=seals.written_at(at),
        key_id="",
    )


def is_other(pending: Pending) -> bool:
    """Tell whether this is another cluster or timeline than the one that was sealed last."""
    here = pending.system_identifier, pending.timeline
    return here != (pending.sealed_system, pending.sealed_timeline)


@dataclass(slots=True)
class Sealer:
    """Seals again and again, and once a minute says in the log where it stands.

    The log leaves the machine: a seal that is kept there is one that nobody can cut off any more.
    """

    _told_at: float = 0.0

    async def run(self, house: House) -> None:
        """Seal once."""
        try:
            signed = await seal(house)
        except OtherCluster as refusal:
            if self._is_time_to_tell():
                log.error("audit.not_sealed", reason=str(refusal))
            return
        if signed is not None and self._is_time_to_tell():
            log.info("audit.sealed", number=signed.number, hash=signed.hash)

    def _is_time_to_tell(self) -> bool:
        now = time.monotonic()
        is_time = not self._told_at or now - self._told_at > _TELL_EVERY_SECONDS
        if is_time:
            self._told_at = now
        return is_time
