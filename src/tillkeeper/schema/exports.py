"""Exports of what TSS have signed."""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
)
from sqlalchemy.dialects.postgresql import JSONB

from tillkeeper.core.env import Env
from tillkeeper.core.status import ExportState
from tillkeeper.schema.base import ENV, enum, metadata

EXPORT_STATE = enum(ExportState, "export_state")


class ExportColumns(TypedColumns):
    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    tss_id: Named[UUID]
    id: Named[UUID]
    state: Named[ExportState] = Column(EXPORT_STATE)
    # What was asked for, as it was understood: two with the same are one too many.
    filters: Named[dict[str, int | str]] = Column(JSONB)
    metadata: Named[dict[str, str]] = Column(JSONB)
    # The newest signature at the time of the request: what comes later is not in it.
    upto_counter: Named[int] = Column(BigInteger)
    # Counts the workers that took it: only the last one may go on.
    fence: Named[int] = Column(Integer, server_default="0")
    done_upto: Named[int] = Column(BigInteger, server_default="0")
    exception: Named[str | None] = Column(Text)
    file_path: Named[str | None] = Column(Text)
    time_request: Named[int] = Column(BigInteger)
    time_start: Named[int | None] = Column(BigInteger)
    time_end: Named[int | None] = Column(BigInteger)
    time_expiration: Named[int | None] = Column(BigInteger)
    time_error: Named[int | None] = Column(BigInteger)


exports = Table(
    "exports",
    metadata,
    ExportColumns,
    PrimaryKeyConstraint("organization_id", "env", "tss_id", "id"),
    ForeignKeyConstraint(
        ["organization_id", "env", "tss_id"],
        ["tss.organization_id", "tss.env", "tss.id"],
        name="fk_exports_tss",
        ondelete="CASCADE",
    ),
    CheckConstraint("file_path IS NULL OR state = 'COMPLETED'", "file_of_completed"),
    CheckConstraint("(exception IS NOT NULL) = (state = 'ERROR')", "exception_of_error"),
)
Index("ix_exports_in_list_order", exports.c.organization_id, exports.c.time_request, exports.c.id)
# What a chore has to look at: files whose time is over, and work that does not end.
Index(
    "ix_exports_files",
    exports.c.time_expiration,
    postgresql_where=exports.c.file_path.is_not(None),
)
Index(
    "ix_exports_open",
    exports.c.time_request,
    postgresql_where=exports.c.time_end.is_(None) & exports.c.time_error.is_(None),
)
