"""Secrets that somebody has found, until it is known whose they are."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary, Named, Table, Text, TypedColumns
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.schema.base import metadata


class LeakReportColumns(TypedColumns):
    """Nobody's: a digest under each pepper, and who sent it. A known secret and others alike."""

    digest: Named[bytes] = Column(LargeBinary, primary_key=True)
    at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    operation_id: Named[str] = Column(Text)
    address: Named[str | None] = Column(Text)
    agent: Named[str | None] = Column(Text)


leak_reports = Table("leak_reports", metadata, LeakReportColumns)
