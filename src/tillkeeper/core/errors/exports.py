"""Refusals about exports of the SIGN API."""

from tillkeeper.core.errors.base import Conflict, NotFound, Refusal
from tillkeeper.core.errors.sign import TransactionNotFound


class ExportNotFound(NotFound):
    code = "E_EXPORT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Export not found")


class ExportNotCompleted(NotFound):
    code = "E_EXPORT_NOT_COMPLETED"
    retry_after_seconds = 60

    def __init__(self) -> None:
        super().__init__("There is no file: the export has not finished, has failed, or expired")


class DuplicateExport(Refusal):
    status = 400
    code = "E_DUPLICATE_EXPORT"

    def __init__(self) -> None:
        super().__init__("An export with this id is there already: choose another id")


class ParameterMismatch(Refusal):
    status = 400
    code = "E_PARAMETER_MISMATCH"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class TransactionUnknown(TransactionNotFound):
    """Named by a filter: 400, where a path answers 404."""

    status = 400


class TssIllegalStateToExport(Conflict):
    code = "E_TSS_ILLEGAL_STATE_TO_PERFORM_EXPORT"

    def __init__(self) -> None:
        super().__init__("Only an initialized, disabled or defective TSS is exported")


class ExportDuplicateRateLimited(Conflict):
    code = "E_EXPORT_DUPLICATE_RATE_LIMITED"

    def __init__(self) -> None:
        super().__init__("An export with the same parameters is under way: wait for that one")


class TooManyExports(Conflict):
    code = "E_TOO_MANY_EXPORTS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} exports of this TSS are under way: wait, or cancel one")


class CancelExport(Refusal):
    status = 400
    code = "E_CANCEL_EXPORT"

    def __init__(self) -> None:
        super().__init__("The export is not under way any more")
