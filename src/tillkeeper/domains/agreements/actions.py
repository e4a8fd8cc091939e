"""What organizations agree on, and what comes of it."""

from datetime import timedelta
from uuid import UUID

from msgspec import structs

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Event
from tillkeeper.core.errors import (
    AgreementBlocked,
    AgreementNotFound,
    AgreementNotOpen,
    AgreementPending,
    OrganizationNotFound,
    SchemaViolation,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import AgreementKind, AgreementParty, AgreementState
from tillkeeper.domains.agreements import changes, queries, rules
from tillkeeper.domains.agreements.changes import Proposal, Written
from tillkeeper.domains.agreements.events import (
    AgreementAccepted,
    AgreementDeclined,
    AgreementEnded,
    AgreementExecuted,
    AgreementProposed,
    AgreementUndone,
    AgreementWithdrawn,
    OrganizationHandedOver,
    OrganizationMoved,
    OrganizationPayerChanged,
)
from tillkeeper.domains.agreements.wire import Agreement, AgreementPropose, Analysis


async def propose(grant: Grant, wanted: AgreementPropose) -> Agreement:
    """Ask for an agreement about the granted organization.

    Answers alike whoever is named: one that does not exist, or is no main organization, never
    accepts, and the proposal expires.
    """
    if wanted.with_organization_id == grant.organization_id:
        raise SchemaViolation("body.with_organization_id", "should be another organization")
    if wanted.kind is AgreementKind.PAYER:
        agreement = await ask_payer(grant, grant.organization_id, wanted)
    else:
        agreement = await _offer(grant, wanted)
    return structs.replace(agreement, analysis=await analyse(grant, agreement))


async def ask_payer(grant: Grant, about: UUID, wanted: AgreementPropose) -> Agreement:
    """Ask an organization out of the actor's reach to pay for one within it."""
    return await _propose(grant, wanted, about=about, proposer=grant.reader_id)


async def _offer(grant: Grant, wanted: AgreementPropose) -> Agreement:
    """Offer to give the granted organization to another one, or to give it up."""
    rules.check_above(grant)
    above = await queries.find_above(grant)
    if above is None:
        raise OrganizationNotFound(grant.organization_id)
    giver = rules.giver_of(wanted, above)
    return await _propose(grant, wanted, about=grant.organization_id, proposer=giver)


async def ask_payer_instead(grant: Grant, about: UUID, wanted: AgreementPropose) -> Agreement:
    """Ask a payer in the place of whom the actor's organization has asked before.

    Who is named again on the same terms is not asked again.
    """
    asked = await queries.find_asked(grant, about, AgreementState.PROPOSED)
    if asked is not None:
        if rules.terms_of(asked) == rules.terms_of(wanted):
            return asked
        await _close(grant, asked, AgreementState.WITHDRAWN)
    return await ask_payer(grant, about, wanted)


async def let_go(grant: Grant, about: UUID, payer: UUID | None) -> None:
    """End what the actor's organization has asked of payers: now another pays, or nobody."""
    asked = await queries.find_asked(grant, about, AgreementState.PROPOSED)
    if asked is not None:
        await _close(grant, asked, AgreementState.WITHDRAWN)
    paid = await queries.find_asked(grant, about, AgreementState.EXECUTED)
    if paid is not None and paid.with_organization_id != payer:
        await _close(grant, paid, AgreementState.ENDED)


async def analyse(grant: Grant, agreement: Agreement) -> Analysis:
    """Return what stands in the way, and what this party should know."""
    return rules.analysis_for(agreement.party, await queries.analyse(grant, agreement))


async def accept(grant: Grant, agreement_id: UUID) -> Agreement:
    """Accept for the granted organization; the last party's acceptance carries it out."""
    agreement, parties = await _locked(grant, agreement_id)
    rules.check_undecided(agreement)
    is_complete = await changes.accept(grant, agreement_id)
    accepted = AgreementAccepted(agreement_id=agreement_id, kind=agreement.kind)
    await changes.record(grant, agreement_id, accepted, [grant.organization_id])
    if is_complete:
        analysis = await _unblocked(grant, agreement)
        await _execute(grant, agreement, parties)
    else:
        analysis = await analyse(grant, agreement)
    changed = await queries.get_agreement(grant, agreement_id)
    return structs.replace(changed, analysis=analysis)


async def decline(grant: Grant, agreement_id: UUID) -> Agreement:
    """Say no for the granted organization, and so for all."""
    agreement, _ = await _locked(grant, agreement_id)
    rules.check_undecided(agreement)
    await _close(grant, agreement, AgreementState.DECLINED)
    return await queries.get_agreement(grant, agreement_id)


async def withdraw(grant: Grant, agreement_id: UUID) -> Agreement:
    """Take back one's own proposal, or as a payer one's consent, with effect from now on."""
    agreement, parties = await _locked(grant, agreement_id)
    if agreement.party == AgreementParty.PAYING and agreement.state == AgreementState.EXECUTED:
        await _end_payer(grant, agreement, parties)
    elif agreement.party in rules.PROPOSERS and agreement.state == AgreementState.PROPOSED:
        await _close(grant, agreement, AgreementState.WITHDRAWN)
    else:
        raise AgreementNotOpen(agreement.state)
    return await queries.get_agreement(grant, agreement_id)


async def undo(grant: Grant, agreement_id: UUID) -> Agreement:
    """Put a moved or handed over organization back where it was, for who gave or received it."""
    agreement, parties = await _locked(grant, agreement_id)
    rules.check_undoable(agreement, grant.op.now)
    await _unblocked(grant, agreement)
    written = await changes.undo_transfer(grant, agreement)
    event = AgreementUndone(agreement_id=agreement_id, kind=agreement.kind)
    await _record(grant, agreement, parties, event, written)
    return await queries.get_agreement(grant, agreement_id)


async def _unblocked(grant: Grant, agreement: Agreement) -> Analysis:
    """Refuse where anything stands in the way, on any side; what is concerned is locked by now."""
    found = await queries.analyse(grant, agreement)
    analysis = rules.analysis_for(agreement.party, found)
    if any(each.is_blocker for each in found):
        raise AgreementBlocked([each.name for each in analysis.blockers])
    return analysis


async def _locked(grant: Grant, agreement_id: UUID) -> tuple[Agreement, list[UUID]]:
    agreement = await queries.lock_agreement(grant, agreement_id)
    if agreement is None:
        raise AgreementNotFound(agreement_id)
    parties = await queries.lock_parties(grant, agreement_id)
    rules.check_decides(grant, parties)
    return agreement, parties


async def _propose(
    grant: Grant, wanted: AgreementPropose, *, about: UUID, proposer: UUID
) -> Agreement:
    agreement_id, named = uuid4(), wanted.with_organization_id
    terms = {
        "note": wanted.note,
        "withhold_billing": wanted.withhold_billing,
        "gln": wanted.gln,
        "proposed_at": grant.op.now,
        "expires_at": grant.op.now + timedelta(seconds=wanted.expires_in_seconds),
        "undo_seconds": wanted.undo_seconds,
    }
    proposal = Proposal(agreement_id, wanted.kind, about, proposer, named, terms)
    parties = await changes.propose(grant, proposal)
    if not parties:
        raise AgreementPending
    event = AgreementProposed(agreement_id=agreement_id, kind=proposal.kind)
    await changes.record(grant, agreement_id, event, parties)
    proposed = await queries.find_agreement(grant, agreement_id, of=proposer)
    if proposed is None:
        raise AgreementNotFound(agreement_id)
    return proposed


_CLOSED = {
    AgreementState.DECLINED: AgreementDeclined,
    AgreementState.WITHDRAWN: AgreementWithdrawn,
    AgreementState.ENDED: AgreementEnded,
}


async def _close(grant: Grant, agreement: Agreement, state: AgreementState) -> None:
    parties = await queries.lock_parties(grant, agreement.id)
    await changes.close(grant, agreement.id, state)
    event = _CLOSED[state](agreement_id=agreement.id, kind=agreement.kind)
    await changes.record(grant, agreement.id, event, parties)


async def _execute(grant: Grant, agreement: Agreement, parties: list[UUID]) -> None:
    if agreement.kind == AgreementKind.PAYER:
        written = await changes.execute_payer(grant, agreement)
    else:
        written = await changes.execute_transfer(grant, agreement)
    event = AgreementExecuted(agreement_id=agreement.id, kind=agreement.kind)
    await _record(grant, agreement, parties, event, written)


async def _end_payer(grant: Grant, agreement: Agreement, parties: list[UUID]) -> None:
    written = await changes.end_payer(grant, agreement)
    event = AgreementEnded(agreement_id=agreement.id, kind=agreement.kind)
    await _record(grant, agreement, parties, event, written)


_HAPPENS: dict[str, type[Event]] = {
    AgreementKind.PAYER: OrganizationPayerChanged,
    AgreementKind.MOVE: OrganizationMoved,
    AgreementKind.HANDOVER: OrganizationHandedOver,
}


async def _record(
    grant: Grant, agreement: Agreement, parties: list[UUID], event: Event, written: Written | None
) -> None:
    """Tell each party what came of the agreement, and the organization what came of it."""
    await changes.record(grant, agreement.id, event, parties)
    about = agreement.about_organization_id
    happened = _HAPPENS[agreement.kind](organization_id=about)
    await changes.record(grant, agreement.id, happened, [about], written)
