"""Saying why: enter as the principal would, let policy judge, and tell it link by link."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from tillkeeper.access.entrance import actor_of, admit, target_of
from tillkeeper.access.operation import Operation
from tillkeeper.access.policy import refusal_of, require
from tillkeeper.access.queries import Entered
from tillkeeper.access.rights import Right
from tillkeeper.access.verdicts import VERDICTS, Verdict
from tillkeeper.core import errors
from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    OrganizationNotFound,
    Overloaded,
    PrincipalNotFound,
    Refusal,
    SchemaViolation,
    Unauthorized,
)
from tillkeeper.core.status import OrganizationType
from tillkeeper.domains.access_reports import principal_queries, rules
from tillkeeper.domains.access_reports.principal_queries import Known, Place
from tillkeeper.domains.access_reports.remedies import find_smallest_grant
from tillkeeper.domains.access_reports.suppositions import (
    Supposed,
    credential_of,
    first_refusal,
    is_address_foreign,
)
from tillkeeper.domains.access_reports.wire import Assignment, Chain, Conditions, Explanation

_VERDICTS: dict[type[Refusal], Verdict] = {
    errors.Unauthorized: Verdict.UNKNOWN_CREDENTIAL,
    errors.OrganizationSuspended: Verdict.SUSPENDED,
    errors.OrganizationNotFound: Verdict.INVISIBLE,
    errors.AccessDenied: Verdict.DENIED,
    errors.OrganizationArchived: Verdict.WRONG_STATE,
}


@dataclass(frozen=True, slots=True)
class Question:
    """Whether somebody may do something to an organization."""

    principal: UUID
    acting_for: UUID | None
    right: Right
    organization_id: UUID
    env: Env
    address: str | None


async def explain(op: Operation, asked: Question) -> Explanation:
    """Answer what enforcement would, and why.

    Everybody may ask about themselves, and about others who may read their access. Where whoever
    asks does not see the organization, there is no answer.
    """
    actor = op.actor
    is_own = asked.principal == actor.id and asked.acting_for in (None, actor.organization_id)
    known = await (_find_own(op) if is_own else _find_other(op, asked))
    entered, seen = await _enter(op, known, asked)
    if not is_own or entered is None or entered.within is None:
        seen = await principal_queries.find_place(op, asked.organization_id, known.organization_id)
    if seen is None:
        raise OrganizationNotFound(asked.organization_id)
    supposed = Supposed(known, seen, asked.right, asked.env, asked.address)
    return _explanation(supposed, _enforced(entered, supposed))


async def _find_own(op: Operation) -> Known:
    found = await principal_queries.find_principals(op, op.actor.id, op.actor.organization_id)
    if not found:
        raise Unauthorized
    return found[0]


async def _find_other(op: Operation, asked: Question) -> Known:
    """Find whom it is about; without the right to read access one is not told who is there."""
    await require(op, Right.ACCESS_READ, op.actor.organization_id)
    found = await principal_queries.find_principals(op, asked.principal, asked.acting_for)
    if not found:
        raise PrincipalNotFound(asked.principal)
    if len(found) > 1:
        rule = "should name one of the organizations that this person belongs to"
        raise SchemaViolation("params.acting_for", rule)
    await require(op, Right.ACCESS_READ, found[0].organization_id)
    return found[0]


async def _enter(
    op: Operation, known: Known, asked: Question
) -> tuple[Entered | None, Place | None]:
    """Enter by the door that enforces; without an address from one that the key allows."""
    allowed = str(known.allowed_ips[0].network_address) if known.allowed_ips else None
    is_across = asked.right is Right.ORGANIZATION_ENABLE_ENV
    return await principal_queries.enter_as(
        op,
        credential_of(known, asked.env),
        asked.organization_id,
        opening="across" if is_across else "narrow",
        address=asked.address or allowed,
    )


def _enforced(entered: Entered | None, supposed: Supposed) -> Refusal | None:
    """Return what the guard and policy say to whoever entered."""
    try:
        admitted = admit(entered)
    except Refusal as refusal:
        return refusal
    actor = actor_of(credential_of(supposed.principal, supposed.env), admitted)
    return refusal_of(actor, supposed.right, supposed.place.id, target_of(admitted), supposed.env)


def _explanation(supposed: Supposed, refusal: Refusal | None) -> Explanation:
    verdict = Verdict.ALLOWED if refusal is None else _VERDICTS[type(refusal)]
    rule = first_refusal(supposed)
    if VERDICTS[rule] is not verdict:
        # Somebody changed the principal between two statements: nobody is told half of it.
        raise Overloaded
    return Explanation(
        type="ACCESS_EXPLANATION",
        env=supposed.env,
        organization_id=supposed.place.id,
        right=supposed.right,
        verdict=verdict,
        status_code=HTTPStatus.OK if refusal is None else refusal.status,
        code=None if refusal is None else refusal.code,
        rule=rule,
        chain=_chain(supposed),
        smallest_grant=None if refusal is None else find_smallest_grant(supposed),
    )


def _chain(supposed: Supposed) -> Chain:
    known, place = supposed.principal, supposed.place
    is_below = place.distance is not None
    return Chain(
        assignment=Assignment(
            id=known.id,
            type="key" if known.kind == "key" else "user",
            label=known.label,
            organization_id=known.organization_id,
            organization_type=OrganizationType.ORGANIZATION
            if known.is_main
            else OrganizationType.MANAGED_ORGANIZATION,
            since=int(known.since.timestamp()),
        ),
        role=known.role,
        permissions=known.permissions,
        is_right_held=supposed.right in supposed.actor.rights,
        step=rules.step_of(place.distance or 0, is_managed=place.is_managed) if is_below else None,
        conditions=_conditions(supposed),
    )


def _conditions(supposed: Supposed) -> Conditions:
    known = supposed.principal
    is_key, networks = known.kind == "key", known.allowed_ips
    is_address_asked = networks is not None and supposed.address is not None
    return Conditions(
        env=supposed.own_env,
        standing=supposed.standing,
        status=known.status,
        not_before=_seconds(known.not_before),
        expires_at=_seconds(known.expires_at),
        allowed_ips=None if networks is None else [str(each) for each in networks],
        is_address_allowed=not is_address_foreign(supposed) if is_address_asked else None,
        reach=known.reach if is_key else None,
        generation=known.generation if is_key else None,
        previous_secret_expires_at=_seconds(known.previous_ends_at),
    )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
