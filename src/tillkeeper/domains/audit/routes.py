"""/organizations/{organization_id}/audit-log."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, Router, get
from litestar.params import FromPath, QueryParameter

from tillkeeper.access.guard import Answer, Op
from tillkeeper.access.lists import Cursored, Limit100, Limit5000, seal_page
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.domains.audit import actions, formats, queries
from tillkeeper.domains.audit.queries import Row
from tillkeeper.domains.audit.wire import (
    ABOVE,
    AuditActor,
    AuditEntry,
    AuditFormat,
    AuditLog,
    AuditProof,
    AuditSealList,
    AuditTarget,
    Outcome,
)

Name = Annotated[str | None, QueryParameter(max_length=100)]
Id = Annotated[UUID | None, QueryParameter()]
Seconds = Annotated[
    int | None, QueryParameter(ge=0, le=4_102_444_800, description="Seconds since 1970.")
]


@get(
    operation_id="listAuditLog",
    summary="List what happened to an organization, refusals included",
    description="A page at a time, newest first or `order=asc`. As JSON, or with `format` or "
    "Accept as CSV (`text/csv`) and JSON lines (`application/x-ndjson`): there the `Link` header "
    'names the next page (`rel="next"`) until there is none. Whoever acts from above the reader '
    "appears as `managing organization`.",
    responses=refusals(errors.OrganizationNotFound),
)
async def list_audit_log(
    op: Op,
    request: Request[Any, Any, Any],
    organization_id: FromPath[UUID],
    event: Name = None,
    actor_id: Id = None,
    outcome: Annotated[Outcome | None, QueryParameter()] = None,
    target_id: Id = None,
    request_id: Name = None,
    since: Seconds = None,
    until: Seconds = None,
    order: Annotated[Order, QueryParameter()] = Order.DESC,
    limit: Limit5000 = 100,
    cursor: Cursored = None,
    format: Annotated[AuditFormat | None, QueryParameter()] = None,
) -> Response[AuditLog]:
    grant = await require(op, Right.AUDIT_READ, organization_id)
    filters: dict[str, object] = {
        "event": event,
        "actor_id": actor_id,
        "outcome": outcome,
        "target_id": target_id,
        "request_id": request_id,
    }
    window = {"since": since, "until": until}
    asked = filters | window | {"order": order, "organization_id": organization_id}
    page = seal_page(grant, "audit", cursor or "", asked)
    rows, last = await queries.list_audit_rows(
        grant,
        page.after,
        order=order,
        limit=limit,
        **filters | {"since": _time(since), "until": _time(until)},
    )
    entries, following = [_entry(row) for row in rows], page.seal(last)
    wanted = format or formats.format_of(request.headers.get("accept", ""))
    if wanted is AuditFormat.JSON:
        log = AuditLog(
            data=entries, type="AUDIT_LOG", has_more=last is not None, next_cursor=following
        )
        return Answer(log)
    parameters = {**filters, **window, "order": order, "limit": limit, "format": wanted}
    return _file(wanted, entries, parameters | {"cursor": following})


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _entry(row: Row) -> AuditEntry:
    actor = AuditActor(name=ABOVE)
    if row.actor_id is not None:
        actor = AuditActor(
            kind=row.actor_kind, id=row.actor_id, acting_for=row.actor_organization_id
        )
    target = None
    if row.target_kind is not None and row.target_id is not None:
        target = AuditTarget(kind=row.target_kind, id=row.target_id)
    return AuditEntry(
        id=row.id,
        type="AUDIT_ENTRY",
        at=int(row.at.timestamp()),
        organization_id=row.organization_id,
        env=row.env,
        event=row.event,
        outcome=Outcome(row.outcome),
        actor=actor,
        address=row.address,
        agent=row.agent,
        request_id=row.operation_id,
        target=target,
        details={name: value for name, value in row.details.items() if name != "event"},
        before=row.before,
        after=row.after,
    )


def _file(
    wanted: AuditFormat, entries: list[AuditEntry], parameters: Mapping[str, object]
) -> Response[Any]:
    """Return a page as a file to keep, with the way to the next one."""
    write = formats.write_csv if wanted is AuditFormat.CSV else formats.write_lines
    headers = {"content-disposition": f'attachment; filename="audit-log.{wanted}"'}
    if parameters["cursor"] is not None:
        given = {name: value for name, value in parameters.items() if value is not None}
        headers["link"] = f'<?{urlencode(given)}>; rel="next"'
    media_type = formats.MEDIA_TYPES[wanted]
    return Response(write(entries), headers=headers, media_type=media_type)


@get(
    "/{row_id:uuid}/proof",
    operation_id="proveAuditEntry",
    summary="Prove that an entry of the audit log is under a signed seal",
    description="How to check it without us: docs/audit.md.",
    responses=refusals(
        errors.OrganizationNotFound,
        errors.AuditRowNotFound,
        errors.AuditRowNotSealed,
        errors.AuditRowChanged,
    ),
)
async def prove_audit_entry(
    op: Op, organization_id: FromPath[UUID], row_id: FromPath[UUID]
) -> AuditProof:
    grant = await require(op, Right.AUDIT_READ, organization_id)
    return await actions.prove(grant, row_id)


@get(
    "/audit/seals",
    operation_id="listAuditSeals",
    summary="List the seals over the audit, newest first, and the public keys that sign them",
    description="For whoever may read an audit log. Seals are the installation's and name no "
    "organization. Whoever keeps one can notice later that the audit was cut off or put back.",
    responses=refusals(),
)
async def list_audit_seals(
    op: Op,
    before: Annotated[int | None, QueryParameter(ge=1, le=1 << 53)] = None,
    limit: Limit100 = 100,
) -> AuditSealList:
    grant = await require(op, Right.AUDIT_READ, op.actor.organization_id)
    return await actions.list_seals(grant, before=before, limit=limit)


router = Router(
    "/",
    route_handlers=[
        Router(
            "/organizations/{organization_id:uuid}/audit-log",
            route_handlers=[list_audit_log, prove_audit_entry],
        ),
        list_audit_seals,
    ],
    tags=["Audit"],
)
