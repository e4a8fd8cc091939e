"""Refusals about agreements."""

from collections.abc import Sequence
from uuid import UUID

from tillkeeper.core.errors.base import Conflict, NotFound


class AgreementNotFound(NotFound):
    code = "E_AGREEMENT_NOT_FOUND"

    def __init__(self, agreement_id: UUID) -> None:
        super().__init__(f"There is no agreement {agreement_id}")


class AgreementPending(Conflict):
    code = "E_AGREEMENT_PENDING"

    def __init__(self) -> None:
        super().__init__("An agreement of this kind is proposed already: withdraw it first")


class AgreementNotOpen(Conflict):
    code = "E_AGREEMENT_NOT_OPEN"

    def __init__(self, state: str) -> None:
        super().__init__(
            f"The agreement is {state}: this cannot be done to it any more, or not yet"
        )


class AgreementBlocked(Conflict):
    """Names what stands in the way on the reader's own side; of the other sides says nothing."""

    code = "E_AGREEMENT_BLOCKED"

    def __init__(self, blockers: Sequence[str]) -> None:
        named = ", ".join(blockers) or "something on another side"
        super().__init__(f"It cannot be carried out as things are: {named}. See its analysis")
