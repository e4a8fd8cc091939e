"""Decisions about agreements that need no database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import AccessDenied, AgreementNotOpen, SchemaViolation
from tillkeeper.core.status import AgreementKind, AgreementParty, AgreementState
from tillkeeper.domains.agreements.queries import Above, Found, is_undoable
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
    "administers_others": "The organization administers others: then nobody may administer it",
    "nobody_there": "The organization has no enabled key and no administrator of its own",
    "receiver_administered": "The new administrator is itself administered: one level is the most",
    "receiver_not_active": "The new manager or administrator is suspended or archived",
    "receiver_not_live": "The organization is LIVE, and the new manager or administrator is not",
    "external_id_taken": "Another organization of the new manager has this `external_id`",
    "keys_survive": "Keys made or managed from above stay keys of their organizations, to be "
    "replaced where they are not trusted",
    "contacts_end": "Contact persons from above are contact persons no more",
    "billing_addresses_end": "Billing addresses from above are used no more",
    "payer_ends": "Who pays today pays no more: name another payer",
    "payers_stay": "Who pays today goes on paying, and may withdraw that",
    "organizations_below": "So many organizations go along",
    "payer_not_active": "The payer is suspended, archived or about to be deleted",
    "payer_not_live": "A LIVE organization is billed to a LIVE one, and the payer is not LIVE",
    "payer_decided_above": "Who pays is decided above the organization",
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


def check_undoable(agreement: Agreement, now: datetime) -> None:
    """Refuse to undo what was not carried out, or too long ago, or by who neither gave nor got."""
    is_side = agreement.party in (AgreementParty.GIVING, AgreementParty.RECEIVING)
    if not is_side or not is_undoable(agreement, now):
        raise AgreementNotOpen(agreement.state)


def giver_of(wanted: AgreementPropose, above: Above) -> UUID:
    """Return who gives: a managed organization moves, an administered one is handed over."""
    is_move = wanted.kind is AgreementKind.MOVE
    giver = above.managed_by_organization_id if is_move else above.administered_by_organization_id
    if giver is None:
        kind = "managed" if is_move else "administered"
        raise SchemaViolation("body.kind", f"should fit: the organization is not {kind}")
    if giver == wanted.with_organization_id:
        raise SchemaViolation("body.with_organization_id", "should be another organization")
    return giver


def check_above(grant: Grant) -> None:
    """Refuse to give what is one's own organization: only who stands above it gives it."""
    if grant.organization_id == grant.reader_id:
        raise AccessDenied(
            "Only who stands above this organization may propose to move it or to hand it over",
            right=grant.right,
            organization_id=grant.organization_id,
            env=grant.env,
        )


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
