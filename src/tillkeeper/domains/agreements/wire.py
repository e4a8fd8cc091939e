"""Agreements on the wire."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta

from tillkeeper.core.status import AgreementKind, AgreementParty, AgreementState
from tillkeeper.core.wire import Gln, Line, Reply, Request


class AgreementPropose(Request, kw_only=True):
    kind: AgreementKind
    with_organization_id: UUID | None = None
    """Who is to pay, to manage or to administer; nobody, where administration is given up."""
    note: Line | None = None
    """Said to every party, in the proposer's words."""
    withhold_billing: bool | None = None
    gln: Gln | None = None
    undo_seconds: Annotated[int, Meta(ge=0, le=604_800)] = 86_400
    """For how long a move or a handover may be undone by who gave or received."""
    expires_in_seconds: Annotated[int, Meta(ge=3_600, le=7_776_000)] = 1_209_600

    def __post_init__(self) -> None:
        if self.with_organization_id is None and self.kind is not AgreementKind.HANDOVER:
            raise ValueError(f"with_organization_id is required for a {self.kind}")
        is_billed = self.withhold_billing is not None or self.gln is not None
        if is_billed and self.kind is not AgreementKind.PAYER:
            raise ValueError("withhold_billing and gln belong to a payer")


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
    undo_seconds: int | None = None
    undo_ends_at: int | None = None
    closed_at: int | None = None
    """When it was declined, withdrawn, undone or ended."""
    analysis: Analysis | None = None
    """In the answer to a proposal and an acceptance: what was found at that moment."""


class AgreementList(Reply, kw_only=True):
    data: list[Agreement]
    type: Literal["AGREEMENT_LIST"]
    has_more: bool
    next_cursor: str | None = None
