"""Where mail goes, and in which languages it is written."""

import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")


class Language(StrEnum):
    """The languages of mail, and of what people see."""

    DE = "de"
    EN = "en"
    IT = "it"
    PL = "pl"


_SPOKEN = {
    "ITA": Language.IT,
    "SMR": Language.IT,
    "VAT": Language.IT,
    "POL": Language.PL,
    "GBR": Language.EN,
    "IRL": Language.EN,
    "MLT": Language.EN,
    "USA": Language.EN,
}


def language_of(country_code: str) -> Language:
    """Return in which language people of an organization in this country are written to."""
    return _SPOKEN.get(country_code, Language.DE)


class Postman(Protocol):
    """Whoever takes a message away."""

    async def deliver(self, message: EmailMessage) -> None:
        """Hand a message over; raise NotDelivered where that fails."""
        ...


class NotDelivered(Exception):
    """A message was not taken; the reason names neither who it is for nor what it says."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mail server. Beyond this machine nothing is said to it without TLS."""

    host: str
    port: int
    tls: Literal["from the start", "upgraded", "none"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)


Route = Smtp | Path | Literal["console", "none"]


def parse_route(text: str) -> Route:
    """Read `console`, `none`, a directory, `smtp://user:password@host:587` or `smtps://…`.

    Raises ValueError with a sentence that does not repeat the password.
    """
    if text == "console":
        return "console"
    if text == "none":
        return "none"
    scheme, colon, _ = text.partition("://")
    if not colon:
        return Path(text).expanduser()
    if scheme not in _PORTS:
        raise ValueError(
            "should be console, none, a directory, or an address smtp://… or smtps://…"
        )
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port or _PORTS[scheme]
    except ValueError:
        host, port = None, 0
    if not host or parts.path.strip("/") or parts.query:
        raise ValueError("should name a mail server as smtp://user:password@host:port")
    return Smtp(host, port, _tls_of(scheme, host), _text(parts.username), _text(parts.password))


def parse_sender(text: str) -> Address:
    """Read `Name <address>`, as readers see it. Raises ValueError where no address is there."""
    name, address = parseaddr(text)
    if "@" not in address:
        raise ValueError("should read `Name <address>`")
    return Address(name, addr_spec=address)


def _tls_of(scheme: str, host: str) -> Literal["from the start", "upgraded", "none"]:
    if scheme == "smtps":
        return "from the start"
    return "none" if _LOOPBACK.fullmatch(host) else "upgraded"


def _text(quoted: str | None) -> str | None:
    return None if quoted is None else unquote(quoted)
