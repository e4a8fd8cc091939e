"""What the service says of keys by itself: that they end."""

from datetime import UTC, datetime
from functools import partial

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.domains.api_keys import notice_queries as queries
from tillkeeper.domains.api_keys.events import ApiKeyExpired, ApiKeyExpiring
from tillkeeper.domains.api_keys.keeper_queries import Subject
from tillkeeper.domains.api_keys.keepers import write_to_keepers
from tillkeeper.domains.mail.letters import KeyExpired, KeyExpiring

_AT_ONCE = 500
_DAYS = {1: 30, 2: 7, 3: 1}


async def announce_ends(house: House, *, now: datetime | None = None) -> int:
    """Say of each key that ends, once a month, a week and a day before, and that it has ended.

    Of several notices that have become due only the last is given. Any number of processes may do
    it at once: each notice is recorded by one, in a transaction of its own, with its letters.
    """
    at, count = now or datetime.now(UTC), 0
    while True:
        async with house.db.lend() as tx:
            due = await queries.list_due_notices(tx, at=at, most=_AT_ONCE)
        given = sum([await _announce(house, notice, at) for notice in due])
        count += given
        if len(due) < _AT_ONCE or not given:
            return count


async def _announce(house: House, due: queries.Notice, at: datetime) -> bool:
    async with do_chore(house, due.organization_id, due.env) as op:
        op.now = at
        grant = await require(op, Right.API_KEY_UPDATE, due.organization_id)
        is_given = await queries.record_notice(grant, _event_of(due), due)
        if is_given:
            await write_to_keepers(grant, due.id, partial(_letter_of, due))
        return is_given


def _event_of(due: queries.Notice) -> ApiKeyExpiring | ApiKeyExpired:
    expires_at = int(due.expires_at.timestamp())
    if (days := _DAYS.get(due.stage)) is None:
        return ApiKeyExpired(api_key_id=due.id, name=due.name, expires_at=expires_at)
    return ApiKeyExpiring(api_key_id=due.id, name=due.name, days=days, expires_at=expires_at)


def _letter_of(due: queries.Notice, subject: Subject) -> KeyExpiring | KeyExpired:
    at = int(due.expires_at.timestamp())
    if due.stage in _DAYS:
        return KeyExpiring(**subject.about, ends_at=at)
    return KeyExpired(**subject.about, ended_at=at)
