"""API keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Column,
    ForeignKey,
    LargeBinary,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyStatus
from tillkeeper.schema.base import ENV, enum, metadata


class ApiKeyColumns(TypedColumns):
    organization_id: Named[UUID] = Column(ForeignKey("organizations.id", ondelete="CASCADE"))
    env: Named[Env] = Column(ENV)
    id: Named[UUID]
    key: Named[str] = Column(Text, unique=True)
    secret_digest: Named[bytes] = Column(LargeBinary)
    name: Named[str] = Column(Text)
    status: Named[KeyStatus] = Column(enum(KeyStatus, "key_status"))
    metadata: Named[dict[str, str]] = Column(JSONB)
    managed_by_organization_id: Named[UUID | None] = Column(
        ForeignKey("organizations.id", ondelete="SET NULL"), index=True
    )
    created_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    created_by_user: Named[UUID]
    created_by_organization_id: Named[UUID]


api_keys = Table(
    "api_keys",
    metadata,
    ApiKeyColumns,
    PrimaryKeyConstraint("organization_id", "env", "id"),
    UniqueConstraint("organization_id", "env", "name"),
)
