"""Refusals of what signs."""

from tillkeeper.core.errors.base import Refusal


class SigningUnitUnavailable(Refusal):
    """The unit is away, full, or does not know the key: which of them, the log says."""

    status = 503
    code = "E_SIGNING_UNIT_UNAVAILABLE"
    retry_after_seconds = 5

    def __init__(self) -> None:
        super().__init__("The signing unit does not answer: nothing was signed, try again")
