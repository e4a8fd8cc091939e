"""People, and the organizations they belong to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.core.status import Role
from tillkeeper.schema.base import enum, metadata


class UserColumns(TypedColumns):
    """One row a person, whatever they belong to; nobody but the two doors reads it."""

    id: Named[UUID] = Column(primary_key=True)
    email: Named[str] = Column(Text)
    compact_email: Named[str] = Column(Text, unique=True)
    password_digest: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(TIMESTAMP(timezone=True))


class MembershipColumns(TypedColumns):
    organization_id: Named[UUID] = Column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Named[UUID] = Column(ForeignKey("users.id"))
    role: Named[Role] = Column(enum(Role, "role"))
    # As the organization wrote them in its invitation: what the account says is not its business.
    email: Named[str] = Column(Text)
    first_name: Named[str | None] = Column(Text)
    last_name: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(TIMESTAMP(timezone=True))


users = Table("users", metadata, UserColumns)
memberships = Table(
    "memberships",
    metadata,
    MembershipColumns,
    PrimaryKeyConstraint("organization_id", "user_id"),
)
Index(None, memberships.c.user_id)
