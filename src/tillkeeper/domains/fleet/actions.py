"""Looking at many TSS at once."""

from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from tillkeeper.access.operation import Operation
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.days import local_day
from tillkeeper.core.errors import AccessDenied
from tillkeeper.core.status import ClientState, TssState
from tillkeeper.domains.fleet import overview_queries
from tillkeeper.domains.fleet.scopes import ONE, scope_of
from tillkeeper.domains.fleet.wire import (
    Expiring,
    ExpiringAuthority,
    Overview,
    OverviewPart,
    TransactionDay,
)
from tillkeeper.domains.signing.certificates import common_name_of, ends_at

_DAYS, _LATEST_AT_MOST, _EXPIRING_AT_MOST = 30, 10, 100
_SOON_SECONDS = 90 * 86_400
_OF_TSS = (Right.ORGANIZATION_READ, Right.TSS_READ)
"""What it takes to be told of a TSS and whose it is."""


async def require_fleet(op: Operation, organization_id: UUID) -> Grant:
    """Ask for the right to the fleet, and for those to what each row of it names."""
    grant = await require(op, Right.FLEET_READ, organization_id)
    for right in _OF_TSS:
        await require(op, right, organization_id)
    return grant


async def look_over(grant: Grant) -> Overview:
    """Return an organization and, where it may have others below it, all of those together."""
    scope = scope_of(grant)
    return Overview(
        type="OVERVIEW",
        organization_id=grant.organization_id,
        env=grant.env,
        own=await _part(grant, ONE),
        managed=None if scope == ONE else await _part(grant, scope),
        expiring_authorities=await _expiring_authorities(grant),
    )


async def _part(grant: Grant, scope: str) -> OverviewPart:
    """Numbers need one right; who is named has to be in sight besides."""
    tss = await overview_queries.count_tss(grant, scope)
    part = OverviewPart(
        organizations=await overview_queries.count_organizations(grant, scope),
        tss={state: tss.get(state, 0) for state in TssState},
        expiring_tss=await _expiring_tss(grant, scope),
    )
    if await _may_also(grant, Right.CLIENT_READ):
        clients = await overview_queries.count_clients(grant, scope)
        part.clients = {state: clients.get(state, 0) for state in ClientState}
    if await _may_also(grant, Right.TRANSACTION_READ):
        part.transactions_by_day = await _days(grant, scope)
    if await _may_also(grant, *_OF_TSS, Right.CLIENT_READ, Right.TRANSACTION_READ):
        part.latest_transactions = await overview_queries.list_latest(grant, scope, _LATEST_AT_MOST)
    if await _may_also(grant, *_OF_TSS, Right.EXPORT_READ):
        part.latest_exports = await overview_queries.list_exports(grant, scope, _LATEST_AT_MOST)
    return part


async def _may_also(grant: Grant, *rights: Right) -> bool:
    """Tell whether a part of an answer may be told; without the rights it is left out."""
    try:
        for right in rights:
            await require(grant.op, right, grant.organization_id)
    except AccessDenied:
        return False
    return True


async def _days(grant: Grant, scope: str) -> list[TransactionDay]:
    today = local_day(int(grant.op.now.timestamp()))
    days: list[date] = [today - timedelta(days=age) for age in reversed(range(_DAYS))]
    started = await overview_queries.count_days(grant, scope, days[0])
    return [TransactionDay(day=day.isoformat(), started=started.get(day, 0)) for day in days]


def _soon(grant: Grant) -> int:
    return int(grant.op.now.timestamp()) + _SOON_SECONDS


async def _expiring_tss(grant: Grant, scope: str) -> Expiring:
    soon = _soon(grant)
    count = await overview_queries.count_ending(grant, scope, soon)
    if not await _may_also(grant, *_OF_TSS):
        return Expiring(count=count)
    data = await overview_queries.list_ending(grant, scope, soon, _EXPIRING_AT_MOST)
    return Expiring(count=count, data=data)


async def _expiring_authorities(grant: Grant) -> list[ExpiringAuthority]:
    """Return those that end soon, each once: several issuers have one root."""
    now = int(grant.op.now.timestamp())
    kinds: dict[bytes, Literal["issuer", "root"]] = {}
    for above in await overview_queries.list_above(grant):
        kinds |= {above.root_certificate: "root", above.issuer_certificate: "issuer"}
    return [
        ExpiringAuthority(
            kind=kind, common_name=common_name_of(certificate), certificate_ends_at=end
        )
        for certificate, kind in kinds.items()
        if now < (end := ends_at(certificate)) < _soon(grant)
    ]
