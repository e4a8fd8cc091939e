"""/export, and below each TSS."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Router, delete, get, patch, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from tillkeeper.access.across import IncludeManaged, OfOrganization
from tillkeeper.access.guard import PER_EXPORT, Op
from tillkeeper.access.lists import Limit100, Offset
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.core.sign_wire import API_VERSION, LooseMetadata
from tillkeeper.core.status import ExportState
from tillkeeper.domains.exports import actions, queries, rules
from tillkeeper.domains.exports.actions import shown
from tillkeeper.domains.exports.wire import Export, ExportList, OrderBy
from tillkeeper.domains.tss.actions import get_tss, require_sight
from tillkeeper.domains.tss.wire import Nothing

_OF_TSS = "/tss/{tss_id:uuid}"
_ONE = f"{_OF_TSS}/export/{{export_id:uuid}}"
_TSS = (errors.TssNotFound, errors.OrganizationNotFound)
_MISSING = (*_TSS, errors.ExportNotFound)
_MOST = 2**53 - 1
Number = Annotated[int | None, QueryParameter(ge=1, le=_MOST)]
Moment = Annotated[int | None, QueryParameter(ge=0, le=_MOST)]
Records = Annotated[int, QueryParameter(ge=1, le=rules.MOST_RECORDS)]
By = Annotated[OrderBy, QueryParameter()]
Way = Annotated[Order, QueryParameter()]
States = Annotated[list[ExportState] | None, QueryParameter()]
ShowDeleted = Annotated[bool, QueryParameter()]


@put(
    _ONE,
    operation_id="createExport",
    summary="Trigger an export",
    description="Narrowed by one kind of filter; with `client_id` the others do not count.",
    status_code=200,
    responses=change_refusals(
        *_TSS,
        errors.TssDeleted,
        errors.TssEvicted,
        errors.DuplicateExport,
        errors.ParameterMismatch,
        errors.ClientUnknown,
        errors.TransactionUnknown,
        errors.TssIllegalStateToExport,
        errors.ExportDuplicateRateLimited,
        errors.TooManyExports,
    ),
)
async def create_export(
    op: Op,
    tss_id: FromPath[UUID],
    export_id: FromPath[UUID],
    data: JSONBody[Nothing],  # noqa: ARG001 - accepted, and nothing in it counts
    client_id: Annotated[UUID | None, QueryParameter()] = None,
    transaction_number: Number = None,
    start_transaction_number: Number = None,
    end_transaction_number: Number = None,
    start_date: Moment = None,
    end_date: Moment = None,
    start_signature_counter: Number = None,
    end_signature_counter: Number = None,
    maximum_number_records: Records = rules.MOST_RECORDS,
    organization_id: OfOrganization = None,
) -> Export:
    filters = rules.filters_of(
        client_id=client_id,
        transaction_number=transaction_number,
        transactions=(start_transaction_number, end_transaction_number),
        dates=(start_date, end_date),
        counters=(start_signature_counter, end_signature_counter),
        most_records=maximum_number_records,
    )
    grant = await require_sight(op, Right.EXPORT_CREATE, tss_id, organization_id)
    return await actions.create_export(grant, tss_id, export_id, filters)


@get(
    _ONE,
    operation_id="retrieveExport",
    summary="Retrieve an export",
    responses=refusals(*_MISSING),
    opt=PER_EXPORT,
)
async def retrieve_export(
    op: Op,
    tss_id: FromPath[UUID],
    export_id: FromPath[UUID],
    organization_id: OfOrganization = None,
) -> Export:
    grant = await require_sight(op, Right.EXPORT_READ, tss_id, organization_id)
    await get_tss(grant, tss_id)
    return shown(grant, await actions.get_export(grant, tss_id, export_id))


@delete(
    _ONE,
    operation_id="cancelExport",
    summary="Cancel an export that is under way",
    status_code=200,
    responses=change_refusals(*_MISSING, errors.CancelExport),
)
async def cancel_export(
    op: Op,
    tss_id: FromPath[UUID],
    export_id: FromPath[UUID],
    organization_id: OfOrganization = None,
) -> Export:
    grant = await require_sight(op, Right.EXPORT_CANCEL, tss_id, organization_id)
    await get_tss(grant, tss_id)
    return await actions.cancel_export(grant, tss_id, export_id)


@get(
    f"{_ONE}/file",
    operation_id="retrieveExportFile",
    summary="Download the archive of a completed export",
    responses=refusals(*_MISSING, errors.ExportNotCompleted),
    media_type="application/x-tar",
    opt=PER_EXPORT,
)
async def retrieve_export_file(
    op: Op,
    tss_id: FromPath[UUID],
    export_id: FromPath[UUID],
    organization_id: OfOrganization = None,
) -> Stream:
    grant = await require_sight(op, Right.EXPORT_READ, tss_id, organization_id)
    await get_tss(grant, tss_id)
    found = await actions.download(grant, tss_id, export_id)
    return Stream(
        found.chunks(),
        media_type="application/x-tar",
        headers={"content-disposition": f'attachment; filename="{found.name}"'},
    )


@get(
    "/export",
    operation_id="listExports",
    summary="List exports",
    responses=refusals(errors.OrganizationNotFound),
)
async def list_exports(
    op: Op,
    order_by: By = OrderBy.TIME_REQUEST,
    order: Way = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    states: States = None,
    show_deleted: ShowDeleted = True,
    organization_id: OfOrganization = None,
    include_managed: IncludeManaged = False,
) -> ExportList:
    grant = await require(op, Right.EXPORT_READ, organization_id or op.actor.organization_id)
    page = {"order": f"{order_by} {order}", "limit": limit, "offset": offset}
    filters = {"states": states, "show_deleted": show_deleted}
    return await _listed(grant, is_across=include_managed, **page, **filters)


@get(
    f"{_OF_TSS}/export",
    operation_id="listExportsOfTss",
    summary="List the exports of a TSS",
    responses=refusals(*_TSS),
)
async def list_exports_of_tss(
    op: Op,
    tss_id: FromPath[UUID],
    order_by: By = OrderBy.TIME_REQUEST,
    order: Way = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    states: States = None,
    show_deleted: ShowDeleted = True,
    organization_id: OfOrganization = None,
) -> ExportList:
    grant = await require_sight(op, Right.EXPORT_READ, tss_id, organization_id)
    await get_tss(grant, tss_id)
    page = {"order": f"{order_by} {order}", "limit": limit, "offset": offset}
    filters = {"states": states, "show_deleted": show_deleted, "tss_id": tss_id}
    return await _listed(grant, is_across=False, **page, **filters)


async def _listed(grant: Grant, **asked: Any) -> ExportList:  # noqa: ANN401 - one of each kind
    rows, count = await queries.list_exports(grant, **asked)
    data = [shown(grant, row) for row in rows]
    return ExportList(
        data=data, count=count, type="EXPORT_LIST", env=grant.env, version=API_VERSION
    )


@get(
    f"{_ONE}/metadata",
    operation_id="retrieveExportMetadata",
    summary="Retrieve the metadata of an export",
    responses=refusals(*_MISSING),
)
async def retrieve_export_metadata(
    op: Op,
    tss_id: FromPath[UUID],
    export_id: FromPath[UUID],
    organization_id: OfOrganization = None,
) -> dict[str, str]:
    grant = await require_sight(op, Right.EXPORT_READ, tss_id, organization_id)
    await get_tss(grant, tss_id)
    return (await actions.get_export(grant, tss_id, export_id)).metadata


@patch(
    f"{_ONE}/metadata",
    operation_id="updateExportMetadata",
    summary="Merge metadata into those of an export",
    description='null and "" take a key away.',
    responses=change_refusals(*_MISSING),
)
async def update_export_metadata(
    op: Op,
    tss_id: FromPath[UUID],
    export_id: FromPath[UUID],
    data: JSONBody[LooseMetadata],
    organization_id: OfOrganization = None,
) -> dict[str, str]:
    grant = await require_sight(op, Right.EXPORT_UPDATE, tss_id, organization_id)
    await get_tss(grant, tss_id)
    return await actions.label_export(grant, tss_id, export_id, data)


router = Router(
    "/",
    route_handlers=[
        create_export,
        retrieve_export,
        cancel_export,
        retrieve_export_file,
        list_exports,
        list_exports_of_tss,
        retrieve_export_metadata,
        update_export_metadata,
    ],
    tags=["Exports"],
)
