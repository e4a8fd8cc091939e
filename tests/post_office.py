"""A mail server for tests, and letters as those who get them read them."""

import asyncio
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from facts import Actor
from leaks import Exchange, Tokens, Watched
from service import free_port
from tillkeeper.core.mail import NotDelivered, Postman, Smtp
from tillkeeper.domains.mail.jobs import Mailroom
from tillkeeper.domains.mail.postmen import hire
from tillkeeper.domains.mail.rendering import Letterhead
from world import World

SENDER = Address("Tillkeeper", addr_spec="no-reply@tills.example")
_READER = """
SELECT u.id, m.organization_id FROM users u JOIN memberships m ON m.user_id = u.id
WHERE u.email = $1
"""


@dataclass
class Bag:
    """A postman who keeps what he is given, and fails as often as he is told."""

    failures: list[NotDelivered] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)

    async def deliver(self, message: EmailMessage) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.messages.append(message)

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages if message["To"] == address]


class MailServer:
    """Takes letters, or answers what it is told to."""

    def __init__(self) -> None:
        self.answer = "250 OK"
        self.envelopes: list[Envelope] = []
        self.has_some = threading.Event()
        self.route = Smtp("127.0.0.1", free_port(), "none")

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.envelopes.append(envelope)
            self.has_some.set()
        return self.answer


class Letter(NamedTuple):
    """What somebody found in their mailbox: whose it is, what it is about, and all that it says."""

    to: str
    language: str
    subject: str
    text: str


@contextmanager
def serve_mail() -> Generator[MailServer]:
    server = MailServer()
    controller: Any = Controller(server, hostname=server.route.host, port=server.route.port)
    controller.start()
    yield server
    controller.stop()


def room_of(postman: Postman) -> Mailroom:
    return Mailroom(postman, Letterhead(SENDER, "https://tills.example"))


async def drain(world: World, postman: Postman) -> None:
    while await room_of(postman).run(world.house):
        pass


async def collect(world: World, server: MailServer) -> list[Letter]:
    """Let what waits for this world's people be sent, and return it as it arrived.

    The leak scanner reads each letter first.
    """
    others = "DELETE FROM mails WHERE organization_id <> ALL ($1)"
    await world.owner.execute(others, list(world.ids.values()))
    await world.owner.execute("UPDATE mails SET next_try_at = now() WHERE next_try_at > now()")
    server.envelopes.clear()
    await drain(world, hire(server.route))
    letters = [_opened(envelope) for envelope in server.envelopes]
    for letter in letters:
        assert await hidden_in(world, letter) == []
    return sorted(letters)


async def readers(world: World, letters: list[Letter]) -> list[str]:
    """Return which characters were written to; whoever is none of them stands there in full."""
    known = {str(person): name for name, person in world.people.items()}
    rows = await world.owner.fetch(
        "SELECT id::text, email FROM users WHERE email = ANY ($1)", [each.to for each in letters]
    )
    ids = {row["email"]: row["id"] for row in rows}
    return sorted(known.get(ids[each.to], each.to) for each in letters)


async def hidden_in(world: World, letter: Letter) -> list[str]:
    """Return what a letter names that its reader could not see by asking the service."""
    person = await world.owner.fetchrow(_READER, letter.to)
    env = re.search("TEST|LIVE", letter.text)
    assert person is not None
    assert env is not None
    actor = Actor("user", person["id"], person["organization_id"], env[0])
    told = f"{letter.subject}\n{letter.text}"
    assert isinstance(world.app, Watched)
    before = await world.app.eyes.look(actor)
    exchange = Exchange(actor, is_change=False, is_report=False, asked="", answered=told)
    return await world.app.eyes.hidden(exchange, Tokens.of(told), before)


def _opened(envelope: Envelope) -> Letter:
    assert isinstance(envelope.content, bytes)
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert envelope.rcpt_tos == [message["To"]]
    parts = [message.get_body((kind,)) for kind in ("plain", "html")]
    texts = ["" if part is None else " ".join(part.get_content().split()) for part in parts]
    return Letter(message["To"], message["Content-Language"], message["Subject"], "\n".join(texts))
