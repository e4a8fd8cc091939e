"""What the service does to TSS by itself: those of TEST go when nobody needs them."""

from datetime import UTC, datetime

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.core.signing_units import KeyOwner
from tillkeeper.domains.tss import queries, rules
from tillkeeper.domains.tss.events import TssUpdated
from tillkeeper.domains.tss.queries import Due, Row

_AT_ONCE = 100


async def sweep(house: House, now: datetime | None = None) -> int:
    """Delete TSS of TEST that are disabled or idle, evict what was never used; keys go with them.

    Any number of processes may do it at once: what is due is decided again under the lock of each.
    """
    horizons = rules.horizons(now or datetime.now(UTC))
    async with house.db.lend() as tx:
        due = await queries.list_due_tss(tx, horizons, most=_AT_ONCE)
    retired = [await _retire(house, each, horizons) for each in due]
    for row in filter(None, retired):
        # After the commit: a key without a row signs nothing, a row without its key is a fault.
        owner = KeyOwner(row.organization_id, row.env, row.id, row.key_version)
        await house.unit.destroy(owner, row.sealed_key)
    return sum(row is not None for row in retired)


async def _retire(house: House, due: Due, horizons: rules.Horizons) -> Row | None:
    async with do_chore(house, due.organization_id, due.env) as op:
        grant = await require(op, Right.TSS_UPDATE, due.organization_id)
        held = await queries.lock_tss(grant, due.id)
        state = None if held is None else rules.end_of(held, horizons)
        if held is None or state is None:
            return None
        event = TssUpdated(tss_id=held.id, state=state)
        gone = {"state": state, "sealed_puk": None, "admin_until": None}
        await queries.update_tss(grant, event, held.id, gone)
        return held
