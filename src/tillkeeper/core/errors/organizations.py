"""Refusals about organizations."""

from uuid import UUID

from tillkeeper.core.errors.base import Conflict, NotFound, Refusal


class OrganizationSuspended(Refusal):
    """Says the reason of the actor's own organization; of one above it says nothing."""

    status = 403
    code = "E_ORGANIZATION_SUSPENDED"

    def __init__(self, reason: str | None = None) -> None:
        said = f": {reason}" if reason else ""
        super().__init__(f"Your organization is suspended{said}. Ask who manages it")


class ParentNotFound(NotFound):
    """Recorded: creating below an unknown organization answers without a code."""

    code = None

    def __init__(self) -> None:
        super().__init__("Not Found")


class OrganizationNotFound(NotFound):
    code = "E_ORGANIZATION_NOT_FOUND"

    def __init__(self, organization_id: UUID) -> None:
        super().__init__(f"There is no organization {organization_id}")


class ExternalIdConflict(Conflict):
    code = "E_EXTERNAL_ID_CONFLICT"

    def __init__(self) -> None:
        super().__init__("Another organization has this `external_id`: it is unique per manager")


class OrganizationHasChildren(Conflict):
    code = "E_ORGANIZATION_HAS_CHILDREN"

    def __init__(self) -> None:
        super().__init__("This organization manages or administers others: delete those first")


class OrganizationArchived(Conflict):
    code = "E_ORGANIZATION_ARCHIVED"

    def __init__(self) -> None:
        super().__init__("This organization is archived: set its status to active first")


class OrganizationProtected(Conflict):
    code = "E_ORGANIZATION_PROTECTED"

    def __init__(self) -> None:
        super().__init__("The organization is protected: set delete_protection to false first")


class OrganizationIsLive(Conflict):
    code = "E_ORGANIZATION_IS_LIVE"

    def __init__(self) -> None:
        super().__init__("A LIVE organization keeps its fiscal records and cannot be deleted")


class OrganizationIsPayer(Conflict):
    code = "E_ORGANIZATION_IS_PAYER"

    def __init__(self) -> None:
        super().__init__("Other organizations are billed to this one: change those first")


class OrganizationCannotMove(Conflict):
    code = "E_ORGANIZATION_CANNOT_MOVE"

    def __init__(self) -> None:
        super().__init__("`managed_by_organization_id` cannot change: repeat it or leave it out")


class LiveNotAvailable(Conflict):
    code = "E_LIVE_NOT_AVAILABLE"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class HandoverNotPossible(Conflict):
    code = "E_HANDOVER_NOT_POSSIBLE"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
