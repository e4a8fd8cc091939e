"""What the service does about secrets that somebody has found."""

from functools import partial

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.status import LeakedKeyPolicy
from tillkeeper.domains.api_keys.changes import expire_previous_secret
from tillkeeper.domains.api_keys.events import ApiKeySecretExpired
from tillkeeper.domains.api_keys.keeper_queries import Subject
from tillkeeper.domains.api_keys.keepers import write_to_keepers
from tillkeeper.domains.leaks import queries
from tillkeeper.domains.leaks.events import ApiKeyDisabledAsLeaked, ApiKeyLeaked
from tillkeeper.domains.mail.letters import KeyLeaked, LeakOutcome

_AT_ONCE = 1000


async def act_on_leaks(house: House) -> None:
    """Tell whoever looks after the keys of found secrets; disable keys where the policy says so.

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
    """Record the leak, end what was found where the policy says so, and write of what is news.

    A key that is disabled is news, also within the hour in which a leak is not recorded again.
    """
    is_found = await _record(grant, leak, settlement)
    is_ended = settlement.policy == LeakedKeyPolicy.DISABLE and await _end(grant, leak, settlement)
    if is_found or is_ended:
        await write_to_keepers(grant, leak.key_id, partial(_letter_of, settlement))


async def _record(grant: Grant, leak: queries.Leak, settlement: queries.Settlement) -> bool:
    event = ApiKeyLeaked(
        api_key_id=leak.key_id, secret="current" if settlement.is_current else "retiring"
    )
    return await queries.mark_leaked(grant, event, leak.reported_at)


async def _end(grant: Grant, leak: queries.Leak, settlement: queries.Settlement) -> bool:
    """End what was found and nothing else; False where it had ended."""
    if settlement.is_current:
        return await queries.disable_leaked(grant, ApiKeyDisabledAsLeaked(api_key_id=leak.key_id))
    return await expire_previous_secret(grant, ApiKeySecretExpired(api_key_id=leak.key_id))


def _letter_of(settlement: queries.Settlement, subject: Subject) -> KeyLeaked:
    return KeyLeaked(**subject.about, outcome=_outcome(settlement, subject))


def _outcome(settlement: queries.Settlement, subject: Subject) -> LeakOutcome:
    if not subject.is_working:
        return "key_closed"
    if settlement.is_current:
        return "key_works"
    is_ended = settlement.policy == LeakedKeyPolicy.DISABLE
    return "old_secret_ended" if is_ended else "old_secret_works"
