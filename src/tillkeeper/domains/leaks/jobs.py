"""What the service does about secrets that somebody has found."""

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.status import LeakedKeyPolicy
from tillkeeper.domains.api_keys.changes import expire_previous_secret
from tillkeeper.domains.api_keys.events import ApiKeySecretExpired
from tillkeeper.domains.leaks import queries
from tillkeeper.domains.leaks.events import ApiKeyDisabledAsLeaked, ApiKeyLeaked

_AT_ONCE = 1000


async def act_on_leaks(house: House) -> None:
    """Tell the owners of found secrets, and disable keys where their policy says so.

    Any number of processes may do it at once: each report is acted on by one.
    """
    async with house.db.lend() as tx:
        leaks = await queries.sort_leaks(tx, most=_AT_ONCE)
    for leak in leaks:
        await _act(house, leak)


async def _act(house: House, leak: queries.Leak) -> None:
    async with do_chore(house, leak.organization_id, leak.env) as op:
        # Under the id that the finder was given, and from where it came.
        op.id, op.address, op.agent = leak.operation_id, leak.address, leak.agent
        grant = await require(op, Right.API_KEY_UPDATE, leak.organization_id)
        settlement = await queries.settle_leak(grant, leak)
        if settlement is not None:
            await _settle(grant, leak, settlement)


async def _settle(grant: Grant, leak: queries.Leak, settlement: queries.Settlement) -> None:
    """Record the leak; where keys are to be disabled, end what was found and nothing else."""
    event = ApiKeyLeaked(
        api_key_id=leak.key_id, secret="current" if settlement.is_current else "retiring"
    )
    await queries.mark_leaked(grant, event, leak.reported_at)
    if settlement.policy == LeakedKeyPolicy.REPORT:
        return
    if settlement.is_current:
        await queries.disable_leaked(grant, ApiKeyDisabledAsLeaked(api_key_id=leak.key_id))
    else:
        await expire_previous_secret(grant, ApiKeySecretExpired(api_key_id=leak.key_id))
