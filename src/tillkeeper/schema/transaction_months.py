"""How many transactions each TSS has begun, day by day, so that nobody counts millions of them."""

from datetime import date
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    Named,
    PrimaryKeyConstraint,
    Table,
    TypedColumns,
)
from sqlalchemy.dialects.postgresql import ARRAY

from tillkeeper.core.days import DAYS_AT_MOST
from tillkeeper.core.env import Env
from tillkeeper.schema.base import ENV, metadata


class TransactionMonthColumns(TypedColumns):
    """One row for each TSS and local month, written by the statement that signs.

    A TSS has its own, because whoever signs holds the lock on it already: a row for the whole
    organization would make all its tills wait for one another. Days stand in an array, because the
    walls look at every row of the thousands of TSS that a vendor looks over.
    """

    organization_id: Named[UUID]
    env: Named[Env] = Column(ENV)
    tss_id: Named[UUID]
    month: Named[date] = Column(Date)
    started: Named[list[int]] = Column(ARRAY(Integer))


transaction_months = Table(
    "transaction_months",
    metadata,
    TransactionMonthColumns,
    PrimaryKeyConstraint("organization_id", "month", "tss_id", "env"),
    ForeignKeyConstraint(
        ["organization_id", "env", "tss_id"],
        ["tss.organization_id", "tss.env", "tss.id"],
        name="fk_transaction_months_tss",
        ondelete="CASCADE",
    ),
    CheckConstraint(f"cardinality(started) = {DAYS_AT_MOST}", "days"),
)
