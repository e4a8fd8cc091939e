"""Refusals of the SIGN API: TSS, their clients and their transactions."""

from tillkeeper.core.errors.base import Conflict, NotFound, Refusal


class Unparsable(Refusal):
    """An id in the path of an operation that signs; the sentence has the recorded form."""

    status = 400
    code = "E_PARSER"

    def __init__(self, name: str, given: str) -> None:
        super().__init__(f"can't parse {name}: invalid UUID length: {len(given)} ({given[:40]})")


class TssNotFound(NotFound):
    code = "E_TSS_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("TSS not found")


class TssUnknown(TssNotFound):
    """Named in a body: 400, as an unknown client there."""

    status = 400


class TssConflict(Conflict):
    code = "E_TSS_CONFLICT"

    def __init__(self) -> None:
        super().__init__(
            "A TSS with this id has left the state CREATED, or replaces another one: "
            "choose another id"
        )


class TssReplaced(Conflict):
    code = "E_TSS_REPLACED"

    def __init__(self) -> None:
        super().__init__("Another TSS replaces body.replaces already: name that one, or none")


class TssLimitReached(Refusal):
    status = 403
    code = "E_TSS_LIMIT_REACHED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"There are {limit} TSS in TEST already: disable one of them first")


class TssLimitPerDayReached(Refusal):
    status = 403
    code = "E_TSS_LIMIT_PER_DAY_REACHED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} TSS were created in a day: go on tomorrow")


class IllegalTssStateChange(Refusal):
    status = 400
    code = "E_ILLEGAL_TSS_STATE_CHANGE"

    def __init__(self, now: str, wanted: str) -> None:
        super().__init__(f"A TSS in {now} cannot become {wanted}")


class TssNotInitialized(Refusal):
    status = 400
    code = "E_TSS_NOT_INITIALIZED"

    def __init__(self) -> None:
        super().__init__("The TSS is not in the state that this needs: initialize it first")


class TssDisabled(Refusal):
    status = 400
    code = "E_TSS_DISABLED"

    def __init__(self) -> None:
        super().__init__("The TSS is disabled, and never signs again: create another one")


class TssDefective(Refusal):
    status = 423
    code = "E_TSS_DEFECTIVE"

    def __init__(self) -> None:
        super().__init__("The TSS is defective: export it, and create another one")


class TssDeleted(Refusal):
    status = 423
    code = "E_TSS_DELETED"

    def __init__(self) -> None:
        super().__init__("The TSS was deleted")


class TssEvicted(Refusal):
    status = 423
    code = "E_TSS_EVICTED"

    def __init__(self) -> None:
        super().__init__("The TSS was never used and given back: create another one")


class CountersInDoubt(Refusal):
    """The database is a copy, and the numbers that its TSS would give next may be given out."""

    status = 503
    code = "E_COUNTERS_IN_DOUBT"
    retry_after_seconds = 60

    def __init__(self) -> None:
        super().__init__(
            "The database was restored, and signing waits until its operator has declared it: "
            "nothing was signed"
        )


class TssLocked(Refusal):
    status = 503
    code = "E_TSS_LOCKED"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__("Other calls are signing with this TSS: nothing was signed, try again")


class ClockWentBack(Refusal):
    """The log has the two times: whoever runs the installation must look."""

    status = 503
    code = "E_CLOCK_WENT_BACK"
    retry_after_seconds = 60

    def __init__(self) -> None:
        super().__init__("The clock is behind the last signature: set it, then try again")


class AdminLoginFailed(Refusal):
    """A wrong PIN or PUK: counted, although it is refused."""

    status = 401
    code = "E_ADMIN_LOGIN_FAILED"
    is_kept = True

    def __init__(self, sentence: str = "ERROR_AUTHENTICATION_FAILED") -> None:
        super().__init__(sentence)


class AdminPinBlocked(Refusal):
    status = 423
    code = "E_ADMIN_PIN_BLOCKED"

    def __init__(self) -> None:
        super().__init__("The admin PIN is not set, or blocked: set it with the PUK")


class AdminSessionMissing(Refusal):
    status = 401
    code = "E_UNAUTHORIZED"

    def __init__(self) -> None:
        super().__init__("This needs an admin session on the TSS: POST …/admin/auth first")


class ClientNotFound(NotFound):
    code = "E_CLIENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Client not found")


class ClientUnknown(ClientNotFound):
    """Named in a body: 400, and deployed clients depend on it."""

    status = 400


class ClientConflict(Conflict):
    code = "E_CLIENT_CONFLICT"

    def __init__(self) -> None:
        super().__init__(
            "A client with this id is there already, with another serial number, on another TSS "
            "or in place of another client"
        )


class ClientReplaced(Conflict):
    code = "E_CLIENT_REPLACED"

    def __init__(self) -> None:
        super().__init__("Another client replaces body.replaces already: name that one, or none")


class ClientLimitReached(Refusal):
    status = 403
    code = "E_CLIENT_LIMIT_REACHED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} clients are registered: deregister one of them first")


class ClientDeregistered(Refusal):
    status = 400
    code = "E_CLIENT_DEREGISTERED"

    def __init__(self) -> None:
        super().__init__("The client is not registered: register it again first")


class IllegalClientSerial(Refusal):
    status = 400
    code = "E_ILLEGAL_CLIENT_SERIAL"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class TransactionNotFound(NotFound):
    code = "E_TX_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Transaction not found")


class TransactionRevisionNotFound(Refusal):
    status = 400
    code = "E_TX_REVISION_NOT_FOUND"

    def __init__(self, revision: int) -> None:
        super().__init__(f"The transaction has no revision {revision}")


class TransactionUpsert(Refusal):
    """It has ended, or this is not its next revision."""

    status = 400
    code = "E_TX_UPSERT"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class TransactionLimitReached(Refusal):
    status = 400
    code = "E_TX_LIMIT_REACHED"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} transactions are active: finish one of them first")


class TransactionNoTypeDefined(Conflict):
    code = "E_TX_NO_TYPE_DEFINED"

    def __init__(self) -> None:
        super().__init__("A transaction ends with a `schema`: none was ever given")


class TransactionIllegalTypeChange(Conflict):
    code = "E_TX_ILLEGAL_TYPE_CHANGE"

    def __init__(self, earlier: str) -> None:
        super().__init__(f"The process type was {earlier!r} before, and stays what it is")
