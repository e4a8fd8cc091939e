"""The authorities that certify the keys of TSS."""

from datetime import datetime

from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.core.env import Env
from tillkeeper.schema.base import ENV, metadata


class SigningAuthorityColumns(TypedColumns):
    """Of the installation and nobody's own: seen through doors alone. The keys are sealed."""

    env: Named[Env] = Column(ENV)
    generation: Named[int] = Column(Integer, autoincrement=False)
    issuer_id: Named[str] = Column(Text)
    root_certificate: Named[bytes] = Column(LargeBinary)
    root_key: Named[bytes] = Column(LargeBinary)
    issuer_certificate: Named[bytes] = Column(LargeBinary)
    issuer_key: Named[bytes] = Column(LargeBinary)
    created_at: Named[datetime] = Column(TIMESTAMP(timezone=True))


signing_authorities = Table(
    "signing_authorities",
    metadata,
    SigningAuthorityColumns,
    PrimaryKeyConstraint("env", "generation"),
    UniqueConstraint("issuer_id"),
)
