"""What happened: kept in the audit, announced through the outbox."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Named, PrimaryKeyConstraint, Table, Text, TypedColumns
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from tillkeeper.core.env import Env
from tillkeeper.schema.base import ENV, metadata


class AuditColumns(TypedColumns):
    """No foreign key: what happened stays known when the organization is gone."""

    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    id: Named[UUID]
    at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    operation_id: Named[str] = Column(Text)
    actor_kind: Named[str] = Column(Text)
    actor_id: Named[UUID]
    actor_organization_id: Named[UUID]
    event: Named[str] = Column(Text)
    outcome: Named[str] = Column(Text)
    details: Named[dict[str, str]] = Column(JSONB)


class OutboxColumns(TypedColumns):
    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    id: Named[UUID]
    at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    event: Named[str] = Column(Text)
    details: Named[dict[str, str]] = Column(JSONB)


audit_rows = Table(
    "audit_rows", metadata, AuditColumns, PrimaryKeyConstraint("organization_id", "env", "id")
)
outbox_rows = Table(
    "outbox_rows", metadata, OutboxColumns, PrimaryKeyConstraint("organization_id", "env", "id")
)
