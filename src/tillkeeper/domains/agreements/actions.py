"""What organizations agree on, and what comes of it."""

from datetime import timedelta
from uuid import UUID

from msgspec import structs

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import (
    AgreementBlocked,
    AgreementNotFound,
    AgreementNotOpen,
    AgreementPending,
    SchemaViolation,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import AgreementKind, AgreementParty, AgreementState
from tillkeeper.domains.agreements import changes, queries, rules
from tillkeeper.domains.agreements.changes import Proposal
from tillkeeper.domains.agreements.events import (
    AgreementAccepted,
    AgreementDeclined,
    AgreementEnded,
    AgreementExecuted,
    AgreementProposed,
    AgreementWithdrawn,
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
    agreement = await ask_payer(grant, grant.organization_id, wanted)
    return structs.replace(agreement, analysis=await analyse(grant, agreement))


async def ask_payer(grant: Grant, about: UUID, wanted: AgreementPropose) -> Agreement:
    """Ask an organization out of the actor's reach to pay for one within it."""
    terms = {
        "note": wanted.note,
        "withhold_billing": wanted.withhold_billing,
        "gln": wanted.gln,
        "proposed_at": grant.op.now,
        "expires_at": grant.op.now + timedelta(seconds=wanted.expires_in_seconds),
        "undo_seconds": 0,
    }
    named = wanted.with_organization_id
    proposal = Proposal(uuid4(), AgreementKind.PAYER, about, grant.reader_id, named, terms)
    return await _propose(grant, proposal)


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
        await changes.lock_concerned(grant, agreement_id)
    found = await queries.analyse(grant, agreement)
    analysis = rules.analysis_for(agreement.party, found)
    if is_complete:
        if any(each.is_blocker for each in found):
            raise AgreementBlocked([each.name for each in analysis.blockers])
        await _execute(grant, agreement, parties)
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


async def _locked(grant: Grant, agreement_id: UUID) -> tuple[Agreement, list[UUID]]:
    agreement = await queries.lock_agreement(grant, agreement_id)
    if agreement is None:
        raise AgreementNotFound(agreement_id)
    parties = await queries.lock_parties(grant, agreement_id)
    rules.check_decides(grant, parties)
    return agreement, parties


async def _propose(grant: Grant, proposal: Proposal) -> Agreement:
    parties = await changes.propose(grant, proposal)
    if not parties:
        raise AgreementPending
    agreement_id = proposal.agreement_id
    event = AgreementProposed(agreement_id=agreement_id, kind=proposal.kind)
    await changes.record(grant, agreement_id, event, parties)
    proposed = await queries.find_agreement(grant, agreement_id, of=proposal.proposer)
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
    about = agreement.about_organization_id
    written = await changes.execute_payer(grant, agreement)
    event = AgreementExecuted(agreement_id=agreement.id, kind=agreement.kind)
    await changes.record(grant, agreement.id, event, parties)
    changed = OrganizationPayerChanged(organization_id=about)
    await changes.record(grant, agreement.id, changed, [about], written)


async def _end_payer(grant: Grant, agreement: Agreement, parties: list[UUID]) -> None:
    about = agreement.about_organization_id
    await changes.lock_concerned(grant, agreement.id)
    written = await changes.end_payer(grant, agreement)
    event = AgreementEnded(agreement_id=agreement.id, kind=agreement.kind)
    await changes.record(grant, agreement.id, event, parties)
    changed = OrganizationPayerChanged(organization_id=about)
    await changes.record(grant, agreement.id, changed, [about], written)
