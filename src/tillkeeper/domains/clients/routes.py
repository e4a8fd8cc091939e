"""/client, and below each TSS."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get, patch, put
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.across import IncludeManaged, OfOrganization
from tillkeeper.access.guard import SIGNS, Op
from tillkeeper.access.lists import Limit100, Offset
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.core.sign_wire import API_VERSION, LooseMetadata
from tillkeeper.core.status import ClientState
from tillkeeper.domains.clients import actions, queries
from tillkeeper.domains.clients.actions import shown
from tillkeeper.domains.clients.wire import (
    Client,
    ClientCreate,
    ClientList,
    ClientPatch,
    OrderBy,
)
from tillkeeper.domains.tss.actions import get_tss, require_sight
from tillkeeper.domains.tss.routes import SIGNING

_STATES = (errors.TssNotInitialized, errors.TssDisabled, errors.AdminSessionMissing)
_READING = (errors.TssNotFound, errors.OrganizationNotFound)
By = Annotated[OrderBy, QueryParameter()]
Way = Annotated[Order, QueryParameter()]
Serial = Annotated[str | None, QueryParameter(max_length=70)]
# `state` is a word of the framework.
State = Annotated[ClientState | None, QueryParameter(name="state")]
ShowDeleted = Annotated[bool, QueryParameter()]


@put(
    "/tss/{tss_id:uuid}/client/{client_id:uuid}",
    operation_id="createClient",
    summary="Register a client with a TSS",
    description="Needs an admin session. The same id with the same serial number again answers "
    "what the client is by now. `replaces` names the client, on whichever TSS of the organization, "
    "that it stands in for, once and for all.",
    status_code=200,
    opt=SIGNS,
    responses=change_refusals(
        *SIGNING,
        *_STATES,
        errors.IllegalClientSerial,
        errors.ClientLimitReached,
        errors.ClientConflict,
        errors.ClientUnknown,
        errors.ClientReplaced,
    ),
)
async def create_client(
    op: Op, tss_id: FromPath[UUID], client_id: FromPath[UUID], data: JSONBody[ClientCreate]
) -> Client:
    grant = await require(op, Right.CLIENT_CREATE, op.actor.organization_id)
    return await actions.create_client(grant, tss_id, client_id, data)


@get(
    "/tss/{tss_id:uuid}/client/{client_id:uuid}",
    operation_id="retrieveClient",
    summary="Retrieve a client",
    responses=refusals(*_READING, errors.ClientNotFound),
)
async def retrieve_client(
    op: Op,
    tss_id: FromPath[UUID],
    client_id: FromPath[UUID],
    organization_id: OfOrganization = None,
) -> Client:
    grant = await require_sight(op, Right.CLIENT_READ, tss_id, organization_id)
    return shown(grant, await actions.get_client(grant, tss_id, client_id))


@patch(
    "/tss/{tss_id:uuid}/client/{client_id:uuid}",
    operation_id="updateClient",
    summary="Register or deregister a client",
    description="Needs an admin session. The state it is in changes nothing but `metadata`.",
    opt=SIGNS,
    responses=change_refusals(*SIGNING, *_STATES, errors.ClientLimitReached, errors.ClientNotFound),
)
async def update_client(
    op: Op, tss_id: FromPath[UUID], client_id: FromPath[UUID], data: JSONBody[ClientPatch]
) -> Client:
    grant = await require(op, Right.CLIENT_UPDATE, op.actor.organization_id)
    return await actions.change_client(grant, tss_id, client_id, data)


@get(
    "/client",
    operation_id="listClients",
    summary="List clients",
    responses=refusals(errors.OrganizationNotFound),
)
async def list_clients(
    op: Op,
    order_by: By = OrderBy.TIME_CREATION,
    order: Way = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    serial_number: Serial = None,
    in_state: State = None,
    show_deleted: ShowDeleted = True,
    organization_id: OfOrganization = None,
    include_managed: IncludeManaged = False,
) -> ClientList:
    grant = await require(op, Right.CLIENT_READ, organization_id or op.actor.organization_id)
    return await _listed(
        grant,
        is_across=include_managed,
        order=f"{order_by} {order}",
        limit=limit,
        offset=offset,
        serial_number=serial_number,
        state=in_state,
        show_deleted=show_deleted,
    )


@get(
    "/tss/{tss_id:uuid}/client",
    operation_id="listClientsOfTss",
    summary="List the clients of a TSS",
    responses=refusals(*_READING),
)
async def list_clients_of_tss(
    op: Op,
    tss_id: FromPath[UUID],
    order_by: By = OrderBy.TIME_CREATION,
    order: Way = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    serial_number: Serial = None,
    in_state: State = None,
    show_deleted: ShowDeleted = True,
    organization_id: OfOrganization = None,
) -> ClientList:
    grant = await require_sight(op, Right.CLIENT_READ, tss_id, organization_id)
    await get_tss(grant, tss_id)
    return await _listed(
        grant,
        is_across=False,
        order=f"{order_by} {order}",
        limit=limit,
        offset=offset,
        tss_id=tss_id,
        serial_number=serial_number,
        state=in_state,
        show_deleted=show_deleted,
    )


async def _listed(
    grant: Grant, *, is_across: bool, order: str, limit: int, offset: int, **filters: object
) -> ClientList:
    rows, count = await queries.list_clients(
        grant, is_across=is_across, order=order, limit=limit, offset=offset, **filters
    )
    data = [shown(grant, row) for row in rows]
    return ClientList(
        data=data, count=count, type="CLIENT_LIST", env=grant.env, version=API_VERSION
    )


@get(
    "/tss/{tss_id:uuid}/client/{client_id:uuid}/metadata",
    operation_id="retrieveClientMetadata",
    summary="Retrieve the metadata of a client",
    responses=refusals(*_READING, errors.ClientNotFound),
)
async def retrieve_client_metadata(
    op: Op,
    tss_id: FromPath[UUID],
    client_id: FromPath[UUID],
    organization_id: OfOrganization = None,
) -> dict[str, str]:
    grant = await require_sight(op, Right.CLIENT_READ, tss_id, organization_id)
    return (await actions.get_client(grant, tss_id, client_id)).metadata


@patch(
    "/tss/{tss_id:uuid}/client/{client_id:uuid}/metadata",
    operation_id="updateClientMetadata",
    summary="Merge metadata into those of a client",
    description='null and "" take a key away.',
    responses=change_refusals(errors.TssNotFound, errors.ClientNotFound),
)
async def update_client_metadata(
    op: Op, tss_id: FromPath[UUID], client_id: FromPath[UUID], data: JSONBody[LooseMetadata]
) -> dict[str, str]:
    grant = await require(op, Right.CLIENT_UPDATE, op.actor.organization_id)
    return await actions.label_client(grant, tss_id, client_id, data)


router = Router(
    "/",
    route_handlers=[
        create_client,
        retrieve_client,
        update_client,
        list_clients,
        list_clients_of_tss,
        retrieve_client_metadata,
        update_client_metadata,
    ],
    tags=["Clients"],
)
