"""/organizations/{organization_id}/agreements."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tillkeeper.access.guard import WIDE, Op, resource
from tillkeeper.access.lists import Cursored, Limit100, seal_page
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import change_refusals, refusals
from tillkeeper.access.rights import Right
from tillkeeper.core import errors
from tillkeeper.core.status import AgreementKind, AgreementState
from tillkeeper.domains.agreements import actions, queries
from tillkeeper.domains.agreements.wire import (
    Agreement,
    AgreementList,
    AgreementPropose,
    Analysis,
)

_DECIDING = (
    errors.Stale,
    errors.OrganizationNotFound,
    errors.AgreementNotFound,
    errors.AgreementNotOpen,
)
_DOING = (errors.AgreementBlocked, errors.PayerCircle)


@post(
    operation_id="proposeAgreement",
    summary="Propose an agreement about an organization",
    description="Answers with the proposer's copy, alike whether the organization that is named "
    "exists or not. The other parties find it in their own lists.",
    status_code=200,
    opt=WIDE,
    responses=change_refusals(errors.OrganizationNotFound, errors.AgreementPending),
)
async def propose_agreement(
    op: Op, organization_id: FromPath[UUID], data: JSONBody[AgreementPropose]
) -> Agreement:
    grant = await require(op, Right.AGREEMENT_PROPOSE, organization_id)
    return await actions.propose(grant, data)


@get(
    operation_id="listAgreements",
    summary="List what an organization was asked, has asked and has agreed to",
    responses=refusals(errors.OrganizationNotFound),
)
async def list_agreements(
    op: Op,
    organization_id: FromPath[UUID],
    kind: Annotated[AgreementKind | None, QueryParameter()] = None,
    wanted_state: Annotated[AgreementState | None, QueryParameter(name="state")] = None,
    about_organization_id: Annotated[UUID | None, QueryParameter()] = None,
    limit: Limit100 = 100,
    cursor: Cursored = None,
) -> AgreementList:
    grant = await require(op, Right.AGREEMENT_READ, organization_id)
    filters = {"kind": kind, "state": wanted_state, "about": about_organization_id}
    asked = filters | {"organization_id": organization_id}
    page = seal_page(grant, "agreements", cursor or "", asked)
    data, last = await queries.list_agreements(grant, page.after, limit=limit, **filters)
    return AgreementList(
        data=data,
        type="AGREEMENT_LIST",
        has_more=last is not None,
        next_cursor=page.seal(last),
    )


@get(
    "/{agreement_id:uuid}",
    operation_id="retrieveAgreement",
    summary="Retrieve an agreement, as this party has it",
    responses=refusals(errors.OrganizationNotFound, errors.AgreementNotFound),
)
async def retrieve_agreement(
    op: Op, organization_id: FromPath[UUID], agreement_id: FromPath[UUID]
) -> Agreement:
    grant = await require(op, Right.AGREEMENT_READ, organization_id)
    return await queries.get_agreement(grant, agreement_id)


@get(
    "/{agreement_id:uuid}/analysis",
    operation_id="analyseAgreement",
    summary="Say what stands in the way of an agreement, and what this party should know",
    responses=refusals(errors.OrganizationNotFound, errors.AgreementNotFound),
)
async def analyse_agreement(
    op: Op, organization_id: FromPath[UUID], agreement_id: FromPath[UUID]
) -> Analysis:
    grant = await require(op, Right.AGREEMENT_READ, organization_id)
    return await actions.analyse(grant, await queries.get_agreement(grant, agreement_id))


@post(
    "/{agreement_id:uuid}/accept",
    operation_id="acceptAgreement",
    summary="Accept an agreement; the last party's acceptance carries it out",
    status_code=200,
    opt=resource(queries.lock_agreement),
    responses=change_refusals(*_DECIDING, *_DOING),
)
async def accept_agreement(
    op: Op, organization_id: FromPath[UUID], agreement_id: FromPath[UUID]
) -> Agreement:
    grant = await require(op, Right.AGREEMENT_DECIDE, organization_id)
    return await actions.accept(grant, agreement_id)


@post(
    "/{agreement_id:uuid}/decline",
    operation_id="declineAgreement",
    summary="Decline an agreement, and so end it for every party",
    status_code=200,
    opt=resource(queries.lock_agreement),
    responses=change_refusals(*_DECIDING),
)
async def decline_agreement(
    op: Op, organization_id: FromPath[UUID], agreement_id: FromPath[UUID]
) -> Agreement:
    grant = await require(op, Right.AGREEMENT_DECIDE, organization_id)
    return await actions.decline(grant, agreement_id)


@post(
    "/{agreement_id:uuid}/withdraw",
    operation_id="withdrawAgreement",
    summary="Take back a proposal, or as a payer the consent to pay, from now on",
    status_code=200,
    opt=resource(queries.lock_agreement),
    responses=change_refusals(*_DECIDING),
)
async def withdraw_agreement(
    op: Op, organization_id: FromPath[UUID], agreement_id: FromPath[UUID]
) -> Agreement:
    grant = await require(op, Right.AGREEMENT_DECIDE, organization_id)
    return await actions.withdraw(grant, agreement_id)


@post(
    "/{agreement_id:uuid}/undo",
    operation_id="undoAgreement",
    summary="Undo a move or a handover within its time, for who gave or who received",
    status_code=200,
    opt=resource(queries.lock_agreement),
    responses=change_refusals(*_DECIDING, errors.AgreementBlocked),
)
async def undo_agreement(
    op: Op, organization_id: FromPath[UUID], agreement_id: FromPath[UUID]
) -> Agreement:
    grant = await require(op, Right.AGREEMENT_DECIDE, organization_id)
    return await actions.undo(grant, agreement_id)


router = Router(
    "/organizations/{organization_id:uuid}/agreements",
    route_handlers=[
        propose_agreement,
        list_agreements,
        retrieve_agreement,
        analyse_agreement,
        accept_agreement,
        decline_agreement,
        withdraw_agreement,
        undo_agreement,
    ],
    tags=["Agreements"],
)
