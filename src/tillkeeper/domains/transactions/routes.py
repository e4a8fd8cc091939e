"""/tx, and below each TSS and client."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Response, Router, get, patch, put
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.across import IncludeManaged, OfOrganization
from tillkeeper.access.guard import PER_TSS, SIGNS, Op
from tillkeeper.access.lists import Limit100, Offset
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.order import Order
from tillkeeper.core.sign_wire import API_VERSION, LooseMetadata
from tillkeeper.core.status import TransactionState
from tillkeeper.domains.clients.actions import get_client
from tillkeeper.domains.transactions import actions, queries, rules
from tillkeeper.domains.transactions.actions import shown
from tillkeeper.domains.transactions.wire import (
    OrderBy,
    Transaction,
    TransactionList,
    TransactionUpsert,
)
from tillkeeper.domains.tss.actions import get_tss, require_sight
from tillkeeper.domains.tss.routes import SIGNING

OCTETS = "application/octet-stream"
_OF_TSS = "/tss/{tss_id:uuid}"
_ONE = f"{_OF_TSS}/tx/{{tx_id_or_number:str}}"
_MISSING = (errors.TssNotFound, errors.OrganizationNotFound, errors.TransactionNotFound)
Named = Annotated[str, "The id of the transaction, or its number."]
TxRevision = Annotated[
    int | None,
    QueryParameter(ge=1, le=2_147_483_647, description="Without it: the next, or the latest one."),
]
By = Annotated[OrderBy, QueryParameter()]
Way = Annotated[Order, QueryParameter()]
States = Annotated[list[TransactionState] | None, QueryParameter()]
ShowDeleted = Annotated[bool, QueryParameter()]


@put(
    _ONE,
    operation_id="upsertTransaction",
    summary="Start, update, finish or cancel a transaction: each is one signature",
    description="The same `tx_revision` with the same content again answers what it answered "
    "first, and nothing is signed.",
    status_code=200,
    opt=SIGNS,
    responses=change_refusals(
        *SIGNING,
        errors.TssNotInitialized,
        errors.TssDisabled,
        errors.ClientUnknown,
        errors.ClientDeregistered,
        errors.TransactionNotFound,
        errors.TransactionUpsert,
        errors.TransactionLimitReached,
        errors.TransactionNoTypeDefined,
        errors.TransactionIllegalTypeChange,
    ),
)
async def upsert_transaction(
    op: Op,
    tss_id: FromPath[UUID],
    tx_id_or_number: FromPath[str],
    data: JSONBody[TransactionUpsert],
    tx_revision: TxRevision = None,
) -> Transaction:
    grant = await require(op, Right.TRANSACTION_SIGN, op.actor.organization_id)
    reference = rules.reference_to_sign(tx_id_or_number)
    return await actions.sign_transaction(grant, tss_id, reference, tx_revision, data)


@get(
    _ONE,
    operation_id="retrieveTransaction",
    summary="Retrieve a revision of a transaction",
    responses=refusals(*_MISSING, errors.TransactionRevisionNotFound),
)
async def retrieve_transaction(
    op: Op,
    tss_id: FromPath[UUID],
    tx_id_or_number: FromPath[str],
    tx_revision: TxRevision = None,
    organization_id: OfOrganization = None,
) -> Transaction:
    reference = rules.reference_to_read(tx_id_or_number)
    grant = await require_sight(op, Right.TRANSACTION_READ, tss_id, organization_id)
    return shown(grant, await actions.get_revision(grant, tss_id, reference, tx_revision))


@get(
    f"{_ONE}/log",
    operation_id="retrieveTransactionLog",
    summary="Retrieve the signed log message of a revision, in DER",
    responses=refusals(*_MISSING, errors.TransactionRevisionNotFound),
    media_type=OCTETS,
)
async def retrieve_transaction_log(
    op: Op,
    tss_id: FromPath[UUID],
    tx_id_or_number: FromPath[str],
    tx_revision: TxRevision = None,
    organization_id: OfOrganization = None,
) -> Response[bytes]:
    reference = rules.reference_to_read(tx_id_or_number)
    grant = await require_sight(op, Right.TRANSACTION_READ, tss_id, organization_id)
    message = await actions.get_message(grant, tss_id, reference, tx_revision)
    return Response(message, media_type=OCTETS)


@get(
    "/tx",
    operation_id="listTransactions",
    summary="List transactions, each by its latest revision",
    responses=refusals(errors.OrganizationNotFound),
)
async def list_transactions(
    op: Op,
    order_by: By = OrderBy.TIME_START,
    order: Way = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    states: States = None,
    show_deleted: ShowDeleted = True,
    organization_id: OfOrganization = None,
    include_managed: IncludeManaged = False,
) -> TransactionList:
    owner = organization_id or op.actor.organization_id
    grant = await require(op, Right.TRANSACTION_READ, owner)
    page = {"order": f"{order_by} {order}", "limit": limit, "offset": offset}
    filters = {"states": states, "show_deleted": show_deleted}
    return await _listed(grant, is_across=include_managed, **page, **filters)


@get(
    f"{_OF_TSS}/tx",
    operation_id="listTransactionsOfTss",
    summary="List the transactions of a TSS, each by its latest revision",
    responses=refusals(errors.TssNotFound, errors.OrganizationNotFound),
    opt=PER_TSS,
)
async def list_transactions_of_tss(
    op: Op,
    tss_id: FromPath[UUID],
    order_by: By = OrderBy.NUMBER,
    order: Way = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    states: States = None,
    show_deleted: ShowDeleted = True,
    organization_id: OfOrganization = None,
) -> TransactionList:
    grant = await require_sight(op, Right.TRANSACTION_READ, tss_id, organization_id)
    await get_tss(grant, tss_id)
    page = {"order": f"{order_by} {order}", "limit": limit, "offset": offset}
    filters = {"states": states, "show_deleted": show_deleted, "tss_id": tss_id}
    return await _listed(grant, is_across=False, **page, **filters)


@get(
    f"{_OF_TSS}/client/{{client_id:uuid}}/tx",
    operation_id="listTransactionsOfClient",
    summary="List the transactions whose latest revision is by a client",
    responses=refusals(errors.TssNotFound, errors.OrganizationNotFound, errors.ClientNotFound),
)
async def list_transactions_of_client(
    op: Op,
    tss_id: FromPath[UUID],
    client_id: FromPath[UUID],
    order_by: By = OrderBy.NUMBER,
    order: Way = Order.ASC,
    limit: Limit100 = 100,
    offset: Offset = 0,
    states: States = None,
    show_deleted: ShowDeleted = True,
    organization_id: OfOrganization = None,
) -> TransactionList:
    grant = await require_sight(op, Right.TRANSACTION_READ, tss_id, organization_id)
    await get_client(grant, tss_id, client_id)
    page = {"order": f"{order_by} {order}", "limit": limit, "offset": offset}
    filters = {"states": states, "show_deleted": show_deleted, "client_id": client_id}
    return await _listed(grant, is_across=False, tss_id=tss_id, **page, **filters)


async def _listed(grant: Grant, **asked: Any) -> TransactionList:  # noqa: ANN401 - one of each kind
    rows, count = await queries.list_revisions(grant, **asked)
    data = [shown(grant, row) for row in rows]
    return TransactionList(
        data=data, count=count, type="TRANSACTION_LIST", env=grant.env, version=API_VERSION
    )


@get(
    f"{_ONE}/metadata",
    operation_id="retrieveTransactionMetadata",
    summary="Retrieve the metadata of a transaction",
    responses=refusals(*_MISSING),
)
async def retrieve_transaction_metadata(
    op: Op,
    tss_id: FromPath[UUID],
    tx_id_or_number: FromPath[str],
    organization_id: OfOrganization = None,
) -> dict[str, str]:
    reference = rules.reference_to_read(tx_id_or_number)
    grant = await require_sight(op, Right.TRANSACTION_READ, tss_id, organization_id)
    return (await actions.get_labels(grant, tss_id, reference)).metadata


@patch(
    f"{_ONE}/metadata",
    operation_id="updateTransactionMetadata",
    summary="Merge metadata into those of a transaction",
    description='null and "" take a key away.',
    responses=change_refusals(errors.TssNotFound, errors.TransactionNotFound),
)
async def update_transaction_metadata(
    op: Op,
    tss_id: FromPath[UUID],
    tx_id_or_number: FromPath[str],
    data: JSONBody[LooseMetadata],
) -> dict[str, str]:
    grant = await require(op, Right.TRANSACTION_UPDATE, op.actor.organization_id)
    reference = rules.reference_to_read(tx_id_or_number)
    return await actions.label_transaction(grant, tss_id, reference, data)


router = Router(
    "/",
    route_handlers=[
        upsert_transaction,
        retrieve_transaction,
        retrieve_transaction_log,
        list_transactions,
        list_transactions_of_tss,
        list_transactions_of_client,
        retrieve_transaction_metadata,
        update_transaction_metadata,
    ],
    tags=["Transactions"],
)
