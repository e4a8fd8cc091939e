"""What happens to exports."""

from uuid import UUID

from tillkeeper.access.trail import Event


class ExportCreated(Event, frozen=True, tag="export.created"):
    export_id: UUID
    tss_id: UUID


class ExportUpdated(Event, frozen=True, tag="export.updated"):
    export_id: UUID
    tss_id: UUID


class ExportCancelled(Event, frozen=True, tag="export.cancelled"):
    export_id: UUID
    tss_id: UUID


class ExportCompleted(Event, frozen=True, tag="export.completed"):
    export_id: UUID
    tss_id: UUID


class ExportFailed(Event, frozen=True, tag="export.failed"):
    export_id: UUID
    tss_id: UUID
    exception: str


class ExportExpired(Event, frozen=True, tag="export.expired"):
    export_id: UUID
    tss_id: UUID
