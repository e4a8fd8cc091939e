"""Making many organizations at once, and everything for one at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from tillkeeper.access.operation import Operation
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.errors import (
    ExternalIdConflict,
    OrganizationNotFound,
    ParentNotFound,
    Refusal,
    SchemaViolation,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import Role
from tillkeeper.domains.api_keys import actions as api_keys
from tillkeeper.domains.api_keys import queries as api_key_queries
from tillkeeper.domains.api_keys import rules as key_rules
from tillkeeper.domains.api_keys.rules import Limits
from tillkeeper.domains.api_keys.wire import NewApiKey
from tillkeeper.domains.organizations import actions as organizations
from tillkeeper.domains.organizations import changes, rules
from tillkeeper.domains.organizations.wire import Organization
from tillkeeper.domains.people import actions as people
from tillkeeper.domains.provisioning.wire import (
    BatchedItem,
    BatchedOrganizations,
    BatchItem,
    ItemProblem,
    OrganizationProvision,
    ProvisionedOrganization,
)


@dataclass(slots=True)
class _Row:
    """One item on its way: what it is, what is stored of it, what came of it."""

    index: int
    item: BatchItem
    id: UUID
    columns: dict[str, Any] = field(default_factory=dict)
    payment: organizations.Payment | None = None
    limits: Limits | None = None
    refusal: Refusal | None = None
    organization: Organization | None = None
    api_key: NewApiKey | None = None


async def provision(grant: Grant, wanted: OrganizationProvision) -> ProvisionedOrganization:
    """Create an organization, its first key and its first admin: all of it or nothing."""
    op = grant.op
    if wanted.organization.managed_by_organization_id is None:
        created = await organizations.create_main_organization(grant, wanted.organization)
    else:
        created = await organizations.create_managed_organization(grant, wanted.organization)
    api_key = admin = None
    if wanted.api_key is not None:
        inner = await require(op, Right.API_KEY_CREATE, created.id)
        api_key = await api_keys.create_api_key(inner, wanted.api_key)
    if wanted.admin is not None:
        inner = await require(op, Right.USER_INVITE, created.id)
        admin = await people.invite_user(inner, wanted.admin, Role.ADMIN)
    return ProvisionedOrganization(
        organization=created, api_key=api_key, admin=admin, type="PROVISIONED_ORGANIZATION"
    )


async def create_batch(op: Operation, items: Sequence[BatchItem]) -> BatchedOrganizations:
    """Create up to a thousand managed organizations in one transaction, a result for each.

    An item that is refused, because its manager cannot be seen or its external_id is taken,
    leaves the others alone. The statements are as many as there are managers, not items.
    """
    rows = [_Row(index, item, uuid4()) for index, item in enumerate(items)]
    by_parent: dict[UUID, list[_Row]] = {}
    for row in rows:
        parent = row.item.organization.managed_by_organization_id
        if parent is None:
            where = f"body.items[{row.index}].organization.managed_by_organization_id"
            raise SchemaViolation(where, "is required in a batch")
        by_parent.setdefault(parent, []).append(row)
    for parent, siblings in by_parent.items():
        await _create_below(op, parent, siblings)
    created = sum(row.organization is not None for row in rows)
    return BatchedOrganizations(
        data=[_result(row) for row in rows],
        count=len(rows),
        created=created,
        refused=len(rows) - created,
        type="ORGANIZATION_BATCH",
    )


async def _create_below(op: Operation, parent: UUID, rows: list[_Row]) -> None:
    try:
        grant = await require(op, Right.ORGANIZATION_CREATE, parent)
    except OrganizationNotFound:
        _refuse_all(rows, ParentNotFound())
        return
    except Refusal as refusal:
        _refuse_all(rows, refusal)
        return
    for row in rows:
        await _describe(grant, row)
    await _limit_keys(grant, rows)
    ready = [row for row in rows if row.refusal is None]
    envs = rules.envs_at_birth(grant.env, is_main=False, is_payer_live=False)
    found = await changes.insert_many_managed(grant, [row.columns for row in ready], envs=envs)
    by_id = {organization.id: organization for organization in found}
    for row in ready:
        created = by_id.get(row.id)
        if created is None:
            row.refusal = ExternalIdConflict()
        else:
            row.organization = await organizations.ask(grant, created, row.payment)
    await _create_keys(grant, [row for row in ready if row.organization and row.item.api_key])


async def _describe(grant: Grant, row: _Row) -> None:
    """Write down what is stored; microseconds keep the order of the items in every list."""
    wanted = row.item.organization
    try:
        row.payment = await organizations.payment_of_managed(grant, wanted)
        row.columns = {
            **await organizations.columns_of(grant, wanted, row.payment.options),
            "id": row.id,
            "created_at": grant.op.now + timedelta(microseconds=row.index),
        }
        if row.item.api_key is not None and row.item.api_key.managed_by_organization_id:
            await api_keys.check_manager_of_new(grant, row.item.api_key.managed_by_organization_id)
    except Refusal as refusal:
        row.refusal = refusal


async def _limit_keys(grant: Grant, rows: list[_Row]) -> None:
    """Decide what each wanted key is limited to, or why it may not be made.

    The new organizations stand below the granted one, so that its answer holds for each of them.
    """
    bounds = await api_keys.bounds_of(grant)
    for row in rows:
        if row.refusal is None and row.item.api_key is not None:
            wanted = row.item.api_key
            try:
                inner = await require(grant.op, Right.API_KEY_CREATE, grant.organization_id)
                row.limits = await api_keys.limits_of_new(
                    inner, bounds, key_rules.wanted_of(wanted), is_own=False
                )
                api_keys.check_begins_in_time(wanted.not_before, row.limits)
            except Refusal as refusal:
                row.refusal = refusal


async def _create_keys(grant: Grant, rows: list[_Row]) -> None:
    if not rows:
        return
    secrets: dict[UUID, str] = {}
    columns = []
    for row in rows:
        if row.item.api_key is not None and row.limits is not None:
            key_id = uuid4()
            minted, secrets[key_id] = api_keys.mint_row(grant, row.item.api_key, key_id, row.limits)
            digest: bytes = minted.pop("secret_digest")
            manager = row.item.api_key.managed_by_organization_id
            columns.append(
                minted
                | {
                    "organization_id": row.id,
                    "digest_hex": digest.hex(),
                    "managed_by_organization_id": manager,
                }
            )
    inserted = await api_key_queries.insert_many_api_keys(grant, columns)
    by_id = {api_key.id: api_key for api_key in inserted}
    for row, written in zip(rows, columns, strict=True):
        key_id = written["id"]
        row.api_key = api_keys.with_secret(grant, by_id[key_id], secrets[key_id])


def _refuse_all(rows: list[_Row], refusal: Refusal) -> None:
    for row in rows:
        row.refusal = refusal


def _result(row: _Row) -> BatchedItem:
    if row.refusal is None:
        return BatchedItem(
            index=row.index, status_code=200, organization=row.organization, api_key=row.api_key
        )
    return BatchedItem(
        index=row.index,
        status_code=row.refusal.status,
        error=ItemProblem(code=row.refusal.code, message=row.refusal.sentence),
    )
