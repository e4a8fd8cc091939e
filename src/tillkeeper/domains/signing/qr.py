"""The text of a receipt's QR code, after DSFinV-K."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import NamedTuple

from tillkeeper.core.signing_units import Algorithm
from tillkeeper.domains.signing.messages import TIMESTAMP_FORMAT, TransactionLog


class Signature(NamedTuple):
    """A signature as a receipt shows it: r‖s, by the key of a point, at a count and a time."""

    value: bytes
    point: bytes
    counter: int
    time: int


def qr_code_data(finished: TransactionLog, time_start: int, signature: Signature) -> str | None:
    """Return the twelve fields of a finished transaction; the time it began is not signed.

    None where the fields could not be told apart again, as in data that is no text.
    """
    try:
        data = finished.process_data.decode()
    except UnicodeDecodeError:
        return None
    named = (finished.client_serial_number, finished.process_type, data)
    if any(";" in each for each in named):
        return None
    fields = (
        "V0",
        *named,
        str(finished.number),
        str(signature.counter),
        written_time(time_start),
        written_time(signature.time),
        Algorithm.of_point(signature.point),
        TIMESTAMP_FORMAT,
        b64encode(signature.value).decode(),
        b64encode(signature.point).decode(),
    )
    return ";".join(fields)


def written_time(time: int) -> str:
    """Return Unix seconds as a receipt writes them: UTC, with milliseconds that are none."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
