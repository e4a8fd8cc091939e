"""/organizations/{organization_id}/overview and /fleet."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, Router, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from tillkeeper.access.guard import SUBTREE, Answer, Op, enter_again
from tillkeeper.access.lists import Cursored, Limit5000, Moment, seal_page
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.paging import Cursor
from tillkeeper.core.status import TssState
from tillkeeper.domains.fleet import actions, formats, queries
from tillkeeper.domains.fleet.wire import FleetFormat, FleetList, FleetTss, Overview

_ROWS_AT_ONCE = 1000


@get(
    "/overview",
    operation_id="retrieveOverview",
    summary="Look over an organization and everything below it",
    description="TSS and clients by state, transactions a day in the last 30 local days "
    "(Europe/Berlin), the latest transactions of the hundred TSS that signed last, certificates "
    "that end within 90 days: for the organization, and for all that it manages or administers. "
    "What of it takes a right that is not held is left out.",
    opt=SUBTREE,
    responses=refusals(errors.OrganizationNotFound),
)
async def retrieve_overview(op: Op, organization_id: FromPath[UUID]) -> Overview:
    grant = await require(op, Right.FLEET_READ, organization_id)
    return await actions.look_over(grant)


@get(
    "/fleet",
    operation_id="listFleet",
    summary="List the TSS of an organization and of everything below it",
    description="A page at a time, organization by organization, both from the oldest on. With "
    "`format=csv`, or `text/csv` in Accept, all of it as one sheet, whatever `limit`; one that "
    "breaks off is not whole. Needs `tss:read` and `organization:read` besides.",
    opt=SUBTREE,
    responses=refusals(errors.OrganizationNotFound),
)
async def list_fleet(
    op: Op,
    request: Request[Any, Any, Any],
    organization_id: FromPath[UUID],
    states: Annotated[list[TssState] | None, QueryParameter()] = None,
    organization: Annotated[
        UUID | None, QueryParameter(description="Of this organization alone.")
    ] = None,
    search: Annotated[
        str | None,
        QueryParameter(
            min_length=1, max_length=100, description="A part of description or serial number."
        ),
    ] = None,
    expiring_before: Moment = None,
    idle_since: Moment = None,
    limit: Limit5000 = 100,
    cursor: Cursored = None,
    format: Annotated[FleetFormat | None, QueryParameter()] = None,
) -> Response[FleetList]:
    grant = await actions.require_fleet(op, organization_id)
    filters: dict[str, object] = {
        "states": states,
        "organization": organization,
        "search": search,
        "expiring_before": expiring_before,
        "idle_since": idle_since,
    }
    page = seal_page(grant, "fleet", cursor or "", filters | {"organization_id": organization_id})
    wanted = format or formats.format_of(request.headers.get("accept", ""))
    is_sheet = wanted is FleetFormat.CSV
    data, last = await queries.list_fleet(
        grant, page.after, limit=_ROWS_AT_ONCE if is_sheet else limit, **filters
    )
    if is_sheet:
        return _sheet(_rows(request, organization_id, data, last, filters))
    return Answer(
        FleetList(
            data=data,
            type="FLEET_LIST",
            env=grant.env,
            has_more=last is not None,
            next_cursor=page.seal(last),
        )
    )


def _sheet(rows: AsyncGenerator[bytes]) -> Response[Any]:
    headers = {"content-disposition": 'attachment; filename="fleet.csv"'}
    return Stream(rows, headers=headers, media_type=formats.MEDIA_TYPE)


async def _rows(
    request: Request[Any, Any, Any],
    organization_id: UUID,
    data: list[FleetTss],
    last: Cursor | None,
    filters: dict[str, object],
) -> AsyncGenerator[bytes]:
    """Write what was read, then read on: one page is in memory, and no transaction stays open."""
    yield formats.write_head()
    yield formats.write_rows(data)
    while last is not None:
        async with enter_again(request) as op:
            grant = await actions.require_fleet(op, organization_id)
            data, last = await queries.list_fleet(grant, last, limit=_ROWS_AT_ONCE, **filters)
        yield formats.write_rows(data)


router = Router(
    "/organizations/{organization_id:uuid}",
    route_handlers=[retrieve_overview, list_fleet],
    tags=["Fleet"],
)
