"""/tss."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.across import IncludeManaged, OfOrganization
from tillkeeper.access.guard import COUNTS, MAKES_KEY, SIGNS, Op
from tillkeeper.access.lists import Limit100, Offset
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.core.sign_wire import API_VERSION, LooseMetadata, text_of
from tillkeeper.core.status import TssState
from tillkeeper.domains.tss import actions, admin, queries
from tillkeeper.domains.tss.shown import shown
from tillkeeper.domains.tss.wire import (
    AdminLogin,
    AdminPinChange,
    Empty,
    NewTss,
    Nothing,
    OrderBy,
    Tss,
    TssCreate,
    TssList,
    TssPatch,
)

_GONE = (errors.TssDefective, errors.TssDeleted, errors.TssEvicted)
SIGNING = (
    errors.Unparsable,
    errors.TssNotFound,
    *_GONE,
    errors.TssLocked,
    errors.CountersInDoubt,
    errors.ClockWentBack,
    errors.SigningUnitUnavailable,
)


@put(
    "/{tss_id:uuid}",
    operation_id="createTss",
    summary="Create a TSS",
    description="While it is CREATED the same answer comes again, with `admin_puk`; never after. "
    "`replaces` names the TSS that it stands in for, once and for all.",
    status_code=200,
    opt=MAKES_KEY,
    responses=change_refusals(
        errors.TssLimitReached,
        errors.TssLimitPerDayReached,
        errors.TssUnknown,
        errors.TssConflict,
        errors.TssReplaced,
        errors.SigningUnitUnavailable,
    ),
)
async def create_tss(op: Op, tss_id: FromPath[UUID], data: JSONBody[TssCreate]) -> NewTss:
    grant = await require(op, Right.TSS_CREATE, op.actor.organization_id)
    return await actions.create_tss(grant, tss_id, data)


@get(operation_id="listTss", summary="List TSS", responses=refusals(errors.OrganizationNotFound))
async def list_tss(
    op: Op,
    order_by: Annotated[OrderBy, QueryParameter()] = OrderBy.TIME_CREATION,
    order: Annotated[Order, QueryParameter()] = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    states: Annotated[list[TssState] | None, QueryParameter()] = None,
    show_deleted: Annotated[bool, QueryParameter()] = True,
    organization_id: OfOrganization = None,
    include_managed: IncludeManaged = False,
) -> TssList:
    grant = await require(op, Right.TSS_READ, organization_id or op.actor.organization_id)
    rows, count = await queries.list_tss(
        grant,
        is_across=include_managed,
        order=f"{order_by} {order}",
        limit=limit,
        offset=offset,
        states=states,
        but=None if show_deleted else TssState.DELETED,
    )
    data = [shown(grant, row) for row in rows]
    return TssList(data=data, count=count, type="TSS_LIST", env=grant.env, version=API_VERSION)


@get(
    "/{tss_id:uuid}",
    operation_id="retrieveTss",
    summary="Retrieve a TSS",
    responses=refusals(errors.TssNotFound, errors.OrganizationNotFound),
)
async def retrieve_tss(
    op: Op, tss_id: FromPath[UUID], organization_id: OfOrganization = None
) -> Tss:
    grant = await actions.require_sight(op, Right.TSS_READ, tss_id, organization_id)
    return shown(grant, await actions.get_tss(grant, tss_id))


@patch(
    "/{tss_id:uuid}",
    operation_id="updateTss",
    summary="Lead a TSS into its next state",
    description="INITIALIZED and DISABLED need an admin session. The state it is in changes "
    "nothing but `metadata`.",
    opt=SIGNS,
    responses=change_refusals(*SIGNING, errors.IllegalTssStateChange, errors.AdminSessionMissing),
)
async def update_tss(op: Op, tss_id: FromPath[UUID], data: JSONBody[TssPatch]) -> Tss:
    grant = await require(op, Right.TSS_UPDATE, op.actor.organization_id)
    return await actions.change_tss(grant, tss_id, data)


@patch(
    "/{tss_id:uuid}/admin",
    operation_id="setAdminPin",
    summary="Set the admin PIN with the PUK",
    opt=COUNTS,
    responses=change_refusals(
        *SIGNING, errors.TssNotInitialized, errors.TssDisabled, errors.AdminLoginFailed
    ),
)
async def set_admin_pin(op: Op, tss_id: FromPath[UUID], data: JSONBody[AdminPinChange]) -> Empty:
    grant = await require(op, Right.TSS_UPDATE, op.actor.organization_id)
    await admin.set_pin(grant, tss_id, text_of(data.admin_puk), text_of(data.new_admin_pin))
    return Empty()


@post(
    "/{tss_id:uuid}/admin/auth",
    operation_id="logInAdmin",
    summary="Open an admin session with the PIN",
    description="It ends with a logout, or five minutes after its last use. Five wrong PINs in a "
    "row block the PIN until the PUK sets another.",
    status_code=200,
    opt=COUNTS,
    responses=change_refusals(
        *SIGNING, errors.TssDisabled, errors.AdminLoginFailed, errors.AdminPinBlocked
    ),
)
async def log_in_admin(op: Op, tss_id: FromPath[UUID], data: JSONBody[AdminLogin]) -> Empty:
    grant = await require(op, Right.TSS_UPDATE, op.actor.organization_id)
    await admin.log_in(grant, tss_id, text_of(data.admin_pin))
    return Empty()


@post(
    "/{tss_id:uuid}/admin/logout",
    operation_id="logOutAdmin",
    summary="End the admin session",
    status_code=200,
    opt=SIGNS,
    responses=change_refusals(*SIGNING),
)
async def log_out_admin(
    op: Op,
    tss_id: FromPath[UUID],
    data: JSONBody[Nothing],  # noqa: ARG001 - clients send an empty object
) -> Empty:
    grant = await require(op, Right.TSS_UPDATE, op.actor.organization_id)
    await admin.log_out(grant, tss_id)
    return Empty()


@get(
    "/{tss_id:uuid}/metadata",
    operation_id="retrieveTssMetadata",
    summary="Retrieve the metadata of a TSS",
    responses=refusals(errors.TssNotFound, errors.OrganizationNotFound),
)
async def retrieve_tss_metadata(
    op: Op, tss_id: FromPath[UUID], organization_id: OfOrganization = None
) -> dict[str, str]:
    grant = await actions.require_sight(op, Right.TSS_READ, tss_id, organization_id)
    return (await actions.get_tss(grant, tss_id)).metadata


@patch(
    "/{tss_id:uuid}/metadata",
    operation_id="updateTssMetadata",
    summary="Merge metadata into those of a TSS",
    description='null and "" take a key away.',
    responses=change_refusals(errors.TssNotFound),
)
async def update_tss_metadata(
    op: Op, tss_id: FromPath[UUID], data: JSONBody[LooseMetadata]
) -> dict[str, str]:
    grant = await require(op, Right.TSS_UPDATE, op.actor.organization_id)
    return await actions.label_tss(grant, tss_id, data)


router = Router(
    "/tss",
    route_handlers=[
        create_tss,
        list_tss,
        retrieve_tss,
        update_tss,
        set_admin_pin,
        log_in_admin,
        log_out_admin,
        retrieve_tss_metadata,
        update_tss_metadata,
    ],
    tags=["TSS"],
)
