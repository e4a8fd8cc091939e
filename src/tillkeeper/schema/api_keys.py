"""API keys."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Named,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, JSONB, TIMESTAMP

from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, KeyStatus
from tillkeeper.schema.base import ENV, enum, metadata

# A notice that was due before the key was made is none: whoever makes a key for a day knows it.
_NOTICE_STAGE = (
    "CASE WHEN noticed_for = expires_at THEN noticed "
    "WHEN expires_at - created_at < interval '1 day' THEN 3 "
    "WHEN expires_at - created_at < interval '7 days' THEN 2 "
    "WHEN expires_at - created_at < interval '30 days' THEN 1 ELSE 0 END"
)


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
    expires_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    not_before: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    # None: all that the organization's position allows.
    permissions: Named[list[str] | None] = Column(ARRAY(Text))
    reach: Named[KeyReach] = Column(enum(KeyReach, "key_reach"), server_default="all")
    reach_organization_ids: Named[list[UUID] | None] = Column(ARRAY(Uuid))
    allowed_ips: Named[list[IPv4Network | IPv6Network] | None] = Column(ARRAY(CIDR))
    areas: Named[list[str] | None] = Column(ARRAY(Text))
    vat_number: Named[str | None] = Column(Text)
    # Counts the secrets: a token knows with which one it was bought, and dies with it.
    generation: Named[int] = Column(Integer, server_default="0")
    previous_digest: Named[bytes | None] = Column(LargeBinary)
    previous_ends_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    # The last notice of its end, 1 to 4, and the end that it was about: another end begins anew.
    noticed: Named[int | None] = Column(SmallInteger)
    noticed_for: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    notice_stage: Named[int] = Column(SmallInteger, Computed(_NOTICE_STAGE, persisted=True))
    # When a found secret was last told of: once an hour is enough.
    leaked_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    # Under which pepper the two digests are; None: written before that was kept.
    pepper_version: Named[int | None] = Column(Integer)
    previous_pepper_version: Named[int | None] = Column(Integer)


api_keys = Table(
    "api_keys",
    metadata,
    ApiKeyColumns,
    PrimaryKeyConstraint("organization_id", "env", "id"),
    UniqueConstraint("organization_id", "env", "name"),
    CheckConstraint("expires_at > not_before", "times"),
    CheckConstraint("(reach = 'listed') = (reach_organization_ids IS NOT NULL)", "listed"),
)
# For secrets that somebody has found: they are looked up without their key.
Index(None, api_keys.c.secret_digest)
Index(None, api_keys.c.previous_digest, postgresql_where=text("previous_digest IS NOT NULL"))
# In each stage the ends come first that are due first: no notice is looked for among those that
# are not due.
Index(
    "ix_api_keys_by_notice",
    api_keys.c.notice_stage,
    api_keys.c.expires_at,
    postgresql_where=text("status = 'enabled' AND expires_at IS NOT NULL AND notice_stage < 4"),
)
