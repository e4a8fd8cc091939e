"""TSS, their clients, their transactions, and everything that they have signed.

Times are Unix seconds, as they are signed and shown. Below a TSS the env closes each key instead of
following the organization: comparing enums is not leakproof, so under the walls no index is used
past it, and these are the tables that grow. The constraint is the same.
"""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tillkeeper.core.env import Env
from tillkeeper.core.status import ClientState, TransactionState, TssState
from tillkeeper.schema.base import ENV, enum, metadata

CLIENT_STATE = enum(ClientState, "client_state")
TRANSACTION_STATE = enum(TransactionState, "transaction_state")
TSS_STATE = enum(TssState, "tss_state")


class TssColumns(TypedColumns):
    """The counters are here and nowhere else: whoever signs locks this row first."""

    organization_id: Named[UUID] = Column(ForeignKey("organizations.id", ondelete="CASCADE"))
    env: Named[Env] = Column(ENV)
    id: Named[UUID]
    state: Named[TssState] = Column(TSS_STATE)
    unit: Named[str] = Column(Text)
    key_version: Named[int] = Column(Integer)
    sealed_key: Named[bytes] = Column(LargeBinary)
    point: Named[bytes] = Column(LargeBinary)
    serial_number: Named[str] = Column(Text)
    certificate: Named[bytes] = Column(LargeBinary)
    certificate_ends_at: Named[int] = Column(BigInteger)
    description: Named[str | None] = Column(Text)
    metadata: Named[dict[str, str]] = Column(JSONB)
    puk_digest: Named[str] = Column(Text)
    # The PUK itself, for as long as its TSS is CREATED and nobody may have seen the first answer.
    sealed_puk: Named[bytes | None] = Column(LargeBinary)
    pin_digest: Named[str | None] = Column(Text)
    failed_logins: Named[int] = Column(Integer, server_default="0")
    admin_until: Named[int | None] = Column(BigInteger)
    signature_counter: Named[int] = Column(BigInteger, server_default="0")
    transaction_counter: Named[int] = Column(BigInteger, server_default="0")
    registered_clients: Named[int] = Column(Integer, server_default="0")
    active_transactions: Named[int] = Column(Integer, server_default="0")
    last_signed_at: Named[int] = Column(BigInteger, server_default="0")
    # The database that it signs in: in a copy of it nothing is signed until that is declared.
    home: Named[str] = Column(Text, server_default=text("signing_home()"))
    # How many numbers were left out since its last signature, which the next one says first.
    skipped: Named[int] = Column(BigInteger, server_default="0")
    time_creation: Named[int] = Column(BigInteger)
    time_uninit: Named[int | None] = Column(BigInteger)
    time_init: Named[int | None] = Column(BigInteger)
    time_defective: Named[int | None] = Column(BigInteger)
    time_disable: Named[int | None] = Column(BigInteger)
    # What it stands in for, since it was created: one at most stands in for another.
    replaces: Named[UUID | None]


tss = Table(
    "tss",
    metadata,
    TssColumns,
    PrimaryKeyConstraint("organization_id", "env", "id"),
    CheckConstraint("(sealed_puk IS NOT NULL) = (state = 'CREATED')", "puk_while_created"),
    CheckConstraint("signature_counter >= transaction_counter", "counters"),
    CheckConstraint("registered_clients >= 0 AND active_transactions >= 0", "counts"),
    CheckConstraint("skipped >= 0", "skipped"),
    CheckConstraint("replaces <> id", "replaces_another"),
    ForeignKeyConstraint(
        ["organization_id", "env", "replaces"],
        ["tss.organization_id", "tss.env", "tss.id"],
        name="fk_tss_replaces",
    ),
)
# Which organization in reach a TSS belongs to.
Index("ix_tss_id", tss.c.id)
Index("ix_tss_in_list_order", tss.c.organization_id, tss.c.time_creation, tss.c.id)
Index(
    "uq_tss_replaces",
    tss.c.organization_id,
    tss.c.replaces,
    tss.c.env,
    unique=True,
    postgresql_where=tss.c.replaces.is_not(None),
)


def _of_tss(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["organization_id", "env", "tss_id"],
        ["tss.organization_id", "tss.env", "tss.id"],
        name=name,
        ondelete="CASCADE",
    )


class TssClientColumns(TypedColumns):
    """Ids are chosen by clients: unique in an organization and env, whichever the TSS."""

    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    id: Named[UUID]
    tss_id: Named[UUID]
    state: Named[ClientState] = Column(CLIENT_STATE)
    serial_number: Named[str] = Column(Text)
    metadata: Named[dict[str, str]] = Column(JSONB)
    time_creation: Named[int] = Column(BigInteger)
    time_update: Named[int | None] = Column(BigInteger)
    # As of a TSS; the one that is replaced may be on another TSS.
    replaces: Named[UUID | None]


tss_clients = Table(
    "tss_clients",
    metadata,
    TssClientColumns,
    PrimaryKeyConstraint("organization_id", "id", "env"),
    UniqueConstraint("organization_id", "tss_id", "id", "env", name="uq_tss_clients_id_of_tss"),
    UniqueConstraint(
        "organization_id", "tss_id", "serial_number", "env", name="uq_tss_clients_serial"
    ),
    _of_tss("fk_tss_clients_tss"),
    CheckConstraint("replaces <> id", "replaces_another"),
    ForeignKeyConstraint(
        ["organization_id", "env", "replaces"],
        ["tss_clients.organization_id", "tss_clients.env", "tss_clients.id"],
        name="fk_tss_clients_replaces",
    ),
)
Index(
    "uq_tss_clients_replaces",
    tss_clients.c.organization_id,
    tss_clients.c.replaces,
    tss_clients.c.env,
    unique=True,
    postgresql_where=tss_clients.c.replaces.is_not(None),
)


class TransactionColumns(TypedColumns):
    """The latest revision; what each revision said is in its log message."""

    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    tss_id: Named[UUID]
    number: Named[int] = Column(BigInteger)
    id: Named[UUID]
    client_id: Named[UUID]
    state: Named[TransactionState] = Column(TRANSACTION_STATE)
    latest_revision: Named[int] = Column(Integer)
    # Of the first revision that had one: it stays what it is.
    process_type: Named[str | None] = Column(Text)
    time_start: Named[int] = Column(BigInteger)
    time_end: Named[int | None] = Column(BigInteger)
    metadata: Named[dict[str, str]] = Column(JSONB)


transactions = Table(
    "transactions",
    metadata,
    TransactionColumns,
    PrimaryKeyConstraint("organization_id", "tss_id", "number", "env"),
    UniqueConstraint("organization_id", "tss_id", "id", "env", name="uq_transactions_id"),
    _of_tss("fk_transactions_tss"),
    ForeignKeyConstraint(
        ["organization_id", "env", "tss_id", "client_id"],
        ["tss_clients.organization_id", "tss_clients.env", "tss_clients.tss_id", "tss_clients.id"],
        name="fk_transactions_client",
    ),
    CheckConstraint("(time_end IS NULL) = (state = 'ACTIVE')", "ended"),
)
Index(
    "ix_transactions_in_list_order",
    transactions.c.organization_id,
    transactions.c.time_start,
    transactions.c.tss_id,
    transactions.c.number,
)
Index(
    "ix_transactions_by_client",
    transactions.c.organization_id,
    transactions.c.tss_id,
    transactions.c.client_id,
    transactions.c.number,
)


class LogMessageColumns(TypedColumns):
    """One for each signature of a TSS, written once. `message` is what an export holds.

    A message of a transaction is a revision of it, and keeps what that revision answers.
    """

    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    tss_id: Named[UUID]
    counter: Named[int] = Column(BigInteger)
    signed_at: Named[int] = Column(BigInteger)
    operation: Named[str] = Column(Text)
    message: Named[bytes] = Column(LargeBinary)
    file_name: Named[str] = Column(Text)
    # Who had it signed: these are not in the audit, which would hold each of them twice.
    actor_id: Named[UUID]
    operation_id: Named[str] = Column(Text)
    transaction_number: Named[int | None] = Column(BigInteger)
    revision: Named[int | None] = Column(Integer)
    state: Named[TransactionState | None] = Column(TRANSACTION_STATE)
    client_id: Named[UUID | None]
    schema: Named[dict[str, object] | None] = Column(JSONB(none_as_null=True))
    signature: Named[bytes | None] = Column(LargeBinary)


log_messages = Table(
    "log_messages",
    metadata,
    LogMessageColumns,
    PrimaryKeyConstraint("organization_id", "tss_id", "counter", "env"),
    _of_tss("fk_log_messages_tss"),
    ForeignKeyConstraint(
        ["organization_id", "env", "tss_id", "transaction_number"],
        [
            "transactions.organization_id",
            "transactions.env",
            "transactions.tss_id",
            "transactions.number",
        ],
        name="fk_log_messages_transaction",
        ondelete="CASCADE",
    ),
    CheckConstraint(
        "num_nulls(transaction_number, revision, state, client_id, schema, signature) IN (0, 6)",
        "is_whole",
    ),
)
Index(
    "ix_log_messages_revision",
    log_messages.c.organization_id,
    log_messages.c.tss_id,
    log_messages.c.transaction_number,
    log_messages.c.revision,
    log_messages.c.env,
    unique=True,
    postgresql_where=log_messages.c.transaction_number.is_not(None),
)
