"""What can be done to organizations."""

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from msgspec import UNSET, UnsetType, structs

from tillkeeper.access.operation import ActorKind
from tillkeeper.access.policy import Grant, check_for_new, is_still_reached, require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    AccessDenied,
    BillingAddressNotFound,
    ExternalIdConflict,
    HandoverNotPossible,
    OrganizationHasChildren,
    OrganizationIsLive,
    OrganizationIsPayer,
    OrganizationNotFound,
    OrganizationProtected,
    ParentNotFound,
    SchemaViolation,
    UserNotFound,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import AgreementKind, OrganizationStatus
from tillkeeper.core.wire import Done
from tillkeeper.domains.agreements import actions as agreements
from tillkeeper.domains.agreements.events import OrganizationHandedOver
from tillkeeper.domains.agreements.wire import AgreementPropose
from tillkeeper.domains.organizations import changes, queries, rules
from tillkeeper.domains.organizations.events import (
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationEnvEnabled,
    OrganizationStatusChanged,
    OrganizationUpdated,
)
from tillkeeper.domains.organizations.wire import (
    BillingOptions,
    Organization,
    OrganizationAsked,
    OrganizationCreate,
    OrganizationPatch,
    OrganizationStatusChange,
)

_APART = {
    "contact_person_id",
    "billing_options",
    "billing_address_id",
    "managed_configuration",
    "managed_by_organization_id",
    "delete_protection",
}
_CREATES = {Right.ORGANIZATION_CREATE, Right.ORGANIZATION_ADMINISTER}


class Payment(NamedTuple):
    """Who pays for an organization: by options that hold at once, or once a payer has accepted."""

    options: BillingOptions | None
    asked: BillingOptions | None = None
    is_live: bool | None = None
    """Whether who pays at once is LIVE; None where that is nobody."""


async def create_managed_organization(grant: Grant, wanted: OrganizationCreate) -> Organization:
    """Create an organization below the granted main one. Names need not be unique."""
    payment = await payment_of_managed(grant, wanted)
    envs = rules.envs_at_birth(grant.env, is_main=False, is_payer_live=False)
    row = await columns_of(grant, wanted, payment.options) | born(grant, envs)
    created = await changes.insert_managed(grant, _created(grant, wanted.name), row)
    return await ask(grant, created or await _refuse_unmade(grant, wanted), payment)


async def create_main_organization(grant: Grant, wanted: OrganizationCreate) -> Organization:
    """Create a main organization that the granted one administers."""
    payment = await _payment(grant, wanted.billing_options)
    envs = rules.envs_at_birth(grant.env, is_main=True, is_payer_live=bool(payment.is_live))
    row = await columns_of(grant, wanted, payment.options) | born(grant, envs)
    created = await changes.insert_administered(grant, _created(grant, wanted.name), row)
    return await ask(grant, created or await _refuse_unmade(grant, wanted), payment)


async def create_first_organization(
    grant: Grant, wanted: OrganizationCreate, envs: list[Env]
) -> Organization:
    """Create a main organization of an installation: the operator's alone."""
    row = await columns_of(grant, wanted, wanted.billing_options) | born(grant, envs)
    event = OrganizationCreated(
        organization_id=grant.organization_id,
        name=wanted.name,
        parent_organization_id=None,
    )
    created = await changes.insert_first(grant, event, row)
    return created or await _refuse_unmade(grant, wanted)


async def update_organization(grant: Grant, patch: OrganizationPatch) -> Organization:
    """Change what is given; null clears, `metadata` and `billing_options` are replaced whole."""
    if patch.managed_by_organization_id is not UNSET:
        parents = await queries.find_parents(grant)
        rules.check_manager(parents.managed_by_organization_id, patch.managed_by_organization_id)
    payment = await _changed_payment(grant, patch.billing_options)
    row = await _changed_columns(grant, patch, payment)
    if "external_id" in row:
        await _check_owner_of_external_id(grant, row["external_id"])
    updated = None
    if row:
        event = OrganizationUpdated(organization_id=grant.organization_id, fields=sorted(row))
        updated = await changes.update_organization(grant, event, row)
    return await ask(grant, updated or await queries.get_organization(grant), payment)


async def delete_organization(grant: Grant) -> Done:
    """Delete it with its keys, members and addresses, unless LIVE or somebody leans on it."""
    current = await queries.lock_whole_organization(grant)
    if current is None:
        raise OrganizationNotFound(grant.organization_id)
    await _check_deletable(grant, current)
    event = OrganizationDeleted(organization_id=grant.organization_id)
    if not await changes.delete_organization(grant, event):
        raise OrganizationNotFound(grant.organization_id)
    return Done(success=True)


async def _check_deletable(grant: Grant, current: Organization) -> None:
    """Refuse to delete what is LIVE or protected, or what somebody leans on."""
    if Env.LIVE in current.envs:
        raise OrganizationIsLive
    if (await queries.find_parents(grant)).is_delete_protected:
        raise OrganizationProtected
    needed = await queries.find_needed(grant)
    if needed.has_children:
        raise OrganizationHasChildren
    if needed.is_payer:
        raise OrganizationIsPayer


async def set_status(grant: Grant, wanted: OrganizationStatusChange) -> Organization:
    """Suspend, archive, mark for deletion or restore, with effect from the next request on.

    Only what is in TEST alone, and could be deleted now, is marked for deletion.
    """
    current = await queries.lock_organization(grant)
    if current is None:
        raise OrganizationNotFound(grant.organization_id)
    if wanted.status is OrganizationStatus.PENDING_DELETION:
        await _check_deletable(grant, current)
    event = OrganizationStatusChanged(
        organization_id=grant.organization_id, status=wanted.status, reason=wanted.reason
    )
    row = rules.status_columns(wanted, grant.op.now)
    return await changes.set_status(grant, event, row) or current


async def enable_env(grant: Grant, env: Env) -> Done:
    """Enable an env; one that is enabled already is no change.

    LIVE wants a LIVE manager or payer.
    """
    op, target = grant.op, grant.op.target
    if target is None or env in target.envs:
        return Done(success=True)
    parents = await queries.find_parents(grant)
    above = parents.managed_by_organization_id or parents.bill_to_organization
    is_live_above = above is not None and await queries.is_live(op, above)
    rules.check_live(is_managed=target.is_managed, is_live_above=is_live_above)
    event = OrganizationEnvEnabled(organization_id=grant.organization_id, enabled_env=env)
    if not await changes.enable_live(grant, event):
        await queries.get_organization(grant)
    return Done(success=True)


async def hand_over(grant: Grant) -> Done:
    """Give up the administration of a main organization; who pays for it stays.

    From the next request on the granted organization and all it manages are out of the giver's
    sight. Refused while it has no key or person of its own who could go on.
    """
    if await queries.lock_whole_organization(grant) is None:
        raise OrganizationNotFound(grant.organization_id)
    if not await queries.is_manned(grant):
        raise HandoverNotPossible(
            "The organization has no enabled key and no administrator of its own: "
            "create a key there first and hand it on"
        )
    event = OrganizationHandedOver(organization_id=grant.organization_id)
    await changes.hand_over(grant, event)
    return Done(success=True)


async def payment_of_managed(grant: Grant, wanted: OrganizationCreate) -> Payment:
    """Decide who pays for a managed organization; refuse one that is not LIVE for LIVE."""
    payment = await _payment(grant, wanted.billing_options)
    rules.check_payer_env(grant.env, is_main=False, is_payer_live=payment.is_live)
    return payment


async def ask(grant: Grant, organization: Organization, payment: Payment | None) -> Organization:
    """Ask a payer out of reach to pay for an organization, where one was named."""
    asked = payment.asked if payment is not None else None
    if asked is None or asked.bill_to_organization is None:
        return organization
    wanted = AgreementPropose(
        kind=AgreementKind.PAYER,
        with_organization_id=asked.bill_to_organization,
        withhold_billing=asked.withhold_billing,
        gln=asked.gln,
    )
    agreement = await agreements.ask_payer_instead(grant, organization.id, wanted)
    shown = structs.asdict(organization) | {"payer_agreement_id": agreement.id}
    return OrganizationAsked(**shown)


async def columns_of(
    grant: Grant, wanted: OrganizationCreate, options: BillingOptions | None
) -> dict[str, object]:
    """Return what is stored of a wanted organization, its pointers checked."""
    values = structs.asdict(wanted)
    row = {name: value for name, value in values.items() if name not in _APART}
    old = wanted.managed_configuration
    return {
        **row,
        **await _contact_columns(grant, wanted.contact_person_id),
        **await _address_columns(grant, wanted.billing_address_id),
        **rules.billing_columns(
            options,
            manager=wanted.managed_by_organization_id,
            is_withheld_old=old.withhold_billing if old else None,
            named_by=_named_by(grant),
        ),
        "managed_configuration": structs.asdict(old) if old else None,
    }


def born(grant: Grant, envs: list[Env]) -> dict[str, object]:
    """Return what a new row says of its beginning."""
    return {
        "envs": envs,
        "created_at": grant.op.now,
        "created_by_user": grant.op.actor.id,
        "created_by_organization_id": grant.op.actor.organization_id,
    }


async def _refuse_unmade(grant: Grant, wanted: OrganizationCreate) -> NoReturn:
    """Tell a taken external_id from a manager that was deleted or handed over in between."""
    if wanted.external_id is not None and await is_still_reached(grant):
        raise ExternalIdConflict
    raise ParentNotFound


def _created(grant: Grant, name: str) -> OrganizationCreated:
    return OrganizationCreated(
        organization_id=uuid4(), name=name, parent_organization_id=grant.organization_id
    )


async def _changed_payment(
    grant: Grant, options: BillingOptions | UnsetType | None
) -> Payment | None:
    """Decide who pays from now on; None where nothing is said about it.

    What the caller had asked of other payers before is over: it names another, or nobody.
    """
    if options is UNSET:
        return None
    current = await _check_sight_of_payer(grant)
    rules.check_payer(grant.organization_id, options)
    payment = await _payment(grant, options, current)
    rules.check_payer_env(grant.env, is_main=False, is_payer_live=payment.is_live)
    if payment.asked is None:
        payer_id = options.bill_to_organization if options else None
        await agreements.let_go(grant, grant.organization_id, payer_id)
    return payment


async def _changed_columns(
    grant: Grant, patch: OrganizationPatch, payment: Payment | None
) -> Mapping[str, object]:
    given = {k: v for k, v in structs.asdict(patch).items() if v is not UNSET}
    row: dict[str, object] = {k: v for k, v in given.items() if k not in _APART}
    if patch.contact_person_id is not UNSET:
        row |= await _contact_columns(grant, patch.contact_person_id)
    if patch.billing_address_id is not UNSET:
        row |= await _address_columns(grant, patch.billing_address_id)
    if payment is not None and payment.asked is None:
        row |= rules.billing_columns(
            payment.options, manager=None, is_withheld_old=None, named_by=_named_by(grant)
        )
    if patch.delete_protection is not UNSET:
        row["is_delete_protected"] = patch.delete_protection
    if patch.managed_configuration is not UNSET:
        old = patch.managed_configuration
        row["managed_configuration"] = structs.asdict(old) if old else None
    return row


async def _check_owner_of_external_id(grant: Grant, wanted: object) -> None:
    """Refuse to change the reference of whoever administers the organization from below.

    It is unique among all that one administers: a conflict would tell of those beside.
    """
    is_own = grant.organization_id == grant.reader_id
    if not is_own or not grant.op.actor.is_administered:
        return
    if (await queries.get_organization(grant)).external_id != wanted:
        raise AccessDenied(
            "`external_id` is the reference of whoever administers this organization: "
            "it changes there",
            right=grant.right,
            organization_id=grant.organization_id,
            env=grant.env,
        )


def _named_by(grant: Grant) -> UUID | None:
    """Return whose naming of a payer this is: an operator's is nobody's below."""
    is_operator = grant.op.actor.kind is ActorKind.OPERATOR
    return None if is_operator else grant.reader_id


async def _check_sight_of_payer(grant: Grant) -> UUID | None:
    """Refuse to change what a payer above has decided: it would be changed without being seen.

    Returns the payer of today, whom the caller reaches or has named. The organization is kept as it
    is until the change is made.
    """
    await queries.lock_organization(grant)
    parents = await queries.find_parents(grant)
    payer_id, named_by = parents.bill_to_organization, parents.payer_named_by_organization_id
    if payer_id is None or await queries.find_payer(grant.op, payer_id) is not None:
        return payer_id
    if named_by is not None and await queries.find_payer(grant.op, named_by) is not None:
        return payer_id
    raise AccessDenied(
        "Who pays for this organization is decided above it: `billing_options` change there",
        right=grant.right,
        organization_id=grant.organization_id,
        env=grant.env,
    )


async def _payment(
    grant: Grant, options: BillingOptions | None, current: UUID | None = None
) -> Payment:
    """Decide who pays at once, and who is asked first: whom the caller may not act for.

    Whether such a one exists is not looked up, so that nobody learns it. A payer of today that was
    asked before is not asked again.
    """
    payer_id = options.bill_to_organization if options else None
    if payer_id is None:
        return Payment(options)
    payer = await queries.find_payer(grant.op, payer_id)
    if payer is None and payer_id == current:
        return Payment(options, is_live=await queries.is_live(grant.op, payer_id))
    if payer is None:
        await _check_asks(grant)
        return Payment(BillingOptions(), asked=options)
    if not payer.is_main:
        raise SchemaViolation(
            "body.billing_options.bill_to_organization",
            "should be a main organization",
            "Name an organization of _type ORGANIZATION",
        )
    return Payment(options, is_live=payer.is_live)


async def _check_asks(grant: Grant) -> None:
    if grant.right in _CREATES:
        check_for_new(grant, Right.AGREEMENT_PROPOSE)
    else:
        await require(grant.op, Right.AGREEMENT_PROPOSE, grant.organization_id)


async def _contact_columns(grant: Grant, user_id: UUID | None) -> dict[str, Any]:
    if user_id is None:
        return {"contact_person_id": None, "contact_person_is_above": False}
    found = await queries.find_member(grant.op, user_id, of=grant.organization_id)
    if found is None:
        raise UserNotFound(user_id)
    is_above = found.id != grant.organization_id or grant.right in _CREATES
    return {"contact_person_id": user_id, "contact_person_is_above": is_above}


async def _address_columns(grant: Grant, address_id: UUID | None) -> dict[str, Any]:
    if address_id is None:
        return {"billing_address_id": None, "billing_address_organization_id": None}
    found = await queries.find_address(grant.op, address_id)
    if found is None:
        raise BillingAddressNotFound(address_id)
    return {"billing_address_id": address_id, "billing_address_organization_id": found.id}
