"""One JSON object a line on standard error; never a secret, a token, a body or a mail address."""

import logging
import re
import sys

import structlog

log = structlog.stdlib.get_logger("tillkeeper")

_CHATTY = ("alembic", "httpx", "httpx2", "httpcore2", "uvicorn")


_DETAIL = re.compile(r"^DETAIL:.*$", re.MULTILINE)


def _withhold_values(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Leave out what the database quotes of a row: it may be a mail address."""
    if isinstance(text := event.get("exception"), str):
        event["exception"] = _DETAIL.sub("DETAIL: withheld", text)
    return event


def configure_logs(level: str) -> None:
    """Let structlog and the standard library write the same lines."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _withhold_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
