"""Those who take messages away: a mail server, a directory, the terminal, nobody."""

import asyncio
import re
import ssl
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import aiosmtplib

from tillkeeper.core.mail import NotDelivered, Postman, Route
from tillkeeper.core.mail import Smtp as SmtpRoute

_SECONDS = 20
_FINAL = range(500, 600)


def hire(route: Route) -> Postman:
    """Return who takes messages along this route."""
    if route == "console":
        return Console()
    if route == "none":
        return Nobody()
    return Directory(route) if isinstance(route, Path) else Smtp(route)


@dataclass(frozen=True, slots=True)
class Smtp:
    """Hands messages to a mail server, each over a connection of its own."""

    route: SmtpRoute
    trust: ssl.SSLContext | None = None
    """Whose certificates are believed; without it, those that the machine believes."""

    async def deliver(self, message: EmailMessage) -> None:
        """Hand it over; what the server refuses for good is not tried again."""
        try:
            await aiosmtplib.send(
                message,
                hostname=self.route.host,
                port=self.route.port,
                username=self.route.user,
                password=self.route.password,
                use_tls=self.route.tls == "from the start",
                start_tls=self.route.tls == "upgraded",
                tls_context=self.trust,
                timeout=_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            codes = [each.code for each in refused.recipients]
            is_final = all(code in _FINAL for code in codes)
            raise NotDelivered(f"refused with {codes}", is_final=is_final) from None
        except aiosmtplib.SMTPAuthenticationError as refused:
            # The settings are wrong, not the letter: it waits until they are right.
            raise NotDelivered(f"login refused with {refused.code}", is_final=False) from None
        except aiosmtplib.SMTPResponseException as refused:
            is_final = refused.code in _FINAL
            raise NotDelivered(f"refused with {refused.code}", is_final=is_final) from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise NotDelivered(type(error).__name__, is_final=False) from None


@dataclass(frozen=True, slots=True)
class Directory:
    """Leaves messages in a directory of this machine: for whoever tries the service out."""

    path: Path

    async def deliver(self, message: EmailMessage) -> None:
        """Write a file that mail programs open; its name tells when, and nothing of whom."""
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            raise NotDelivered(type(error).__name__, is_final=False) from None

    def _write(self, message: EmailMessage) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = re.sub(r"[^0-9A-Za-z.]", "", str(message["Message-ID"]).partition("@")[0])
        draft = self.path / f".{name}"
        draft.touch(mode=0o600)
        draft.write_bytes(message.as_bytes(policy=SMTP))
        draft.rename(self.path / f"{name}.eml")


@dataclass(frozen=True, slots=True)
class Console:
    """Prints messages on standard error: for a terminal that somebody watches."""

    async def deliver(self, message: EmailMessage) -> None:
        """Print who it is for, what it is about, and its text."""
        body = message.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        sys.stderr.write(f"Mail to {message['To']}: {message['Subject']}\n\n{text}\n")


@dataclass(frozen=True, slots=True)
class Nobody:
    """Takes nothing: for letters that were waiting when mail was switched off."""

    async def deliver(self, message: EmailMessage) -> None:  # noqa: ARG002 - a postman's signature
        """Refuse it for good."""
        raise NotDelivered("mail is switched off", is_final=True)
