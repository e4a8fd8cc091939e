"""Answers kept for those who did not receive them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Named,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    TypedColumns,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.core.env import Env
from tillkeeper.schema.base import ENV, metadata


class KeptAnswerColumns(TypedColumns):
    """The id is a MAC of the client's key and the route; the answer is sealed under that key."""

    organization_id: Named[UUID] = Column(ForeignKey("organizations.id", ondelete="CASCADE"))
    env: Named[Env] = Column(ENV)
    id: Named[bytes] = Column(LargeBinary)
    fingerprint: Named[bytes] = Column(LargeBinary)
    status: Named[int | None] = Column(SmallInteger)
    answer: Named[bytes | None] = Column(LargeBinary)
    answer_ends_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    ends_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    # The newest version of the pepper that this claim has a name for, here or in a row beside.
    pepper_version: Named[int | None] = Column(Integer)


kept_answers = Table(
    "kept_answers",
    metadata,
    KeptAnswerColumns,
    PrimaryKeyConstraint("organization_id", "env", "id"),
)
Index(None, kept_answers.c.ends_at)
