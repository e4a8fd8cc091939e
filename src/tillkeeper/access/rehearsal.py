"""`dry_run=true`: the real change, rolled back once its answer is written."""

from urllib.parse import parse_qsl

from tillkeeper.core.errors import SchemaViolation

_NAME = "dry_run"
_READING = ("GET", "HEAD", "OPTIONS")


def is_dry_run(method: str, query: bytes, *, is_possible: bool) -> bool:
    """Tell whether a change is only to be rehearsed; refuse any value but true and false.

    Whoever believes that nothing happens must not be wrong: operations without a token, which
    cannot be rolled back, and those that sign refuse it, and reading ones may ignore it.
    """
    if _NAME.encode() not in query:
        return False
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    values = {value for name, value in pairs if name == _NAME}
    if not values:
        return False
    if not values <= {"true", "false"} or len(values) > 1:
        raise SchemaViolation(f"params.{_NAME}", "should be true or false", "Name it once")
    if values == {"true"} and not is_possible:
        raise SchemaViolation(f"params.{_NAME}", "is not possible here", "Leave it out")
    return values == {"true"} and method not in _READING
