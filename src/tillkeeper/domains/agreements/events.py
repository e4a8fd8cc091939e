"""What happens to agreements, and to organizations by them."""

from uuid import UUID

from tillkeeper.access.trail import Event
from tillkeeper.core.status import AgreementKind


class AgreementProposed(Event, frozen=True, tag="agreement.proposed"):
    agreement_id: UUID
    kind: AgreementKind


class AgreementAccepted(Event, frozen=True, tag="agreement.accepted"):
    agreement_id: UUID
    kind: AgreementKind


class AgreementDeclined(Event, frozen=True, tag="agreement.declined"):
    agreement_id: UUID
    kind: AgreementKind


class AgreementWithdrawn(Event, frozen=True, tag="agreement.withdrawn"):
    agreement_id: UUID
    kind: AgreementKind


class AgreementExecuted(Event, frozen=True, tag="agreement.executed"):
    agreement_id: UUID
    kind: AgreementKind


class AgreementUndone(Event, frozen=True, tag="agreement.undone"):
    agreement_id: UUID
    kind: AgreementKind


class AgreementEnded(Event, frozen=True, tag="agreement.ended"):
    agreement_id: UUID
    kind: AgreementKind


class OrganizationPayerChanged(Event, frozen=True, tag="organization.payer_changed"):
    organization_id: UUID


class OrganizationMoved(Event, frozen=True, tag="organization.moved"):
    organization_id: UUID


class OrganizationHandedOver(Event, frozen=True, tag="organization.handed_over"):
    organization_id: UUID
