"""Every letter reads well in every language, and carries nothing into headers or markup."""

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import get_args, get_type_hints

import pytest
from msgspec import convert, structs

from tillkeeper.core.mail import Language
from tillkeeper.domains.mail.letters import (
    PAGES,
    KeyExpired,
    KeyExpiring,
    KeyLeaked,
    Letter,
    SignUpAgain,
)
from tillkeeper.domains.mail.rendering import Letterhead, render

KINDS = get_args(Letter)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
VALUES = {"token": "t0k3n", "ends_at": 1_800_000_000, "organization": "Käse & Söhne <GmbH>",
          "role": "admin", "key_name": "till-1", "env": "LIVE",
          "key": "live_0abc_till-1", "ended_at": 1_800_000_000, "outcome": "key_works"}  # fmt: skip


def letter_of(kind: type[Letter], **values: object) -> Letter:
    wanted = {field.name: (VALUES | values)[field.name] for field in structs.fields(kind)}
    return convert(wanted | {"letter": kind.__struct_config__.tag}, kind)


def render_in(language: Language, letter: Letter, to: str = "anna@example.org") -> EmailMessage:
    sender = Address("Tillkeeper", addr_spec="no-reply@tills.example")
    return render(letter, language, to, head=Letterhead(sender, "https://tills.example"), now=NOW)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


class Reader(HTMLParser):
    """Collects what a reader sees, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: set[str | None] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value for name, value in attrs if name in ("href", "src")}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", KINDS)
def test_every_letter_is_written_in_every_language(kind: type[Letter], language: Language) -> None:
    message = render_in(language, letter_of(kind))
    plain, reader = body(message, "plain"), Reader()
    reader.feed(body(message, "html"))
    assert message["Content-Language"] == language
    assert len(message["Subject"]) > 8
    for text in (plain, "".join(reader.text)):
        assert "{{" not in text
        assert len(text.split()) > 25
    linked = {f"https://tills.example{PAGES[kind]}#t0k3n"} if kind in PAGES else set()
    assert reader.links == linked
    assert set(re.findall(r"https?://\S+", plain)) == linked


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_languages_say_the_same(kind: type[Letter]) -> None:
    texts = [body(render_in(language, letter_of(kind)), "plain") for language in Language]
    assert len(set(texts)) == len(Language)


@pytest.mark.parametrize("language", Language)
def test_each_outcome_of_a_leak_is_told(language: Language) -> None:
    outcomes = get_args(get_type_hints(KeyLeaked)["outcome"])
    texts = [body(render_in(language, letter_of(KeyLeaked, outcome=each)), "plain")
             for each in outcomes]  # fmt: skip
    assert len(set(texts)) == len(outcomes) == 4
    for text in texts:
        assert "\n\n\n" not in text, "a paragraph is empty"


@pytest.mark.parametrize("kind", [KeyExpiring, KeyExpired, KeyLeaked])
def test_letters_about_a_key_name_it_and_do_not_say_that_an_address_was_used(
    kind: type[Letter],
) -> None:
    for language in Language:
        text = " ".join(body(render_in(language, letter_of(kind)), "plain").split())
        for named in ("till-1", "live_0abc_till-1", "LIVE", "Käse & Söhne"):
            assert named in text
        closing = " ".join(body(render_in(language, letter_of(SignUpAgain)), "plain").split())
        assert text.rpartition("-- ")[2] != closing.rpartition("-- ")[2]


def test_a_name_writes_neither_headers_nor_markup() -> None:
    name = "Evil\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>{{ 7 * 7 }}"
    kind = next(kind for kind in KINDS if kind.__struct_config__.tag == "invitation")
    message = render_in(Language.EN, letter_of(kind, organization=name))
    assert message["Bcc"] is None
    assert "\n" not in str(message["Subject"])
    reader = Reader()
    reader.feed(body(message, "html"))
    assert "script" not in reader.tags
    assert "49" not in body(message, "plain")


@pytest.mark.parametrize(
    "to", ["a@example.org\nBcc: b@example.org", "a@example.org, b@example.org"]
)
def test_a_letter_has_one_reader(to: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        render_in(Language.EN, letter_of(KINDS[0]), to)
