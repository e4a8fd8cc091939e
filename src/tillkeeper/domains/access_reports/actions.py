"""Saying who has access to what."""

from uuid import UUID

from tillkeeper.access.operation import Operation
from tillkeeper.access.policy import Grant
from tillkeeper.core.paging import Cursor
from tillkeeper.core.status import OrganizationStatus
from tillkeeper.domains.access_reports import queries, rules
from tillkeeper.domains.access_reports.queries import Listed
from tillkeeper.domains.access_reports.wire import Principal, ReachedOrganization, Step
from tillkeeper.domains.organizations.queries import list_organizations_after
from tillkeeper.domains.organizations.wire import Organization


async def list_principals(grant: Grant, *, limit: int, offset: int) -> tuple[list[Principal], int]:
    """Return everyone with access to the granted organization, with the rights they hold there."""
    rows, count = await queries.list_principals(grant, limit=limit, offset=offset)
    return [_principal(grant, row) for row in rows], count


def _principal(grant: Grant, row: Listed) -> Principal:
    target = rules.target_of(
        grant.organization_id,
        row.target_envs,
        row.target_status,
        is_managed=row.target_is_managed,
    )
    return Principal(
        id=row.id,
        type="user" if row.kind == "user" else "key",
        organization_id=row.organization_id,
        step=rules.step_of(row.distance, is_managed=row.target_is_managed),
        label=row.label,
        role=row.role,
        status=row.status,
        rights=rules.rights_there(rules.actor_of(row, grant.env), target),
        since=row.since,
        not_before=row.not_before,
        expires_at=row.expires_at,
        allowed_ips=row.allowed_ips,
    )


async def list_reach(
    grant: Grant, after: Cursor | None, *, limit: int
) -> tuple[list[ReachedOrganization], Cursor | None]:
    """Return what the actor reaches, with the rights held there, oldest first."""
    page, last = await list_organizations_after(grant, after, limit=limit)
    statuses = await queries.list_statuses(grant, [each.id for each in page])
    return [_reached(grant.op, each, statuses[each.id]) for each in page], last


def _reached(
    op: Operation, organization: Organization, status: OrganizationStatus
) -> ReachedOrganization:
    manager = organization.managed_by_organization_id
    target = rules.target_of(
        organization.id, organization.envs, status, is_managed=manager is not None
    )
    return ReachedOrganization(
        id=organization.id,
        type=organization.type,
        envs=organization.envs,
        name=organization.name,
        step=_step(op.actor.organization_id, organization.id, manager),
        rights=rules.rights_there(op.actor, target),
    )


def _step(own: UUID, organization_id: UUID, manager: UUID | None) -> Step:
    if organization_id == own:
        return Step.OWN
    if manager is None:
        return Step.ADMINISTERS
    return Step.MANAGES if manager == own else Step.ADMINISTERS_THE_MANAGER
