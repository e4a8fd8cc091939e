"""Mail that waits to be sent."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Named,
    Table,
    TypedColumns,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.core.mail import Language
from tillkeeper.schema.base import enum, metadata


class MailColumns(TypedColumns):
    """Behind doors alone. What a mail says, and to whom, is gone once it is settled."""

    id: Named[UUID] = Column(primary_key=True)
    # For whose people it is, where it is for those of one organization.
    organization_id: Named[UUID | None] = Column(
        ForeignKey("organizations.id", ondelete="CASCADE"), index=True
    )
    language: Named[Language] = Column(enum(Language, "language"))
    sealed: Named[bytes | None] = Column(LargeBinary)
    pepper_version: Named[int] = Column(Integer)
    created_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    ends_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    attempts: Named[int] = Column(Integer, server_default="0")
    # None once it is settled: sent, or given up.
    next_try_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    sent_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))


mails = Table("mails", metadata, MailColumns)
Index("ix_mails_due", mails.c.next_try_at, postgresql_where=mails.c.next_try_at.is_not(None))
Index("ix_mails_settled", mails.c.created_at, postgresql_where=mails.c.next_try_at.is_(None))
