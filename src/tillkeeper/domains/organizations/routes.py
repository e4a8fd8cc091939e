"""/organizations."""

from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.guard import ACROSS, SUBTREE, Op, opened_by, resource
from tillkeeper.access.lists import Cursored, Limit5000, Offset, check_cursored, seal_page
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.env import Env
from tillkeeper.core.order import Order
from tillkeeper.core.status import OrganizationType
from tillkeeper.core.wire import Done
from tillkeeper.domains.organizations import actions, queries
from tillkeeper.domains.organizations.tree import grow
from tillkeeper.domains.organizations.wire import (
    EnableEnv,
    OrderBy,
    Organization,
    OrganizationCreate,
    OrganizationList,
    OrganizationPatch,
    OrganizationStatusChange,
    Tree,
)


@post(
    operation_id="createOrganization",
    summary="Create a main or a managed organization",
    description="With `managed_by_organization_id` a managed organization below that one; without "
    "it a main organization that the caller's administers. A payer in `billing_options` that the "
    "caller may not act for is asked: until it accepts nobody is named, and `payer_agreement_id` "
    "names what it was asked.",
    status_code=200,
    responses=change_refusals(
        errors.ParentNotFound,
        errors.OrganizationNotFound,
        errors.UserNotFound,
        errors.BillingAddressNotFound,
        errors.ExternalIdConflict,
        errors.PayerNotLive,
    ),
)
async def create_organization(op: Op, data: JSONBody[OrganizationCreate]) -> Organization:
    if data.managed_by_organization_id is None:
        grant = await require(op, Right.ORGANIZATION_ADMINISTER, op.actor.organization_id)
        return await actions.create_main_organization(grant, data)
    grant = await require_parent(op, data.managed_by_organization_id)
    return await actions.create_managed_organization(grant, data)


async def require_parent(op: Op, organization_id: UUID) -> Grant:
    """Ask policy for the right to create below; what cannot be seen answers as recorded."""
    try:
        return await require(op, Right.ORGANIZATION_CREATE, organization_id)
    except errors.OrganizationNotFound as refusal:
        raise errors.ParentNotFound from refusal


@get(operation_id="listOrganizations", summary="List organizations", responses=refusals())
async def list_organizations(
    op: Op,
    order_by: Annotated[OrderBy | None, QueryParameter()] = None,
    order: Annotated[Order, QueryParameter()] = Order.ASC,
    limit: Limit5000 = 100,
    offset: Offset = 0,
    env: Annotated[Env | None, QueryParameter()] = None,
    type: Annotated[OrganizationType | None, QueryParameter()] = None,
    managed_by_organization_id: Annotated[UUID | None, QueryParameter()] = None,
    external_id: Annotated[str | None, QueryParameter(max_length=255)] = None,
    tax_number: Annotated[str | None, QueryParameter(max_length=255)] = None,
    cursor: Cursored = None,
    include: Annotated[str | None, QueryParameter(pattern="^total$")] = None,
) -> OrganizationList:
    grant = await require(op, Right.ORGANIZATION_READ, op.actor.organization_id)
    filters = {
        "type": type,
        "managed_by": managed_by_organization_id,
        "external_id": external_id,
        "tax_number": tax_number,
        "wanted_env": env,
    }
    if cursor is None:
        by = f"{order_by} {order}" if order_by else str(order)
        data, count = await queries.list_organizations(
            grant, order=by, limit=limit, offset=offset, **filters
        )
        return OrganizationList(data=data, count=count, type="ORGANIZATION_LIST")
    check_cursored(order_by, order, offset)
    page = seal_page(grant, "organizations", cursor, filters)
    data, last = await queries.list_organizations_after(grant, page.after, limit=limit, **filters)
    return OrganizationList(
        data=data,
        count=await queries.count_organizations(grant, **filters) if include else None,
        type="ORGANIZATION_LIST",
        has_more=last is not None,
        next_cursor=page.seal(last),
    )


@get(
    "/{organization_id:uuid}",
    operation_id="retrieveOrganization",
    summary="Retrieve an organization",
    opt=opened_by(queries.OPENING),
    responses=refusals(errors.OrganizationNotFound),
)
async def retrieve_organization(op: Op, organization_id: FromPath[UUID]) -> Organization:
    grant = await require(op, Right.ORGANIZATION_READ, organization_id)
    return await queries.get_organization(grant)


@patch(
    "/{organization_id:uuid}",
    operation_id="updateOrganization",
    summary="Change an organization",
    description="A payer in `billing_options` that the caller may not act for is asked: until it "
    "accepts the options stay as they are, and `payer_agreement_id` names what it was asked.",
    opt=resource(queries.lock_organization),
    responses=change_refusals(
        errors.Stale,
        errors.OrganizationNotFound,
        errors.UserNotFound,
        errors.BillingAddressNotFound,
        errors.ExternalIdConflict,
        errors.OrganizationCannotMove,
        errors.PayerNotLive,
        errors.PayerCircle,
    ),
)
async def update_organization(
    op: Op, organization_id: FromPath[UUID], data: JSONBody[OrganizationPatch]
) -> Organization:
    grant = await require(op, Right.ORGANIZATION_UPDATE, organization_id)
    return await actions.update_organization(grant, data)


@delete(
    "/{organization_id:uuid}",
    operation_id="deleteOrganization",
    summary="Delete an organization that is not LIVE, with its keys",
    status_code=200,
    opt=resource(queries.lock_organization),
    responses=change_refusals(
        errors.Stale,
        errors.OrganizationNotFound,
        errors.OrganizationIsLive,
        errors.OrganizationProtected,
        errors.OrganizationHasChildren,
        errors.OrganizationIsPayer,
        errors.BillingAddressInUse,
    ),
)
async def delete_organization(op: Op, organization_id: FromPath[UUID]) -> Done:
    grant = await require(op, Right.ORGANIZATION_DELETE, organization_id)
    return await actions.delete_organization(grant)


@post(
    "/{organization_id:uuid}/enable-env",
    operation_id="enableEnvironment",
    summary="Enable TEST or LIVE for an organization",
    status_code=200,
    opt=ACROSS | resource(queries.lock_organization),
    responses=change_refusals(
        errors.Stale,
        errors.OrganizationNotFound,
        errors.LiveNotAvailable,
        errors.ExternalIdConflict,
    ),
)
async def enable_env(op: Op, organization_id: FromPath[UUID], data: JSONBody[EnableEnv]) -> Done:
    right = Right.ORGANIZATION_ENABLE_ENV
    grant = await require(op, right, organization_id, enabling=data.env)
    return await actions.enable_env(grant, data.env)


@post(
    "/{organization_id:uuid}/status",
    operation_id="setOrganizationStatus",
    summary="Suspend, archive, mark for deletion or restore an organization, from above",
    status_code=200,
    opt=resource(queries.lock_organization),
    responses=change_refusals(
        errors.Stale,
        errors.OrganizationNotFound,
        errors.OrganizationIsLive,
        errors.OrganizationProtected,
        errors.OrganizationHasChildren,
        errors.OrganizationIsPayer,
    ),
)
async def set_status(
    op: Op, organization_id: FromPath[UUID], data: JSONBody[OrganizationStatusChange]
) -> Organization:
    grant = await require(op, Right.ORGANIZATION_SUSPEND, organization_id)
    return await actions.set_status(grant, data)


@post(
    "/{organization_id:uuid}/handover",
    operation_id="handOverOrganization",
    summary="Give up the administration of a main organization; who pays for it stays",
    status_code=200,
    opt=resource(queries.lock_organization),
    responses=change_refusals(
        errors.Stale, errors.OrganizationNotFound, errors.HandoverNotPossible
    ),
)
async def hand_over(op: Op, organization_id: FromPath[UUID]) -> Done:
    grant = await require(op, Right.ORGANIZATION_HAND_OVER, organization_id)
    return await actions.hand_over(grant)


@get(
    "/{organization_id:uuid}/tree",
    operation_id="retrieveOrganizationTree",
    summary="Retrieve an organization with everything below it",
    opt=SUBTREE,
    responses=refusals(errors.OrganizationNotFound),
)
async def retrieve_tree(op: Op, organization_id: FromPath[UUID]) -> Tree:
    grant = await require(op, Right.ORGANIZATION_READ, organization_id)
    rows, is_cut = await queries.list_tree(grant)
    return Tree(
        data=grow(rows, organization_id), count=len(rows), is_cut=is_cut, type="ORGANIZATION_TREE"
    )


router = Router(
    "/organizations",
    route_handlers=[
        create_organization,
        list_organizations,
        retrieve_organization,
        update_organization,
        delete_organization,
        enable_env,
        set_status,
        hand_over,
        retrieve_tree,
    ],
    tags=["Organizations"],
)
