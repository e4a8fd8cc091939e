"""Making exports, and forgetting their files, as the worker does it."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.domains.exports import changes, queries, rules
from tillkeeper.domains.exports.actions import KIND
from tillkeeper.domains.exports.archive import Entry, write_archive
from tillkeeper.domains.exports.events import ExportCompleted, ExportExpired, ExportFailed
from tillkeeper.domains.exports.queries import Due, Message, Row
from tillkeeper.domains.exports.rules import Filters
from tillkeeper.domains.jobs.actions import Kind, Subject
from tillkeeper.domains.signing.actions import find_chain
from tillkeeper.domains.signing.names import default_description, info_csv
from tillkeeper.domains.tss.queries import find_tss

_WINDOW: Final = 2_000
_DUE_AT_ONCE: Final = 100


class Abandoned(Exception):
    """The export was cancelled, or another worker has taken it."""


class Failed(Exception):
    """The export cannot be made, however often it is tried; the code is the contract's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def make_export(house: House, subject: Subject) -> None:
    """Write the archive of an export, and complete it.

    Each window of messages is read in an operation of its own, so that nothing is held open for
    as long as it takes. Whoever is sent after a worker that fell silent begins anew, under a higher
    fence: from then on the windows and the end of the first one count for nothing.
    """
    tss_id, export_id = subject.about
    async with _granted(house, subject.organization_id, subject.env) as grant:
        taken = await changes.take_export(grant, tss_id, export_id, _now(grant))
    if taken is None:
        return
    path = f"{taken.organization_id}/{taken.env}/exports/{taken.id}-{taken.fence}.tar"
    try:
        await house.files.write(path, _archive(house, taken))
        await _complete(house, taken, path)
    except Abandoned:
        await house.files.delete(path)
    except Failed as failure:
        await _fail(house, subject, failure.code)


async def give_up(house: House, subject: Subject) -> None:
    """Say that an export failed, when its work has failed for the last time."""
    await _fail(house, subject, "E_INTERNAL")


EXPORT: Final = Kind(KIND, make_export, give_up, at_once=4)


async def _archive(house: House, taken: Row) -> AsyncGenerator[bytes]:
    async with _granted(house, taken.organization_id, taken.env) as grant:
        tss = await find_tss(grant, taken.tss_id)
        if tss is None:
            raise Abandoned
        chain = await find_chain(grant.tx, tss.certificate)
        time = _now(grant)
    certificates = (tss.certificate, chain.issuer_certificate, chain.root_certificate)
    info = info_csv(tss.description or default_description(tss.id), tss.unit)
    windows = _windows(Filters.read(taken.filters), taken, tss.transaction_counter)
    async for chunk in write_archive(info, certificates, time, _entries(house, taken, windows)):
        yield chunk


async def _entries(
    house: House, taken: Row, windows: Iterator[tuple[int, int]]
) -> AsyncGenerator[Entry]:
    filters, number = Filters.read(taken.filters), 0
    for after, upto in windows:
        async with _granted(house, taken.organization_id, taken.env) as grant:
            if not await changes.go_on(grant, taken, min(upto, taken.upto_counter)):
                raise Abandoned
            messages = await _read(grant, taken, filters, after, upto)
        number += len(messages)
        if number > filters.most_records:
            raise Failed("E_TOO_MANY_RECORDS")
        for message in messages:
            yield Entry(message.file_name, message.message, message.signed_at)
    if not number:
        raise Failed("E_NO_DATA_AVAILABLE")


def _windows(filters: Filters, taken: Row, last_transaction: int) -> Iterator[tuple[int, int]]:
    """Yield the windows of an export: of transaction numbers, or of signature counters."""
    if filters.by_transaction:
        first, last = filters.first_transaction or 1, filters.last_transaction or last_transaction
        last = min(last, last_transaction)
    else:
        first, last = filters.first_counter or 1, filters.last_counter or taken.upto_counter
        last = min(last, taken.upto_counter)
    for after in range(first - 1, last, _WINDOW):
        yield after, min(after + _WINDOW, last)


async def _read(grant: Grant, taken: Row, filters: Filters, after: int, upto: int) -> list[Message]:
    if filters.by_transaction:
        return await queries.list_window_of_transactions(
            grant, taken.tss_id, after, upto, taken.upto_counter
        )
    return await queries.list_window(grant, taken.tss_id, after, upto, filters)


async def _complete(house: House, taken: Row, path: str) -> None:
    event = ExportCompleted(export_id=taken.id, tss_id=taken.tss_id)
    async with _granted(house, taken.organization_id, taken.env) as grant:
        completed = await changes.complete_export(grant, event, taken, path=path, now=_now(grant))
    if completed is None:
        raise Abandoned


async def _fail(house: House, subject: Subject, code: str) -> None:
    tss_id, export_id = subject.about
    event = ExportFailed(export_id=export_id, tss_id=tss_id, exception=code)
    async with _granted(house, subject.organization_id, subject.env) as grant:
        await changes.fail_export(grant, event, _now(grant))


async def tidy_exports(house: House, *, now: int | None = None) -> None:
    """Delete files whose time is over, and end exports that take longer than they may."""
    now = int(datetime.now(UTC).timestamp()) if now is None else now
    async with house.db.lend() as tx:
        due = await queries.list_due(
            tx, now=now, asked_before=now - rules.LONGEST_SECONDS, most=_DUE_AT_ONCE
        )
    for each in due:
        if each.is_file:
            await _expire(house, each)
        else:
            subject = Subject(each.organization_id, each.env, (each.tss_id, each.id))
            await _fail(house, subject, "E_EXPORT_PROCESSING_TIMEOUT")


async def _expire(house: House, due: Due) -> None:
    """Delete the file first: a row without it is found again, a file without a row is not."""
    async with _granted(house, due.organization_id, due.env) as grant:
        found = await queries.find_export(grant, due.tss_id, due.id)
        if found is None or found.file_path is None:
            return
        await house.files.delete(found.file_path)
        await changes.expire_export(grant, ExportExpired(export_id=due.id, tss_id=due.tss_id))


@asynccontextmanager
async def _granted(house: House, organization_id: UUID, env: Env) -> AsyncGenerator[Grant]:
    async with do_chore(house, organization_id, env) as op:
        yield await require(op, Right.EXPORT_CREATE, organization_id, env)


def _now(grant: Grant) -> int:
    return int(grant.op.now.timestamp())
