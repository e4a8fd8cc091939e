"""When keys were last used."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Named,
    PrimaryKeyConstraint,
    Table,
    TypedColumns,
)
from sqlalchemy.dialects.postgresql import INET, TIMESTAMP

from tillkeeper.core.env import Env
from tillkeeper.schema.base import ENV, metadata


class KeyUseColumns(TypedColumns):
    """Apart from the keys: what is written every few seconds is not where logins read."""

    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    key_id: Named[UUID]
    request_count: Named[int] = Column(BigInteger)
    last_used_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    last_used_ip: Named[str | None] = Column(INET)
    # Of a secret that a rotation has replaced: who still has to change.
    previous_used_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    previous_used_ip: Named[str | None] = Column(INET)


key_uses = Table(
    "key_uses",
    metadata,
    KeyUseColumns,
    PrimaryKeyConstraint("organization_id", "env", "key_id"),
    ForeignKeyConstraint(
        ["organization_id", "env", "key_id"],
        ["api_keys.organization_id", "api_keys.env", "api_keys.id"],
        name="fk_key_uses_key",
        ondelete="CASCADE",
    ),
)
