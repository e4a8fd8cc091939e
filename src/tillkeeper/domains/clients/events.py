"""What happens to clients."""

from uuid import UUID

from tillkeeper.access.trail import Event


class ClientCreated(Event, frozen=True, tag="client.created"):
    client_id: UUID
    tss_id: UUID
    serial_number: str


class ClientUpdated(Event, frozen=True, tag="client.updated"):
    client_id: UUID
    tss_id: UUID
    state: str
