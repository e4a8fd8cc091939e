"""Agreements on the wire."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta

from tillkeeper.core.status import AgreementKind, AgreementParty, AgreementState
from tillkeeper.core.wire import Gln, Line, Reply, Request


class AgreementPropose(Request, kw_only=True):
    kind: Literal["payer"]
    with_organization_id: UUID
    """Who is to pay."""
    note: Line | None = None
    """Said to every party, in the proposer's words."""
    withhold_billing: bool | None = None
    gln: Gln | None = None
    expires_in_seconds: Annotated[int, Meta(ge=3_600, le=7_776_000)] = 1_209_600


class Finding(Reply, kw_only=True):
    """Something that stands in the way, or that a party should know before it accepts."""

    name: str
    message: str
    count: int | None = None
    api_key_ids: list[UUID] | None = None


class Analysis(Reply, kw_only=True):
    """As far as it is this party's business: of the other sides it says nothing."""

    blockers: list[Finding]
    warnings: list[Finding]
    type: Literal["AGREEMENT_ANALYSIS"]


class Agreement(Reply, kw_only=True):
    """One party's copy. Of the others it names whom the party has to know, by an opaque id."""

    apart: ClassVar[frozenset[str]] = frozenset({"analysis"})

    id: UUID
    type: Literal["AGREEMENT"]
    organization_id: UUID
    kind: AgreementKind
    party: AgreementParty
    state: AgreementState
    about_organization_id: UUID
    with_organization_id: UUID | None = None
    note: str | None = None
    withhold_billing: bool | None = None
    gln: str | None = None
    proposed_at: int
    expires_at: int
    accepted_at: int | None = None
    """When this party accepted; whether the others have is theirs to tell."""
    executed_at: int | None = None
    closed_at: int | None = None
    """When it was declined, withdrawn or ended."""
    analysis: Analysis | None = None
    """In the answer to a proposal and an acceptance: what was found at that moment."""


class AgreementList(Reply, kw_only=True):
    data: list[Agreement]
    type: Literal["AGREEMENT_LIST"]
    has_more: bool
    next_cursor: str | None = None
