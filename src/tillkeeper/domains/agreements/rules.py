"""Decisions about agreements that need no database."""

from collections.abc import Collection, Sequence
from uuid import UUID

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import AccessDenied, AgreementNotOpen
from tillkeeper.core.status import AgreementParty, AgreementState
from tillkeeper.domains.agreements.queries import Found
from tillkeeper.domains.agreements.wire import (
    Agreement,
    AgreementPropose,
    Analysis,
    Finding,
)

PROPOSERS = (AgreementParty.ASKING, AgreementParty.GIVING)
_MESSAGES = {
    "organization_elsewhere": "The organization is no longer where the proposal found it",
    "organization_closed": "The organization is archived or about to be deleted",
    "payer_not_active": "The payer is suspended, archived or about to be deleted",
    "payer_not_live": "A LIVE organization is billed to a LIVE one, and the payer is not LIVE",
    "payer_circle": "The payer is itself billed to the organization, directly or by others",
    "payer_changes": "Somebody pays for the organization already, and will not any more",
    "billing_withheld": "The organization will see no bill: all of them go to the payer",
}


def check_decides(grant: Grant, parties: Collection[UUID]) -> None:
    """Refuse who is a party itself to decide for another one, even for one that it stands above."""
    own = grant.reader_id
    if own != grant.organization_id and own in parties:
        raise AccessDenied(
            "Your organization is a party itself: this one decides with a credential of its own",
            right=grant.right,
            organization_id=grant.organization_id,
            env=grant.env,
        )


def check_undecided(agreement: Agreement) -> None:
    """Refuse unless it is proposed, and this party has not accepted."""
    if agreement.state != AgreementState.PROPOSED:
        raise AgreementNotOpen(agreement.state)
    if agreement.accepted_at is not None:
        raise AgreementNotOpen("accepted by this party")


def terms_of(payer: Agreement | AgreementPropose) -> tuple[object, ...]:
    """Return what a payer is asked."""
    return payer.with_organization_id, payer.withhold_billing, payer.gln


def analysis_for(party: AgreementParty, found: Sequence[Found]) -> Analysis:
    """Return what is this party's business."""
    own = [each for each in found if each.party in (None, party)]
    return Analysis(
        blockers=[_told(each) for each in own if each.is_blocker],
        warnings=[_told(each) for each in own if not each.is_blocker],
        type="AGREEMENT_ANALYSIS",
    )


def _told(found: Found) -> Finding:
    return Finding(
        name=found.finding,
        message=_MESSAGES[found.finding],
        count=found.number,
        api_key_ids=found.ids,
    )
