"""What a client may be called."""

import re

from tillkeeper.core.errors import IllegalClientSerial

_SERIAL = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]{1,70}")


def check_serial(serial_number: str) -> None:
    """Refuse a serial number that no receipt could carry."""
    if not _SERIAL.fullmatch(serial_number) or serial_number.strip() != serial_number:
        raise IllegalClientSerial(
            "body.serial_number should have 1 to 70 characters among letters, digits, blanks "
            "and '()+,-./:=? and neither begin nor end with a blank"
        )
