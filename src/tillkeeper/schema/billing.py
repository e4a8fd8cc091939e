"""Where bills are sent."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Named, PrimaryKeyConstraint, Table, Text, TypedColumns
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
