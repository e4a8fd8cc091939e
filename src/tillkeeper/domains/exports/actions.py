"""What can be asked of exports: trigger, look, cancel, label, download."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import (
    CancelExport,
    ClientUnknown,
    DuplicateExport,
    ExportDuplicateRateLimited,
    ExportNotCompleted,
    ExportNotFound,
    TooManyExports,
    TransactionUnknown,
    TssNotFound,
)
from tillkeeper.core.sign_wire import API_VERSION, LooseMetadata, merged
from tillkeeper.core.status import ExportState
from tillkeeper.domains.clients.queries import find_client
from tillkeeper.domains.exports import changes, queries, rules
from tillkeeper.domains.exports.events import ExportCancelled, ExportCreated, ExportUpdated
from tillkeeper.domains.exports.queries import Row
from tillkeeper.domains.exports.rules import Filters
from tillkeeper.domains.exports.wire import Export
from tillkeeper.domains.jobs.actions import enqueue
from tillkeeper.domains.tss.queries import Row as Tss
from tillkeeper.domains.tss.queries import lock_tss

KIND = "export"


class Download(NamedTuple):
    """A file under the name that it is saved by, a chunk at a time."""

    name: str
    first: bytes
    rest: AsyncGenerator[bytes]

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the file; the first chunk is read already, so that a missing one is a refusal."""
        yield self.first
        async for chunk in self.rest:
            yield chunk


async def create_export(grant: Grant, tss_id: UUID, export_id: UUID, filters: Filters) -> Export:
    """Have what a TSS has signed until now put into an archive, by the worker."""
    held = await lock_tss(grant, tss_id)
    if held is None:
        raise TssNotFound
    rules.check_exportable(held.state)
    if await queries.find_export(grant, tss_id, export_id) is not None:
        raise DuplicateExport
    await _check_targets(grant, held, filters)
    under_way = await queries.count_open(grant, tss_id, filters)
    if under_way.has_same:
        raise ExportDuplicateRateLimited
    if under_way.number >= rules.MOST_OPEN:
        raise TooManyExports(rules.MOST_OPEN)
    row = {
        **grant.scope,
        "tss_id": tss_id,
        "id": export_id,
        "state": ExportState.PENDING,
        "filters": filters.stored(),
        "metadata": {},
        "upto_counter": held.signature_counter,
        "time_request": _now(grant),
    }
    created = await changes.insert_export(
        grant, ExportCreated(export_id=export_id, tss_id=tss_id), row
    )
    if created is None:
        raise DuplicateExport
    await enqueue(grant, KIND, tss_id, export_id)
    return shown(grant, created)


async def _check_targets(grant: Grant, held: Tss, filters: Filters) -> None:
    """Refuse filters that name what the TSS does not have."""
    if filters.client_id is not None:
        client = await find_client(grant, filters.client_id)
        if client is None or client.tss_id != held.id:
            raise ClientUnknown
    if filters.by_transaction:
        first = filters.first_transaction or 0
        last = held.transaction_counter
        if filters.last_transaction is not None:
            last = filters.last_transaction
        if not await queries.has_transactions(grant, held.id, first, last):
            raise TransactionUnknown


async def get_export(grant: Grant, tss_id: UUID, export_id: UUID) -> Row:
    """Return an export of a TSS in sight."""
    found = await queries.find_export(grant, tss_id, export_id)
    if found is None:
        raise ExportNotFound
    return found


async def cancel_export(grant: Grant, tss_id: UUID, export_id: UUID) -> Export:
    """Cancel an export that is under way."""
    await get_export(grant, tss_id, export_id)
    event = ExportCancelled(export_id=export_id, tss_id=tss_id)
    cancelled = await changes.cancel_export(grant, event, _now(grant))
    if cancelled is None:
        raise CancelExport
    return shown(grant, cancelled)


async def label_export(
    grant: Grant, tss_id: UUID, export_id: UUID, metadata: LooseMetadata
) -> dict[str, str]:
    """Merge metadata into those of an export."""
    await lock_tss(grant, tss_id)
    found = await get_export(grant, tss_id, export_id)
    labels = merged(found.metadata, metadata)
    if labels != found.metadata:
        event = ExportUpdated(export_id=export_id, tss_id=tss_id)
        await changes.label_export(grant, event, labels)
    return labels


async def download(grant: Grant, tss_id: UUID, export_id: UUID) -> Download:
    """Open the file of a completed export; it is read while it is sent."""
    found = await get_export(grant, tss_id, export_id)
    if found.file_path is None or found.time_end is None:
        raise ExportNotCompleted
    chunks = grant.op.house.files.read(found.file_path)
    try:
        first = await anext(chunks)
    except FileNotFoundError as error:
        raise ExportNotCompleted from error
    ended = datetime.fromtimestamp(found.time_end, UTC)
    return Download(f"TSE_Export_{tss_id}_{ended:%Y%m%d%H%M}.tar", first, chunks)


def shown(grant: Grant, row: Row) -> Export:
    """Return an export as its reader sees it."""
    is_foreign = row.organization_id != grant.reader_id
    return Export(
        id=row.id,
        type="EXPORT",
        env=row.env,
        version=API_VERSION,
        organization_id=row.organization_id if is_foreign else None,
        tss_id=row.tss_id,
        state=row.state,
        exception=row.exception,
        metadata=row.metadata,
        time_request=row.time_request,
        time_start=row.time_start,
        time_end=row.time_end,
        time_expiration=row.time_expiration,
        time_error=row.time_error,
        estimated_time_of_completion=_estimate(grant, row),
    )


def _estimate(grant: Grant, row: Row) -> int | None:
    if row.state is not ExportState.WORKING or row.time_start is None:
        return None
    return rules.estimated_end(
        started=row.time_start, now=_now(grant), done=row.done_upto, total=row.upto_counter
    )


def _now(grant: Grant) -> int:
    return int(grant.op.now.timestamp())
