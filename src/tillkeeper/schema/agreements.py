"""What organizations agree on."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Named,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    TypedColumns,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from tillkeeper.core.status import AgreementKind, AgreementParty, AgreementState
from tillkeeper.schema.base import enum, metadata

_TIME = TIMESTAMP(timezone=True)


class AgreementColumns(TypedColumns):
    """One copy for each party, behind its own walls: of the others it holds what it may know."""

    organization_id: Named[UUID] = Column(ForeignKey("organizations.id", ondelete="CASCADE"))
    # The same in every copy.
    id: Named[UUID]
    kind: Named[AgreementKind] = Column(enum(AgreementKind, "agreement_kind"))
    state: Named[AgreementState] = Column(enum(AgreementState, "agreement_state"))
    about_organization_id: Named[UUID]
    parties_wanted: Named[int] = Column(SmallInteger)
    note: Named[str | None] = Column(Text)
    withhold_billing: Named[bool | None] = Column(Boolean)
    gln: Named[str | None] = Column(Text)
    proposed_at: Named[datetime] = Column(_TIME)
    expires_at: Named[datetime] = Column(_TIME)
    executed_at: Named[datetime | None] = Column(_TIME)
    undo_seconds: Named[int] = Column(Integer)
    undo_ends_at: Named[datetime | None] = Column(_TIME)
    closed_at: Named[datetime | None] = Column(_TIME)
    # This party's own.
    party: Named[AgreementParty] = Column(enum(AgreementParty, "agreement_party"))
    with_organization_id: Named[UUID | None]
    accepted_at: Named[datetime | None] = Column(_TIME)
    # In the giver's copy, for the doors alone: what an undo puts back.
    former: Named[dict[str, object] | None] = Column(JSONB)


agreements = Table(
    "agreements", metadata, AgreementColumns, PrimaryKeyConstraint("organization_id", "id")
)
Index(None, agreements.c.id)
Index(
    "ix_agreements_by_time",
    agreements.c.organization_id,
    agreements.c.proposed_at,
    agreements.c.id,
)
Index("ix_agreements_about", agreements.c.about_organization_id, agreements.c.kind)
# Nobody is asked the same twice at once.
Index(
    "uq_agreements_proposed",
    agreements.c.organization_id,
    agreements.c.about_organization_id,
    agreements.c.kind,
    unique=True,
    postgresql_where=text("party IN ('asking', 'giving') AND state = 'proposed'"),
)
