"""Where bills are sent, and to whom."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.schema.base import metadata


class BillingAddressColumns(TypedColumns):
    organization_id: Named[UUID] = Column(ForeignKey("organizations.id", ondelete="CASCADE"))
    id: Named[UUID]
    recipient: Named[str] = Column(Text)
    display_name: Named[str | None] = Column(Text)
    address_line1: Named[str] = Column(Text)
    address_line2: Named[str | None] = Column(Text)
    zip: Named[str] = Column(Text)
    town: Named[str] = Column(Text)
    country_code: Named[str] = Column(Text)
    vat_id: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(TIMESTAMP(timezone=True))


billing_addresses = Table(
    "billing_addresses",
    metadata,
    BillingAddressColumns,
    PrimaryKeyConstraint("organization_id", "id"),
)


class PayerPeriodColumns(TypedColumns):
    """Who paid for an organization from when to when; before the first row nobody was named.

    A trigger on `organizations` writes it, so that no statement can change the payer without it.
    """

    organization_id: Named[UUID] = Column(ForeignKey("organizations.id", ondelete="CASCADE"))
    starts_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    ends_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    # No foreign key: who paid stays known when the payer is gone. Null: nobody else than itself.
    bill_to_organization: Named[UUID | None]
    withhold_billing: Named[bool | None] = Column(Boolean)
    named_by_organization_id: Named[UUID | None]


payer_periods = Table(
    "payer_periods",
    metadata,
    PayerPeriodColumns,
    PrimaryKeyConstraint("organization_id", "starts_at"),
    CheckConstraint("ends_at > starts_at", "not_empty"),
)
Index(
    "uq_payer_periods_open",
    payer_periods.c.organization_id,
    unique=True,
    postgresql_where=text("ends_at IS NULL"),
)
