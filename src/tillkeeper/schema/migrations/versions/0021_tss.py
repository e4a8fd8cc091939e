"""TSS, clients, transactions and log messages, and their walls."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tillkeeper.schema import walls
from tillkeeper.schema.base import ENV

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_TSS_STATE = postgresql.ENUM(
    "CREATED",
    "UNINITIALIZED",
    "INITIALIZED",
    "DISABLED",
    "DELETED",
    "DEFECTIVE",
    "EVICTED",
    name="tss_state",
    create_type=False,
)
_CLIENT_STATE = postgresql.ENUM(
    "REGISTERED", "DEREGISTERED", name="client_state", create_type=False
)
_TRANSACTION_STATE = postgresql.ENUM(
    "ACTIVE", "FINISHED", "CANCELLED", name="transaction_state", create_type=False
)
_JSONB = postgresql.JSONB(astext_type=sa.Text())
# Nobody who serves deletes anything here, and what is signed is written once.
_GRANTS = """
GRANT SELECT, INSERT ON tss, tss_clients, transactions, log_messages TO tillkeeper_api;
GRANT UPDATE (state, description, metadata, sealed_puk, pin_digest, failed_logins, admin_until,
  signature_counter, transaction_counter, registered_clients, active_transactions, last_signed_at,
  time_uninit, time_init, time_defective, time_disable) ON tss TO tillkeeper_api;
GRANT UPDATE (state, metadata, time_update) ON tss_clients TO tillkeeper_api;
GRANT UPDATE (state, client_id, latest_revision, process_type, time_end, metadata)
  ON transactions TO tillkeeper_api;
"""


def upgrade() -> None:
    for kind in (_TSS_STATE, _CLIENT_STATE, _TRANSACTION_STATE):
        kind.create(op.get_bind())
    _create_tss()
    _create_tss_clients()
    _create_transactions()
    _create_log_messages()
    for table in ("tss", "tss_clients", "transactions", "log_messages"):
        _run(walls.close_off(table))
    _run(_GRANTS)


def _column(name: str, kind: Any, *, nullable: bool = False, **options: Any) -> sa.Column[Any]:  # noqa: ANN401 - Core's own types
    return sa.Column(name, kind, nullable=nullable, **options)


def _whose() -> tuple[sa.Column[Any], sa.Column[Any]]:
    env = postgresql.ENUM(name=ENV.name, create_type=False)
    return _column("organization_id", sa.Uuid()), _column("env", env)


def _of_tss(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", "env", "tss_id"],
        ["tss.organization_id", "tss.env", "tss.id"],
        name=name,
        ondelete="CASCADE",
    )


_COUNTERS = {
    "signature_counter": sa.BigInteger(),
    "transaction_counter": sa.BigInteger(),
    "registered_clients": sa.Integer(),
    "active_transactions": sa.Integer(),
    "last_signed_at": sa.BigInteger(),
}


def _create_tss() -> None:
    op.create_table(
        "tss",
        *_whose(),
        _column("id", sa.Uuid()),
        _column("state", _TSS_STATE),
        _column("unit", sa.Text()),
        _column("key_version", sa.Integer()),
        _column("sealed_key", sa.LargeBinary()),
        _column("point", sa.LargeBinary()),
        _column("serial_number", sa.Text()),
        _column("certificate", sa.LargeBinary()),
        _column("description", sa.Text(), nullable=True),
        _column("metadata", _JSONB),
        _column("puk_digest", sa.Text()),
        _column("sealed_puk", sa.LargeBinary(), nullable=True),
        _column("pin_digest", sa.Text(), nullable=True),
        _column("failed_logins", sa.Integer(), server_default="0"),
        _column("admin_until", sa.BigInteger(), nullable=True),
        *(_column(name, kind, server_default="0") for name, kind in _COUNTERS.items()),
        _column("time_creation", sa.BigInteger()),
        *(
            _column(f"time_{name}", sa.BigInteger(), nullable=True)
            for name in ("uninit", "init", "defective", "disable")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_tss_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "env", "id", name=op.f("pk_tss")),
        sa.CheckConstraint(
            "(sealed_puk IS NOT NULL) = (state = 'CREATED')", name=op.f("ck_tss_puk_while_created")
        ),
        sa.CheckConstraint(
            "signature_counter >= transaction_counter", name=op.f("ck_tss_counters")
        ),
        sa.CheckConstraint(
            "registered_clients >= 0 AND active_transactions >= 0", name=op.f("ck_tss_counts")
        ),
    )
    op.create_index("ix_tss_id", "tss", ["id"], unique=False)
    op.create_index("ix_tss_in_list_order", "tss", ["organization_id", "time_creation", "id"])


def _create_tss_clients() -> None:
    op.create_table(
        "tss_clients",
        *_whose(),
        _column("id", sa.Uuid()),
        _column("tss_id", sa.Uuid()),
        _column("state", _CLIENT_STATE),
        _column("serial_number", sa.Text()),
        _column("metadata", _JSONB),
        _column("time_creation", sa.BigInteger()),
        _column("time_update", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", "env", name=op.f("pk_tss_clients")),
        sa.UniqueConstraint(
            "organization_id", "tss_id", "id", "env", name="uq_tss_clients_id_of_tss"
        ),
        sa.UniqueConstraint(
            "organization_id", "tss_id", "serial_number", "env", name="uq_tss_clients_serial"
        ),
        _of_tss("fk_tss_clients_tss"),
    )


def _create_transactions() -> None:
    op.create_table(
        "transactions",
        *_whose(),
        _column("tss_id", sa.Uuid()),
        _column("number", sa.BigInteger(), autoincrement=False),
        _column("id", sa.Uuid()),
        _column("client_id", sa.Uuid()),
        _column("state", _TRANSACTION_STATE),
        _column("latest_revision", sa.Integer()),
        _column("process_type", sa.Text(), nullable=True),
        _column("time_start", sa.BigInteger()),
        _column("time_end", sa.BigInteger(), nullable=True),
        _column("metadata", _JSONB),
        sa.PrimaryKeyConstraint(
            "organization_id", "tss_id", "number", "env", name=op.f("pk_transactions")
        ),
        sa.UniqueConstraint("organization_id", "tss_id", "id", "env", name="uq_transactions_id"),
        _of_tss("fk_transactions_tss"),
        sa.ForeignKeyConstraint(
            ["organization_id", "env", "tss_id", "client_id"],
            [
                "tss_clients.organization_id",
                "tss_clients.env",
                "tss_clients.tss_id",
                "tss_clients.id",
            ],
            name="fk_transactions_client",
        ),
        sa.CheckConstraint(
            "(time_end IS NULL) = (state = 'ACTIVE')", name=op.f("ck_transactions_ended")
        ),
    )
    op.create_index(
        "ix_transactions_in_list_order",
        "transactions",
        ["organization_id", "time_start", "tss_id", "number"],
    )
    op.create_index(
        "ix_transactions_by_client",
        "transactions",
        ["organization_id", "tss_id", "client_id", "number"],
    )


def _create_log_messages() -> None:
    op.create_table(
        "log_messages",
        *_whose(),
        _column("tss_id", sa.Uuid()),
        _column("counter", sa.BigInteger(), autoincrement=False),
        _column("signed_at", sa.BigInteger()),
        _column("operation", sa.Text()),
        _column("message", sa.LargeBinary()),
        _column("file_name", sa.Text()),
        _column("actor_id", sa.Uuid()),
        _column("operation_id", sa.Text()),
        _column("transaction_number", sa.BigInteger(), nullable=True),
        _column("revision", sa.Integer(), nullable=True),
        _column("state", _TRANSACTION_STATE, nullable=True),
        _column("client_id", sa.Uuid(), nullable=True),
        _column("schema", _JSONB, nullable=True),
        _column("signature", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "organization_id", "tss_id", "counter", "env", name=op.f("pk_log_messages")
        ),
        _of_tss("fk_log_messages_tss"),
        sa.ForeignKeyConstraint(
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
        sa.CheckConstraint(
            "num_nulls(transaction_number, revision, state, client_id, schema, signature) "
            "IN (0, 6)",
            name=op.f("ck_log_messages_is_whole"),
        ),
    )
    op.create_index(
        "ix_log_messages_revision",
        "log_messages",
        ["organization_id", "tss_id", "transaction_number", "revision", "env"],
        unique=True,
        postgresql_where=sa.text("transaction_number IS NOT NULL"),
    )


def _run(script: str) -> None:
    """Run several statements as one script, as asyncpg does without parameters."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
