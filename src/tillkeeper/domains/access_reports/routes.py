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
from tillkeeper.core.env import Env
from tillkeeper.core.errors import SchemaViolation
from tillkeeper.core.networks import canonical_address
from tillkeeper.domains.access_reports import actions, explaining
from tillkeeper.domains.access_reports.explaining import Question
from tillkeeper.domains.access_reports.wire import Explanation, PrincipalList, ReachList


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


@get(
    "/access/explain",
    operation_id="explainAccess",
    summary="Say whether a key or person may do something to an organization, and why",
    description="The verdict is the one that they would be answered; for a refusal the smallest "
    "grant that would allow it is named. About oneself everybody may ask, about others whoever "
    "holds `access:read` over their organization. Nothing above the caller's organization exists.",
    responses=refusals(errors.OrganizationNotFound, errors.PrincipalNotFound),
)
async def explain_access(
    op: Op,
    principal: Annotated[UUID, QueryParameter(description="The id of a key or of a person.")],
    right: Annotated[Right, QueryParameter(description="What they would do.")],
    organization_id: Annotated[UUID, QueryParameter(description="To which organization.")],
    acting_for: Annotated[
        UUID | None,
        QueryParameter(
            description="The organization that the person acts for, where they belong to several."
        ),
    ] = None,
    env: Annotated[
        Env | None, QueryParameter(description="In which env; the caller's without it.")
    ] = None,
    address: Annotated[
        str,
        QueryParameter(
            max_length=64,
            description="From which address they would call; without it from one that is allowed.",
        ),
    ] = "",
) -> Explanation:
    asked = Question(
        principal, acting_for, right, organization_id, env or op.actor.env, _address(address)
    )
    return await explaining.explain(op, asked)


def _address(text: str) -> str | None:
    address = canonical_address(text)
    if text and address is None:
        raise SchemaViolation("params.address", "should be an IPv4 or IPv6 address")
    return address


router = Router("/", route_handlers=[list_access, list_my_reach, explain_access], tags=["Access"])
