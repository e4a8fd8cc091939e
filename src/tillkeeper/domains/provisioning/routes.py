"""/organizations/provision and /organizations/batch."""

from litestar import Router, post
from litestar.params import JSONBody

from tillkeeper.access.guard import BULK, Op
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import change_refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.domains.organizations.routes import require_parent
from tillkeeper.domains.provisioning import actions
from tillkeeper.domains.provisioning.wire import (
    BatchedOrganizations,
    OrganizationBatch,
    OrganizationProvision,
    ProvisionedOrganization,
)


@post(
    "/provision",
    operation_id="provisionOrganization",
    summary="Create an organization, its first key and its first admin in one call",
    status_code=200,
    opt=BULK,
    responses=change_refusals(
        errors.ParentNotFound,
        errors.OrganizationNotFound,
        errors.UserNotFound,
        errors.BillingAddressNotFound,
        errors.ExternalIdConflict,
        errors.PayerNotLive,
    ),
)
async def provision_organization(
    op: Op, data: JSONBody[OrganizationProvision]
) -> ProvisionedOrganization:
    parent = data.organization.managed_by_organization_id
    if parent is None:
        grant = await require(op, Right.ORGANIZATION_ADMINISTER, op.actor.organization_id)
    else:
        grant = await require_parent(op, parent)
    return await actions.provision(grant, data)


@post(
    "/batch",
    operation_id="createOrganizationBatch",
    summary="Create up to 1,000 managed organizations with their keys, a result for each",
    description="One transaction. The shape of all items is checked first: a wrong one refuses the "
    "whole call with its index. Afterwards each item succeeds or is refused by itself.",
    status_code=200,
    opt=BULK,
    responses=change_refusals(),
)
async def create_organization_batch(
    op: Op, data: JSONBody[OrganizationBatch]
) -> BatchedOrganizations:
    return await actions.create_batch(op, data.items)


router = Router(
    "/organizations",
    route_handlers=[provision_organization, create_organization_batch],
    tags=["Provisioning"],
)
