"""Numbers over an organization, or over everything below it."""

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from tillkeeper.access.policy import Grant
from tillkeeper.core.days import DAYS_AT_MOST
from tillkeeper.core.status import TssState
from tillkeeper.domains.fleet.scopes import ID, ONE, WHOLE, of_organization
from tillkeeper.domains.fleet.wire import ExpiringTss, LatestExport, LatestTransaction
from tillkeeper.schema import (
    ENV,
    exports,
    organizations,
    transaction_months,
    transactions,
    tss,
    tss_clients,
)
from tillkeeper.sql import Query, Rows, many

S = TypeVar("S", bound=Struct)
_CANDIDATES = 100


class Number(Struct):
    """How many there are of a kind."""

    kind: str
    number: int


class Month(Struct):
    """How many transactions began on each day of a month."""

    month: date
    started: list[int]


class Above(Struct, kw_only=True):
    """Who vouches for TSS of the env, in DER."""

    issuer_certificate: bytes
    root_certificate: bytes


def _by_scope(
    rows: Callable[[ColumnElement[bool]], Rows], into: type[S]
) -> dict[str, Query[list[S]]]:
    """Compile one statement for the organization itself, and one for each way to what is below."""
    below = {scope: and_(whole, organizations.c.id != ID) for scope, whole in WHOLE.items()}
    return {scope: many(rows(which), into) for scope, which in (below | {ONE: WHOLE[ONE]}).items()}


def _kinds(kind: ColumnElement[Any], joined: Any, which: ColumnElement[bool]) -> Rows:  # noqa: ANN401 - Core's own types
    text = cast(kind, Text).label("kind")
    return (
        select(text, func.count().label("number")).select_from(joined).where(which).group_by(text)
    )


def _all(joined: Any, which: ColumnElement[bool]) -> Rows:  # noqa: ANN401 - Core's own types
    counted = select(literal("all", Text).label("kind"), func.count().label("number"))
    return counted.select_from(joined).where(which)


def _is(*states: TssState) -> ColumnElement[bool]:
    return or_(*(cast(tss.c.state, Text) == state for state in states))


_OF_TSS = and_(
    tss_clients.c.organization_id == tss.c.organization_id,
    tss_clients.c.env == tss.c.env,
    tss_clients.c.tss_id == tss.c.id,
)
_IS_THERE = not_(_is(TssState.DELETED, TssState.EVICTED))
_whole_tss = organizations.join(tss, of_organization(tss))
_IN_ENV = bindparam("env", type_=ENV) == any_(organizations.c.envs)
_ORGANIZATIONS = _by_scope(lambda which: _all(organizations, and_(which, _IN_ENV)), Number)
_TSS = _by_scope(lambda which: _kinds(tss.c.state, _whole_tss, which), Number)
_CLIENTS = _by_scope(
    lambda which: _kinds(
        tss_clients.c.state, _whole_tss.join(tss_clients, _OF_TSS), and_(which, _IS_THERE)
    ),
    Number,
)
_STARTED = [func.sum(transaction_months.c.started[day]) for day in range(1, DAYS_AT_MOST + 1)]
_MONTHS = _by_scope(
    lambda which: (
        select(
            transaction_months.c.month, cast(array(_STARTED), ARRAY(BigInteger)).label("started")
        )
        .select_from(organizations.join(transaction_months, of_organization(transaction_months)))
        .where(which, transaction_months.c.month >= bindparam("since", type_=Date))
        .group_by(transaction_months.c.month)
    ),
    Month,
)


def _latest(which: ColumnElement[bool]) -> Rows:
    """Look among those TSS alone that have signed last: each knows how far its numbers go."""
    most = bindparam("most", type_=Integer)
    signed = (
        select(tss.c.organization_id, tss.c.env, tss.c.id, tss.c.transaction_counter)
        .select_from(_whole_tss)
        .where(which, tss.c.transaction_counter > 0)
        .order_by(tss.c.last_signed_at.desc(), tss.c.id)
        .limit(_CANDIDATES)
        .cte("signed")
    )
    of_one = (
        select(transactions)
        .where(
            transactions.c.organization_id == signed.c.organization_id,
            transactions.c.env == signed.c.env,
            transactions.c.tss_id == signed.c.id,
            transactions.c.number > signed.c.transaction_counter - most,
        )
        .lateral("of_one")
    )
    order = (of_one.c.time_start.desc(), of_one.c.tss_id, of_one.c.number.desc())
    client = and_(
        tss_clients.c.organization_id == of_one.c.organization_id,
        tss_clients.c.env == of_one.c.env,
        tss_clients.c.id == of_one.c.client_id,
    )
    names = [name for name in LatestTransaction.__struct_fields__ if name != "client_serial_number"]
    return (
        select(
            *(of_one.c[name] for name in names),
            tss_clients.c.serial_number.label("client_serial_number"),
        )
        .select_from(signed.join(of_one, true()).join(tss_clients, client))
        .order_by(*order)
        .limit(most)
    )


def _latest_exports(which: ColumnElement[bool]) -> Rows:
    """Look at the latest of each organization, by its index: others have exported for years."""
    most = bindparam("most", type_=Integer)
    of_one = (
        select(exports)
        .where(of_organization(exports))
        .order_by(exports.c.time_request.desc(), exports.c.id.desc())
        .limit(most)
        .correlate(organizations)
        .lateral("of_one")
    )
    return (
        select(*(of_one.c[name] for name in LatestExport.__struct_fields__))
        .select_from(organizations.join(of_one, true()))
        .where(which)
        .order_by(of_one.c.time_request.desc(), of_one.c.organization_id, of_one.c.id.desc())
        .limit(most)
    )


_LATEST = _by_scope(_latest, LatestTransaction)
_EXPORTS = _by_scope(_latest_exports, LatestExport)
_IS_LIVING = _is(TssState.CREATED, TssState.UNINITIALIZED, TssState.INITIALIZED)
_whole_ending = and_(_IS_LIVING, tss.c.certificate_ends_at < bindparam("until", type_=BigInteger))
_ENDING = _by_scope(
    lambda which: (
        select(*(tss.c[name] for name in ExpiringTss.__struct_fields__))
        .select_from(_whole_tss)
        .where(which, _whole_ending)
        .order_by(tss.c.certificate_ends_at, tss.c.id)
        .limit(bindparam("most", type_=Integer))
    ),
    ExpiringTss,
)
_COUNT_ENDING = _by_scope(lambda which: _all(_whole_tss, and_(which, _whole_ending)), Number)
_ABOVE = many(
    select(func.list_signing_certificates().table_valued(*Above.__struct_fields__)), Above
)


async def count_organizations(grant: Grant, scope: str) -> int:
    """Count the organizations of a scope."""
    found = await _ORGANIZATIONS[scope](grant.tx, **grant.scope)
    return found[0].number


async def count_tss(grant: Grant, scope: str) -> dict[str, int]:
    """Count TSS by state."""
    return {each.kind: each.number for each in await _TSS[scope](grant.tx, **grant.scope)}


async def count_clients(grant: Grant, scope: str) -> dict[str, int]:
    """Count clients by state, on TSS that are not deleted or given back."""
    return {each.kind: each.number for each in await _CLIENTS[scope](grant.tx, **grant.scope)}


async def count_days(grant: Grant, scope: str, since: date) -> dict[date, int]:
    """Count transactions by the day on which they began, from the month of a day on."""
    months = await _MONTHS[scope](grant.tx, **grant.scope, since=since.replace(day=1))
    return {
        each.month.replace(day=number): started
        for each in months
        for number, started in enumerate(each.started, 1)
        if started
    }


async def list_latest(grant: Grant, scope: str, most: int) -> list[LatestTransaction]:
    """Return the latest transactions of the hundred TSS that have signed last, newest first."""
    return await _LATEST[scope](grant.tx, **grant.scope, most=most)


async def list_exports(grant: Grant, scope: str, most: int) -> list[LatestExport]:
    """Return the exports that were asked for last, the newest first."""
    return await _EXPORTS[scope](grant.tx, **grant.scope, most=most)


async def list_ending(grant: Grant, scope: str, until: int, most: int) -> list[ExpiringTss]:
    """Return TSS in use whose certificates end before a moment, or have ended, the first first."""
    return await _ENDING[scope](grant.tx, **grant.scope, until=until, most=most)


async def count_ending(grant: Grant, scope: str, until: int) -> int:
    """Count them all."""
    found = await _COUNT_ENDING[scope](grant.tx, **grant.scope, until=until)
    return found[0].number


async def list_above(grant: Grant) -> list[Above]:
    """Return who vouches for TSS in the env that was entered."""
    return await _ABOVE(grant.tx)
