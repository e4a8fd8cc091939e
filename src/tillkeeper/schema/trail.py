"""What happened: kept in the audit, announced through the outbox."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
    text,
)
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
    address: Named[str | None] = Column(Text)
    agent: Named[str | None] = Column(Text)
    target_kind: Named[str | None] = Column(Text)
    target_id: Named[UUID | None]
    before: Named[dict[str, object] | None] = Column(JSONB(none_as_null=True))
    after: Named[dict[str, object] | None] = Column(JSONB(none_as_null=True))
    # The transaction that wrote the row: seals take rows in this order.
    tx: Named[int] = Column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))
    # Counts the lives of the cluster: transaction ids begin anew after a restore.
    epoch: Named[int] = Column(Integer, server_default="1")
    # Hides in a seal what a reader may not guess.
    salt: Named[UUID] = Column(server_default=text("gen_random_uuid()"))


class OutboxColumns(TypedColumns):
    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    id: Named[UUID]
    at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    event: Named[str] = Column(Text)
    details: Named[dict[str, str]] = Column(JSONB)


class SealColumns(TypedColumns):
    """Nobody's: digests of rows, no row. The body is signed as it stands."""

    number: Named[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    body: Named[str] = Column(Text)
    signature: Named[bytes] = Column(LargeBinary)
    # The hashes of its rows in their order, 32 bytes each: what proofs are made of.
    leaves: Named[bytes] = Column(LargeBinary)
    epoch: Named[int] = Column(Integer)
    tx_from: Named[int] = Column(BigInteger)
    tx_upto: Named[int] = Column(BigInteger)


audit_rows = Table(
    "audit_rows", metadata, AuditColumns, PrimaryKeyConstraint("organization_id", "env", "id")
)
# The env in the key serves its wall alone: comparing enums is not leakproof. Lists walk this one.
Index("ix_audit_rows_by_organization", audit_rows.c.organization_id, audit_rows.c.id)
Index("ix_audit_rows_by_tx", audit_rows.c.epoch, audit_rows.c.tx, audit_rows.c.id)
outbox_rows = Table(
    "outbox_rows", metadata, OutboxColumns, PrimaryKeyConstraint("organization_id", "env", "id")
)
audit_seals = Table("audit_seals", metadata, SealColumns)
Index("ix_audit_seals_by_tx", audit_seals.c.epoch, audit_seals.c.tx_upto)
