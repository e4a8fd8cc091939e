"""Who has access, and to what."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from tillkeeper.access.guard import WIDE, Op
from tillkeeper.access.lists import Limit100, Offset, seal_page
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.domains.access_reports import actions
from tillkeeper.domains.access_reports.wire import PrincipalList, ReachList


@get(
    "/organizations/{organization_id:uuid}/access",
    operation_id="listAccess",
    summary="List every key and person with access to an organization, and by which step",
    description="As far as the caller sees: nothing above the caller's organization exists.",
    opt=WIDE,
    responses=refusals(errors.OrganizationNotFound),
)
async def list_access(
    op: Op, organization_id: FromPath[UUID], limit: Limit100 = 100, offset: Offset = 0
) -> PrincipalList:
    grant = await require(op, Right.ACCESS_READ, organization_id)
    data, count = await actions.list_principals(grant, limit=limit, offset=offset)
    return PrincipalList(data=data, count=count, env=grant.env, type="ACCESS_LIST")


@get(
    "/me/reach",
    operation_id="listMyReach",
    summary="List the organizations that this credential reaches, and its rights there",
    responses=refusals(),
)
async def list_my_reach(
    op: Op,
    limit: Limit100 = 100,
    cursor: Annotated[str, QueryParameter(max_length=200)] = "",
) -> ReachList:
    grant = await require(op, Right.ORGANIZATION_READ, op.actor.organization_id)
    page = seal_page(grant, "reach", cursor, {})
    data, last = await actions.list_reach(grant, page.after, limit=limit)
    return ReachList(
        data=data,
        env=grant.env,
        type="REACH_LIST",
        has_more=last is not None,
        next_cursor=page.seal(last),
    )


router = Router("/", route_handlers=[list_access, list_my_reach], tags=["Access"])
