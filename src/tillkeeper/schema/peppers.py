"""Which process holds which versions of the installation's pepper."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.schema.base import metadata


class PepperHolderColumns(TypedColumns):
    """Nobody's: processes and versions, no secret. Written every few seconds by each process."""

    process_id: Named[UUID]
    version: Named[int] = Column(Integer)
    host: Named[str] = Column(Text)
    # Tells two peppers of one version apart: a file that was copied wrongly.
    fingerprint: Named[bytes] = Column(LargeBinary)
    is_active: Named[bool] = Column(Boolean)
    seen_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    # Until when tokens that this process has signed under this version may be alive.
    tokens_end_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))


pepper_holders = Table(
    "pepper_holders",
    metadata,
    PepperHolderColumns,
    PrimaryKeyConstraint("process_id", "version"),
)
