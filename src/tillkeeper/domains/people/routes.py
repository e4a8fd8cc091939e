"""/organizations/{organization_id}/users."""

from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.guard import Op, resource
from tillkeeper.access.lists import Limit100, Offset
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.core.wire import Done
from tillkeeper.domains.people import actions, queries
from tillkeeper.domains.people.wire import OrderBy, User, UserInvite, UserList


@get(
    operation_id="listUsers",
    summary="List the people of an organization",
    responses=refusals(errors.OrganizationNotFound),
)
async def list_users(
    op: Op,
    organization_id: FromPath[UUID],
    order_by: Annotated[OrderBy, QueryParameter()] = OrderBy.EMAIL,
    order: Annotated[Order, QueryParameter()] = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
) -> UserList:
    grant = await require(op, Right.USER_READ, organization_id)
    data, count = await queries.list_users(
        grant, order=f"{order_by} {order}", limit=limit, offset=offset
    )
    return UserList(data=data, count=count, type="USER_LIST")


@post(
    operation_id="inviteUser",
    summary="Invite somebody to an organization",
    status_code=200,
    responses=change_refusals(errors.OrganizationNotFound, errors.UserConflict),
)
async def invite_user(op: Op, organization_id: FromPath[UUID], data: JSONBody[UserInvite]) -> User:
    grant = await require(op, Right.USER_INVITE, organization_id)
    return await actions.invite_user(grant, data)


@post("/invite", status_code=200, include_in_schema=False)
async def invite_user_by_alias(
    op: Op, organization_id: FromPath[UUID], data: JSONBody[UserInvite]
) -> User:
    grant = await require(op, Right.USER_INVITE, organization_id)
    return await actions.invite_user(grant, data)


@delete(
    "/{user_id:uuid}",
    operation_id="deleteUser",
    summary="Remove somebody from an organization; the account stays",
    status_code=200,
    opt=resource(queries.lock_user),
    responses=change_refusals(
        errors.Stale, errors.OrganizationNotFound, errors.UserNotFound, errors.LastOwner
    ),
)
async def delete_user(op: Op, organization_id: FromPath[UUID], user_id: FromPath[UUID]) -> Done:
    grant = await require(op, Right.USER_DELETE, organization_id)
    return await actions.remove_user(grant, user_id)


router = Router(
    "/organizations/{organization_id:uuid}/users",
    route_handlers=[list_users, invite_user, invite_user_by_alias, delete_user],
    tags=["People"],
)
