"""/billing-addresses, which are the token's organization's and below it; and who pays for whom."""

from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.guard import Op, resource
from tillkeeper.access.lists import Limit100, Offset
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.core.wire import Done
from tillkeeper.domains.billing import actions, queries
from tillkeeper.domains.billing.wire import (
    BillingAddress,
    BillingAddressCreate,
    BillingAddressList,
    BillingAddressPatch,
    PayerPeriodList,
)


@get(operation_id="listBillingAddresses", summary="List billing addresses", responses=refusals())
async def list_billing_addresses(
    op: Op,
    order: Annotated[Order, QueryParameter()] = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
) -> BillingAddressList:
    grant = await require(op, Right.BILLING_ADDRESS_READ, op.actor.organization_id)
    data, count = await queries.list_billing_addresses(
        grant, order=order, limit=limit, offset=offset
    )
    return BillingAddressList(data=data, count=count, type="BILLING_ADDRESS_LIST")


@post(
    operation_id="createBillingAddress",
    summary="Create a billing address of the token's organization",
    status_code=200,
    responses=change_refusals(),
)
async def create_billing_address(op: Op, data: JSONBody[BillingAddressCreate]) -> BillingAddress:
    grant = await require(op, Right.BILLING_ADDRESS_CREATE, op.actor.organization_id)
    return await actions.create_billing_address(grant, data)


@get(
    "/{address_id:uuid}",
    operation_id="retrieveBillingAddress",
    summary="Retrieve a billing address",
    responses=refusals(errors.BillingAddressNotFound),
)
async def retrieve_billing_address(op: Op, address_id: FromPath[UUID]) -> BillingAddress:
    grant = await actions.require_owner(op, Right.BILLING_ADDRESS_READ, address_id)
    return await actions.get_billing_address(grant, address_id)


@patch(
    "/{address_id:uuid}",
    operation_id="updateBillingAddress",
    summary="Change a billing address",
    opt=resource(queries.lock_billing_address),
    responses=change_refusals(errors.Stale, errors.BillingAddressNotFound),
)
async def update_billing_address(
    op: Op, address_id: FromPath[UUID], data: JSONBody[BillingAddressPatch]
) -> BillingAddress:
    grant = await actions.require_owner(op, Right.BILLING_ADDRESS_UPDATE, address_id)
    return await actions.update_billing_address(grant, address_id, data)


@delete(
    "/{address_id:uuid}",
    operation_id="deleteBillingAddress",
    summary="Delete a billing address that nobody points to",
    status_code=200,
    opt=resource(queries.lock_billing_address),
    responses=change_refusals(
        errors.Stale, errors.BillingAddressNotFound, errors.BillingAddressInUse
    ),
)
async def delete_billing_address(op: Op, address_id: FromPath[UUID]) -> Done:
    grant = await actions.require_owner(op, Right.BILLING_ADDRESS_DELETE, address_id)
    return await actions.delete_billing_address(grant, address_id)


@get(
    "/organizations/{organization_id:uuid}/payer-periods",
    operation_id="listPayerPeriods",
    summary="List who paid for an organization, from when to when",
    description="Newest first, a thousand at most. For whoever is below a payer there is nothing "
    "of the times that it paid.",
    tags=["Organizations"],
    responses=refusals(errors.OrganizationNotFound),
)
async def list_payer_periods(op: Op, organization_id: FromPath[UUID]) -> PayerPeriodList:
    grant = await require(op, Right.ORGANIZATION_READ, organization_id)
    data = await queries.list_payer_periods(grant)
    return PayerPeriodList(data=data, type="PAYER_PERIOD_LIST")


_addresses = Router(
    "/billing-addresses",
    route_handlers=[
        list_billing_addresses,
        create_billing_address,
        retrieve_billing_address,
        update_billing_address,
        delete_billing_address,
    ],
    tags=["Billing addresses"],
)
router = Router("/", route_handlers=[_addresses, list_payer_periods])
