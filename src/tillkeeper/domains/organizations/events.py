"""What happens to organizations."""

from uuid import UUID

from tillkeeper.access.trail import Event
from tillkeeper.core.env import Env
from tillkeeper.core.status import OrganizationStatus


class OrganizationCreated(Event, frozen=True, tag="organization.created"):
    organization_id: UUID
    name: str
    parent_organization_id: UUID | None


class OrganizationUpdated(Event, frozen=True, tag="organization.updated"):
    organization_id: UUID
    fields: list[str]


class OrganizationDeleted(Event, frozen=True, tag="organization.deleted"):
    organization_id: UUID


class OrganizationEnvEnabled(Event, frozen=True, tag="organization.env_enabled"):
    organization_id: UUID
    enabled_env: Env


class OrganizationStatusChanged(Event, frozen=True, tag="organization.status_changed"):
    organization_id: UUID
    status: OrganizationStatus
    reason: str | None
