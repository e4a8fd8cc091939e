"""Decisions about organizations that need no database."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    LiveNotAvailable,
    OrganizationCannotMove,
    PayerNotLive,
    SchemaViolation,
)
from tillkeeper.core.status import OrganizationStatus
from tillkeeper.domains.organizations.wire import BillingOptions, OrganizationStatusChange

LIVE_FOR_MAIN = (
    "A main organization becomes LIVE by its contract, or when `billing_options."
    "bill_to_organization` names a LIVE organization: ask the operator of this installation"
)
LIVE_FOR_MANAGED = "The main organization is not LIVE yet: enable LIVE there first"


def envs_at_birth(env: Env, *, is_main: bool, is_payer_live: bool) -> list[Env]:
    """Return the envs of an organization created in this env: TEST is part of every beginning.

    A main organization is LIVE at once only when three things hold: a payer is named, it is LIVE,
    and the token is LIVE (Management API 0.9.0); otherwise it begins in TEST. A managed one takes
    after its main organization, which a LIVE token proves to be LIVE.
    """
    if env is Env.TEST or (is_main and not is_payer_live):
        return [Env.TEST]
    return [Env.TEST, Env.LIVE]


def check_payer_env(env: Env, *, is_main: bool, is_payer_live: bool | None) -> None:
    """Refuse to bill LIVE use to an organization that is not LIVE; None: nobody is named."""
    if env is Env.LIVE and not is_main and is_payer_live is False:
        raise PayerNotLive


def check_payer(organization_id: UUID, options: BillingOptions | None) -> None:
    """Refuse an organization that is its own payer."""
    if options is not None and options.bill_to_organization == organization_id:
        raise SchemaViolation(
            "body.billing_options.bill_to_organization", "should be another organization"
        )


def check_manager(current: UUID | None, wanted: UUID | None) -> None:
    """Refuse a move; the current value may be repeated (Management API 0.6.1)."""
    if wanted != current:
        raise OrganizationCannotMove


def check_live(*, is_managed: bool, is_live_above: bool) -> None:
    """Refuse LIVE where neither the manager nor the payer is LIVE."""
    if not is_live_above:
        raise LiveNotAvailable(LIVE_FOR_MANAGED if is_managed else LIVE_FOR_MAIN)


def status_columns(wanted: OrganizationStatusChange, now: datetime) -> dict[str, object]:
    """Return what is stored of a status: a grace for a suspension alone, a day for a deletion."""
    is_suspended = wanted.status is OrganizationStatus.SUSPENDED
    is_pending = wanted.status is OrganizationStatus.PENDING_DELETION
    is_active = wanted.status is OrganizationStatus.ACTIVE
    return {
        "status": wanted.status,
        "status_reason": None if is_active else wanted.reason,
        "grace_ends_at": now + timedelta(seconds=wanted.grace_seconds) if is_suspended else None,
        "purge_at": now + timedelta(days=wanted.purge_in_days) if is_pending else None,
    }


def billing_columns(
    options: BillingOptions | None,
    *,
    manager: UUID | None,
    is_withheld_old: bool | None,
    named_by: UUID | None,
) -> Mapping[str, object]:
    """Return what is stored of the billing options.

    The older spelling knows no payer: for a managed organization it is the manager, who pays for
    it anyway.
    """
    if options is None and is_withheld_old is not None and manager is not None:
        options = BillingOptions(
            withhold_billing=is_withheld_old,
            bill_to_organization=manager if is_withheld_old else None,
        )
    options = options or BillingOptions()
    return {
        "gln": options.gln,
        "withhold_billing": options.withhold_billing,
        "bill_to_organization": options.bill_to_organization,
        "payer_named_by_organization_id": named_by if options.bill_to_organization else None,
    }
