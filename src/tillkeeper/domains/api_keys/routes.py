"""/organizations/{organization_id}/api-keys."""

from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.guard import Op, resource
from tillkeeper.access.lists import Limit100, Moment, Offset
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.core.status import KeyStatus
from tillkeeper.core.wire import Done
from tillkeeper.domains.api_keys import actions, queries, rules
from tillkeeper.domains.api_keys.wire import (
    ApiKey,
    ApiKeyCreate,
    ApiKeyList,
    ApiKeyPatch,
    ApiKeyRotation,
    Kind,
    NewApiKey,
    OrderBy,
)


@post(
    operation_id="createApiKey",
    summary="Create an API key; its secret is shown in this answer alone",
    status_code=200,
    responses=change_refusals(errors.OrganizationNotFound, errors.ApiKeyConflict),
)
async def create_api_key(
    op: Op, organization_id: FromPath[UUID], data: JSONBody[ApiKeyCreate]
) -> NewApiKey:
    grant = await require(op, Right.API_KEY_CREATE, organization_id)
    return await actions.create_api_key(grant, data)


@get(
    operation_id="listApiKeys",
    summary="List API keys",
    responses=refusals(errors.OrganizationNotFound),
)
async def list_api_keys(
    op: Op,
    organization_id: FromPath[UUID],
    status: Annotated[list[KeyStatus] | None, QueryParameter()] = None,
    kind: Annotated[list[Kind] | None, QueryParameter()] = None,
    unused_since: Moment = None,
    expiring_before: Moment = None,
    order_by: Annotated[OrderBy, QueryParameter()] = OrderBy.CREATED_AT,
    order: Annotated[Order, QueryParameter()] = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
) -> ApiKeyList:
    grant = await require(op, Right.API_KEY_READ, organization_id)
    data, count = await queries.list_api_keys(
        grant,
        order=f"{order_by} {order}",
        limit=limit,
        offset=offset,
        status=status,
        kind=[each.upper() for each in kind] if kind else None,
        unused_since=rules.moment(unused_since),
        expiring_before=rules.moment(expiring_before),
    )
    return ApiKeyList(data=data, count=count, type="API_KEY_LIST")


@get(
    "/{key_id:uuid}",
    operation_id="retrieveApiKey",
    summary="Retrieve an API key",
    responses=refusals(errors.OrganizationNotFound, errors.ApiKeyNotFound),
)
async def retrieve_api_key(
    op: Op, organization_id: FromPath[UUID], key_id: FromPath[UUID]
) -> ApiKey:
    grant = await require(op, Right.API_KEY_READ, organization_id)
    return await actions.get_api_key(grant, key_id)


@patch(
    "/{key_id:uuid}",
    operation_id="updateApiKey",
    summary="Enable, disable or label an API key",
    opt=resource(queries.lock_api_key),
    responses=change_refusals(errors.Stale, errors.OrganizationNotFound, errors.ApiKeyNotFound),
)
async def update_api_key(
    op: Op, organization_id: FromPath[UUID], key_id: FromPath[UUID], data: JSONBody[ApiKeyPatch]
) -> ApiKey:
    grant = await require(op, Right.API_KEY_UPDATE, organization_id)
    return await actions.update_api_key(grant, key_id, data)


@delete(
    "/{key_id:uuid}",
    operation_id="deleteApiKey",
    summary="Delete an API key; its tokens die with it",
    status_code=200,
    opt=resource(queries.lock_api_key),
    responses=change_refusals(errors.Stale, errors.OrganizationNotFound, errors.ApiKeyNotFound),
)
async def delete_api_key(op: Op, organization_id: FromPath[UUID], key_id: FromPath[UUID]) -> Done:
    grant = await require(op, Right.API_KEY_DELETE, organization_id)
    return await actions.delete_api_key(grant, key_id)


@post(
    "/{key_id:uuid}/rotate",
    operation_id="rotateApiKey",
    summary="Give an API key another secret; the old one works on for the overlap",
    status_code=200,
    opt=resource(queries.lock_api_key),
    responses=change_refusals(
        errors.Stale,
        errors.OrganizationNotFound,
        errors.ApiKeyNotFound,
        errors.ApiKeyNotRotatable,
    ),
)
async def rotate_api_key(
    op: Op, organization_id: FromPath[UUID], key_id: FromPath[UUID], data: JSONBody[ApiKeyRotation]
) -> NewApiKey:
    grant = await require(op, Right.API_KEY_ROTATE, organization_id)
    return await actions.rotate_api_key(grant, key_id, data)


@post(
    "/{key_id:uuid}/rotate/expire-now",
    operation_id="expirePreviousSecret",
    summary="End the old secret of a rotated API key, and the tokens it was traded for",
    status_code=200,
    opt=resource(queries.lock_api_key),
    responses=change_refusals(errors.Stale, errors.OrganizationNotFound, errors.ApiKeyNotFound),
)
async def expire_previous_secret(
    op: Op, organization_id: FromPath[UUID], key_id: FromPath[UUID]
) -> ApiKey:
    grant = await require(op, Right.API_KEY_ROTATE, organization_id)
    return await actions.expire_previous_secret(grant, key_id)


router = Router(
    "/organizations/{organization_id:uuid}/api-keys",
    route_handlers=[
        create_api_key,
        list_api_keys,
        retrieve_api_key,
        update_api_key,
        delete_api_key,
        rotate_api_key,
        expire_previous_secret,
    ],
    tags=["API keys"],
)
