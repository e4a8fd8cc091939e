"""What becomes of an export: asked for, taken, carried on, ended. Each change says its event."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Text, bindparam, func, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import change
from tillkeeper.core.status import ExportState
from tillkeeper.domains.exports.events import (
    ExportCancelled,
    ExportCompleted,
    ExportCreated,
    ExportExpired,
    ExportFailed,
    ExportUpdated,
)
from tillkeeper.domains.exports.queries import EXPORT, IS_OPEN, NOW, THIS, Row, in_state
from tillkeeper.domains.exports.rules import KEPT_SECONDS
from tillkeeper.schema import exports
from tillkeeper.sql import given, many

_INSERT = change(
    insert(exports)
    .values(
        given(
            EXPORT.organization_id,
            EXPORT.env,
            EXPORT.tss_id,
            EXPORT.id,
            EXPORT.state,
            EXPORT.filters,
            EXPORT.metadata,
            EXPORT.upto_counter,
            EXPORT.time_request,
        )
    )
    .on_conflict_do_nothing()
    .returning(*EXPORT),
    Row,
)
_LABEL = change(
    update(exports)
    .where(*THIS)
    .values(metadata=bindparam("new_metadata", type_=JSONB))
    .returning(*EXPORT),
    Row,
)
_CANCEL = change(
    update(exports)
    .where(*THIS, IS_OPEN)
    .values(state=in_state(ExportState.CANCELLED), time_end=NOW)
    .returning(*EXPORT),
    Row,
)
_MINE = (
    *THIS,
    EXPORT.fence == bindparam("fence", type_=Integer),
    EXPORT.state == in_state(ExportState.WORKING),
)
_TAKE = many(
    update(exports)
    .where(*THIS, IS_OPEN)
    .values(
        state=in_state(ExportState.WORKING),
        fence=EXPORT.fence + 1,
        done_upto=0,
        time_start=func.coalesce(EXPORT.time_start, NOW),
    )
    .returning(*EXPORT),
    Row,
)
_GO_ON = many(
    update(exports)
    .where(*_MINE)
    .values(done_upto=bindparam("counter", type_=BigInteger))
    .returning(*EXPORT),
    Row,
)
_COMPLETE = change(
    update(exports)
    .where(*_MINE)
    .values(
        state=in_state(ExportState.COMPLETED),
        file_path=bindparam("new_file_path", type_=Text),
        time_end=NOW,
        time_expiration=NOW + KEPT_SECONDS,
    )
    .returning(*EXPORT),
    Row,
)
_FAIL = change(
    update(exports)
    .where(*THIS, IS_OPEN)
    .values(
        state=in_state(ExportState.ERROR),
        exception=bindparam("new_exception", type_=Text),
        time_error=NOW,
    )
    .returning(*EXPORT),
    Row,
)
_EXPIRE = change(
    update(exports)
    .where(*THIS, EXPORT.file_path.is_not(None))
    .values(file_path=None)
    .returning(*EXPORT),
    Row,
)


async def insert_export(
    grant: Grant, event: ExportCreated, row: Mapping[str, object]
) -> Row | None:
    """Insert an export, or return None where the TSS has one of this id."""
    return await _INSERT(grant, event, **row)


async def label_export(
    grant: Grant, event: ExportUpdated, metadata: Mapping[str, str]
) -> Row | None:
    return await _LABEL(
        grant, event, tss_id=event.tss_id, export_id=event.export_id, new_metadata=metadata
    )


async def cancel_export(grant: Grant, event: ExportCancelled, now: int) -> Row | None:
    """Cancel an export that is under way; whoever makes it notices at its next window."""
    return await _CANCEL(grant, event, tss_id=event.tss_id, export_id=event.export_id, now=now)


async def take_export(grant: Grant, tss_id: UUID, export_id: UUID, now: int) -> Row | None:
    """Take an export that waits, or that somebody began and did not finish: theirs ends."""
    taken = await _TAKE(grant.tx, **grant.scope, tss_id=tss_id, export_id=export_id, now=now)
    return taken[0] if taken else None


async def go_on(grant: Grant, taken: Row, counter: int) -> bool:
    """Note how far it is; tell whether it is still this worker's, and still wanted."""
    mine = {"tss_id": taken.tss_id, "export_id": taken.id, "fence": taken.fence}
    return bool(await _GO_ON(grant.tx, **grant.scope, **mine, counter=counter))


async def complete_export(
    grant: Grant, event: ExportCompleted, taken: Row, *, path: str, now: int
) -> Row | None:
    """Complete an export that is still this worker's."""
    return await _COMPLETE(
        grant,
        event,
        tss_id=taken.tss_id,
        export_id=taken.id,
        fence=taken.fence,
        new_file_path=path,
        now=now,
    )


async def fail_export(grant: Grant, event: ExportFailed, now: int) -> Row | None:
    """End an export that is under way with what went wrong."""
    return await _FAIL(
        grant,
        event,
        tss_id=event.tss_id,
        export_id=event.export_id,
        new_exception=event.exception,
        now=now,
    )


async def expire_export(grant: Grant, event: ExportExpired) -> Row | None:
    """Forget the file of an export."""
    return await _EXPIRE(grant, event, tss_id=event.tss_id, export_id=event.export_id)
