"""What happens to transactions beside being signed: their messages tell that."""

from uuid import UUID

from tillkeeper.access.trail import Event


class TransactionLabelled(Event, frozen=True, tag="transaction.labelled"):
    transaction_id: UUID
    tss_id: UUID
