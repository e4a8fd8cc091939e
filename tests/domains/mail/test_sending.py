"""Letters are sent once, after the commit that wanted them, and leave nothing behind."""

import asyncio
import contextlib
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from post_office import SENDER, Bag, MailServer, drain, room_of
from tillkeeper.access.operator import do_chore
from tillkeeper.access.peppers import count_pepper_needs, list_unknown_versions
from tillkeeper.core.env import Env
from tillkeeper.core.mail import NotDelivered, Smtp
from tillkeeper.core.secrets import Keyring
from tillkeeper.domains.mail.actions import post
from tillkeeper.domains.mail.jobs import sweep_mails
from tillkeeper.domains.mail.letters import Letter, PasswordReset, SignUpAgain
from tillkeeper.domains.mail.postmen import Console, Directory, hire
from world import Connection, World


async def write(world: World, to: str, letter: Letter | None = None) -> None:
    async with do_chore(world.house, world.vendor, Env.TEST) as op:
        await post(op, to, letter or SignUpAgain(), organization_id=world.vendor)


async def row_of(owner: Connection, organization_id: UUID) -> Any:  # noqa: ANN401 - a row
    return await owner.fetchrow("SELECT * FROM mails WHERE organization_id = $1", organization_id)


async def make_due(owner: Connection, organization_id: UUID) -> None:
    await owner.execute(
        "UPDATE mails SET next_try_at = now() WHERE organization_id = $1 "
        "AND next_try_at IS NOT NULL",
        organization_id,
    )


@pytest.fixture(autouse=True)
async def no_letter_of_another_test(owner: Connection, serving_url: str) -> None:
    """A mailroom takes whatever is due: here it is what the test itself has written."""
    assert serving_url, "the schema is installed first"
    await owner.execute("DELETE FROM mails")


def unique() -> str:
    return f"{uuid4().hex}@example.org"


async def test_a_letter_is_sealed_until_it_is_sent_and_gone_afterwards(
    world: World, owner: Connection
) -> None:
    bag, to = Bag(), unique()
    await write(world, to, PasswordReset(token="secret-token", ends_at=4_000_000_000))
    waiting = await row_of(owner, world.vendor)
    assert b"secret-token" not in waiting["sealed"]
    assert to.encode() not in waiting["sealed"]
    await drain(world, bag)
    [message] = bag.to(to)
    assert "https://tills.example/reset#secret-token" in message.as_string().replace("=\n", "")
    sent = await row_of(owner, world.vendor)
    assert (sent["sealed"], sent["next_try_at"]) == (None, None)
    assert sent["sent_at"] is not None


async def test_a_rolled_back_reason_writes_to_nobody(world: World, owner: Connection) -> None:
    with contextlib.suppress(LookupError):
        async with do_chore(world.house, world.vendor, Env.TEST) as op:
            await post(op, unique(), SignUpAgain(), organization_id=world.vendor)
            raise LookupError
    assert await row_of(owner, world.vendor) is None


async def test_where_mail_is_switched_off_nothing_is_written_and_what_waited_is_erased(
    world: World, owner: Connection
) -> None:
    await write(world, unique())
    await drain(world, hire("none"))
    waited = await row_of(owner, world.vendor)
    assert (waited["sealed"], waited["next_try_at"], waited["sent_at"]) == (None, None, None)
    async with do_chore(replace(world.house, is_mail_on=False), world.shop, Env.TEST) as op:
        await post(op, unique(), SignUpAgain(), organization_id=world.shop)
    assert await row_of(owner, world.shop) is None


async def test_several_mailrooms_send_each_letter_once(world: World) -> None:
    bag, readers = Bag(), [unique() for _ in range(20)]
    for to in readers:
        await write(world, to)
    await asyncio.gather(*(drain(world, bag) for _ in range(4)))
    assert [len(bag.to(to)) for to in readers] == [1] * len(readers)


async def test_a_server_that_is_away_is_asked_again_later(world: World, owner: Connection) -> None:
    bag, to = Bag([NotDelivered("away", is_final=False)]), unique()
    await write(world, to)
    await drain(world, bag)
    waiting = await row_of(owner, world.vendor)
    assert bag.to(to) == []
    assert waiting["next_try_at"] > waiting["created_at"]
    await make_due(owner, world.vendor)
    await drain(world, bag)
    assert len(bag.to(to)) == 1


@pytest.mark.parametrize("failures", [1, 10])
async def test_what_is_refused_for_good_or_too_often_is_given_up(
    world: World, owner: Connection, failures: int
) -> None:
    bag = Bag([NotDelivered("no", is_final=failures == 1) for _ in range(failures)])
    await write(world, unique())
    for _ in range(failures):
        await drain(world, bag)
        await make_due(owner, world.vendor)
    given_up = await row_of(owner, world.vendor)
    assert (given_up["attempts"], given_up["sealed"]) == (failures, None)
    assert (given_up["next_try_at"], given_up["sent_at"]) == (None, None)


async def test_a_letter_whose_link_has_ended_is_not_sent(world: World, owner: Connection) -> None:
    bag, to = Bag(), unique()
    await write(world, to, PasswordReset(token="t", ends_at=1))
    await drain(world, bag)
    assert bag.to(to) == []
    assert (await row_of(owner, world.vendor))["sealed"] is None


async def test_an_address_that_is_none_is_given_up_and_stops_no_other(
    world: World, owner: Connection
) -> None:
    bag, to = Bag(), unique()
    await write(world, "two@example.org, three@example.org")
    await write(world, to)
    await drain(world, bag)
    assert len(bag.messages) == len(bag.to(to)) == 1
    assert await owner.fetchval("SELECT count(*) FROM mails WHERE next_try_at IS NOT NULL") == 0


async def test_a_letter_keeps_its_pepper_from_being_retired(
    world: World, owner: Connection
) -> None:
    async def kept(version: int) -> tuple[int, bool]:
        needs = {e.need: e.count for e in await count_pepper_needs(world.house, version)}
        unknown = await list_unknown_versions(world.house)
        return needs["letters that wait"], version in unknown

    bag, to, peppers = Bag(), unique(), world.house.keyring.peppers
    newer = replace(world.house, keyring=Keyring({**peppers, 77: b"fresh!" * 6}))
    async with do_chore(newer, world.vendor, Env.TEST) as op:
        await post(op, to, SignUpAgain(), organization_id=world.vendor)
    assert await kept(77) == (1, True)
    await drain(world, bag)
    assert bag.to(to) == [], "this process does not hold the pepper yet, and leaves it waiting"
    await make_due(owner, world.vendor)
    while await room_of(bag).run(newer):
        pass
    assert len(bag.to(to)) == 1
    assert await kept(77) == (0, False)


async def test_settled_letters_are_swept_after_a_month(world: World, owner: Connection) -> None:
    await write(world, unique())
    await drain(world, Bag())
    await sweep_mails(world.house)
    assert await row_of(owner, world.vendor) is not None
    await owner.execute("UPDATE mails SET created_at = created_at - interval '31 days'")
    await sweep_mails(world.house)
    assert await row_of(owner, world.vendor) is None


async def test_a_mail_server_gets_what_was_written(world: World, mail_server: MailServer) -> None:
    to = unique()
    await write(world, to)
    await drain(world, hire(mail_server.route))
    [envelope] = [e for e in mail_server.envelopes if e.rcpt_tos == [to]]
    assert envelope.mail_from == SENDER.addr_spec
    assert isinstance(envelope.content, bytes)
    assert b"Auto-Submitted: auto-generated" in envelope.content


@pytest.mark.parametrize(("answer", "is_final"), [("451 later", False), ("554 never", True)])
async def test_a_mail_server_says_whether_it_is_for_good(
    mail_server: MailServer,
    answer: str,
    is_final: bool,  # noqa: FBT001 - a parameter
) -> None:
    mail_server.answer = answer
    message = EmailMessage()
    message["From"], message["To"] = SENDER, unique()
    with pytest.raises(NotDelivered) as refused:
        await hire(mail_server.route).deliver(message)
    assert refused.value.is_final is is_final
    assert str(message["To"]) not in str(refused.value)


async def test_beyond_this_machine_a_server_without_tls_gets_nothing(
    mail_server: MailServer,
) -> None:
    route = mail_server.route
    message = EmailMessage()
    message["From"], message["To"] = SENDER, unique()
    with pytest.raises(NotDelivered):
        await hire(Smtp(route.host, route.port, "upgraded")).deliver(message)
    assert mail_server.envelopes == []


async def test_a_directory_keeps_letters_that_its_owner_alone_reads(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = SENDER, unique(), "<1.2@tills.example>"
    message.set_content("Hello")
    await Directory(tmp_path / "mailbox").deliver(message)
    [file] = (tmp_path / "mailbox").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("1.2.eml", 0o600)
    assert b"Hello" in file.read_bytes()


async def test_the_console_shows_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    message = EmailMessage()
    message["To"], message["Subject"] = unique(), "Subject"
    message.set_content("Hello")
    await Console().deliver(message)
    assert "Hello" in capsys.readouterr().err
