"""Sending mail, as the service does it by itself."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

from tillkeeper.access.operation import House
from tillkeeper.core.mail import Language, NotDelivered, Postman
from tillkeeper.domains.mail import queries
from tillkeeper.domains.mail.actions import Envelope, open_envelope
from tillkeeper.domains.mail.queries import Taken
from tillkeeper.domains.mail.rendering import Letterhead, render
from tillkeeper.logs import log

_AT_ONCE = 5
_LEASE_SECONDS = 300
_TRIES_AT_MOST = 10
_LONGEST_PAUSE_SECONDS = 6 * 3600
_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Mailroom:
    """Sends what is due. Any number of processes may do it at once: each letter is taken by one.

    A process that dies between handing a letter over and writing that down makes it come twice:
    better than never.
    """

    postman: Postman
    head: Letterhead

    async def run(self, house: House) -> int:
        """Send what is due, and tell how many were taken."""
        async with house.db.lend() as tx:
            taken = await queries.take_mails(tx, most=_AT_ONCE, lease_seconds=_LEASE_SECONDS)
        await asyncio.gather(*(self._send(house, mail) for mail in taken))
        return len(taken)

    async def _send(self, house: House, mail: Taken) -> None:
        if mail.is_over:
            log.warning("mail.over", mail_id=str(mail.id))
            return await self._give_up(house, mail)
        try:
            envelope = await _opened(house, mail)
            await self.postman.deliver(self._rendered(envelope, mail.language))
        except NotDelivered as refusal:
            return await self._try_again(house, mail, refusal)
        async with house.db.lend() as tx:
            await queries.settle_sent(tx, mail.id)
        return None

    def _rendered(self, envelope: Envelope, language: Language) -> EmailMessage:
        now = datetime.now(UTC)
        try:
            return render(envelope.letter, language, envelope.to, head=self.head, now=now)
        except ValueError:
            raise NotDelivered("not an address that mail can be sent to", is_final=True) from None

    async def _try_again(self, house: House, mail: Taken, refusal: NotDelivered) -> None:
        if refusal.is_final or mail.attempts >= _TRIES_AT_MOST:
            log.error("mail.given_up", mail_id=str(mail.id), reason=str(refusal))
            return await self._give_up(house, mail)
        log.warning("mail.put_off", mail_id=str(mail.id), reason=str(refusal))
        seconds = min(30 * 2**mail.attempts, _LONGEST_PAUSE_SECONDS)
        async with house.db.lend() as tx:
            await queries.put_off(tx, mail.id, seconds=seconds)
        return None

    async def _give_up(self, house: House, mail: Taken) -> None:
        async with house.db.lend() as tx:
            await queries.settle_given_up(tx, mail.id)


async def _opened(house: House, mail: Taken) -> Envelope:
    """Open a mail whose reader is still one: days may have gone by since it was written."""
    keyring, version = house.keyring, mail.pepper_version
    try:
        envelope = open_envelope(keyring, mail.id, mail.sealed, version=version)
    except KeyError:
        # Another process, which is a step ahead, has sealed it.
        raise NotDelivered("sealed under a pepper that is not here", is_final=False) from None
    if envelope.keeper_id is not None:
        async with house.db.lend() as tx:
            if not await queries.is_still_keeper(tx, mail.id, envelope.keeper_id):
                raise NotDelivered("not for this reader any more", is_final=True)
    return envelope


async def sweep_mails(house: House, *, most: int = 10_000) -> None:
    """Delete what was settled long ago."""
    async with house.db.lend() as tx:
        await queries.delete_settled(tx, days=_KEPT_DAYS, most=most)
