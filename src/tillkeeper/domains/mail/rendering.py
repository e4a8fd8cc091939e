"""Letters as messages: plain text and HTML, in the reader's language."""

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import structs

from tillkeeper.core.mail import Language
from tillkeeper.domains.mail.letters import PAGES, Letter

_TEXTS = Path(__file__).with_name("texts")
_PLAIN = Environment(undefined=StrictUndefined, loader=FileSystemLoader(_TEXTS))  # noqa: S701 - text
_HTML = Environment(undefined=StrictUndefined, loader=FileSystemLoader(_TEXTS), autoescape=True)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes, and where links lead: never to where a request came from."""

    sender: Address
    base_url: str


def render(
    letter: Letter, language: Language, to: str, *, head: Letterhead, now: datetime
) -> EmailMessage:
    """Return the message. Raises ValueError where `to` is not one plain address."""
    words = _words(letter, language, head.base_url)
    message = EmailMessage()
    message["Subject"] = words["subject"]
    message["From"] = head.sender
    message["To"] = Address(addr_spec=to)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=head.sender.domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_PLAIN.get_template("layout.txt").render(words))
    message.add_alternative(_HTML.get_template("layout.html").render(words), subtype="html")
    message["Content-Language"] = language
    return message


def _words(letter: Letter, language: Language, base_url: str) -> dict[str, Any]:
    texts = _texts(language)
    own = texts[str(type(letter).__struct_config__.tag)]
    values = {name: _shown(name, value) for name, value in structs.asdict(letter).items()}

    def fill(text: str) -> str:
        return _PLAIN.from_string(text).render(values)

    page = PAGES.get(type(letter))
    return {
        "language": language,
        "subject": fill(own["subject"]),
        "greeting": texts["greeting"],
        "paragraphs": [fill(paragraph) for paragraph in own["paragraphs"]],
        "link": f"{base_url}{page}#{values['token']}" if page else None,
        "action": own.get("action"),
        "until": fill(texts["until"]) if page else None,
        "closing": fill(own.get("closing", texts["closing"])),
    }


def _shown(name: str, value: object) -> object:
    """Return a value as a text may show it: on one line, so that no name writes a header."""
    if name.endswith("_at"):
        return f"{datetime.fromtimestamp(int(str(value)), UTC):%Y-%m-%d %H:%M} UTC"
    return " ".join(value.split()) if isinstance(value, str) else value


@cache
def _texts(language: Language) -> dict[str, Any]:
    return tomllib.loads((_TEXTS / f"{language}.toml").read_text(encoding="utf-8"))
