"""Signing with a TSS: the next number, a time that never runs back, a message that is whole."""

from collections.abc import Iterable
from typing import NamedTuple

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import ClockWentBack
from tillkeeper.core.signing_units import KeyOwner
from tillkeeper.domains.signing.messages import SystemLog, TransactionLog, finish, to_be_signed
from tillkeeper.domains.tss import queries, rules
from tillkeeper.domains.tss.queries import Row
from tillkeeper.logs import log


class Signed(NamedTuple):
    """One signature of a TSS."""

    counter: int
    time: int
    message: bytes
    value: bytes
    file_name: str


async def sign(grant: Grant, held: Row, data: SystemLog | TransactionLog) -> Signed:
    """Sign what comes next. The row is locked, and moves to this signature where it is written."""
    counter, time = held.signature_counter + 1, signing_time(grant, held)
    owner = KeyOwner(held.organization_id, held.env, held.id, held.key_version)
    body = to_be_signed(held.point, data, counter, time)
    value = await grant.op.house.unit.sign(owner, held.sealed_key, body)
    name = data.file_name(counter, time)
    return Signed(counter, time, finish(body, value), value, name)


def signing_time(grant: Grant, held: Row) -> int:
    """Return the time of the next signature; a clock that fell far behind the last one stops it."""
    now = int(grant.op.now.timestamp())
    if now < held.last_signed_at - rules.CLOCK_BACK_AT_MOST_SECONDS:
        log.error(
            "tss.clock_went_back",
            tss_id=str(held.id),
            request_id=grant.op.id,
            now=now,
            last_signed_at=held.last_signed_at,
        )
        raise ClockWentBack
    return max(now, held.last_signed_at)


async def journalize(grant: Grant, held: Row, logs: Iterable[SystemLog]) -> None:
    """Sign system logs one after another and write them, with what the row in hand counts."""
    before, signed, names = held.signature_counter, [], []
    for data in logs:
        signed.append(await sign(grant, held, data))
        names.append(data.operation)
        held.signature_counter, held.last_signed_at = signed[-1].counter, signed[-1].time
    await queries.append_messages(
        grant,
        held.id,
        counter_before=before,
        counter_after=held.signature_counter,
        signed_at=held.last_signed_at,
        registered_clients=held.registered_clients,
        admin_until=held.admin_until,
        counters=[each.counter for each in signed],
        operations=names,
        messages=[each.message for each in signed],
        file_names=[each.file_name for each in signed],
    )
