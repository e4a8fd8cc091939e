"""An export of a TSE: structure, certificates, every signature, and that nothing is missing."""

import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tillkeeper.surfaces.cli.tse_certificates import Signer, check_certificates
from tillkeeper.surfaces.cli.tse_der import Wrong
from tillkeeper.surfaces.cli.tse_messages import Message, Skip, check_signature, read_message
from tillkeeper.surfaces.cli.tse_tar import members_of

_INFO = "info.csv"
_CERTIFICATE = re.compile(r"[0-9a-f]{64}_X509\.der")
_LOG = re.compile(r"(Unixt|Utc|Gent)_([0-9Z]+)_(Sig-([0-9]+)_Log-.*)\.log")
_FIELD = r'"((?:[^"]|"")*)"'
_INFO_LINE = re.compile(f'"description:",{_FIELD},"manufacturer:",{_FIELD},"version:",{_FIELD}')
_TICK = 1000
_WORDS = ("", "Start", "Update", "Finish")


class Tampered(Exception):
    """The export is not what a TSE has signed; the sentence names the first member that is bad."""


class Verified(NamedTuple):
    """What was found to be whole."""

    description: str
    manufacturer: str
    version: str
    subject: str
    serial_number: str
    certificates: int
    messages: int
    transactions: int
    open_transactions: int
    first_counter: int
    last_counter: int
    first_time: int
    last_time: int
    left_out: int
    """How many signature counters the TSE says to have left out, after a restore."""


class Log:
    """What is kept of every message: 25 bytes, so that a million of them fit anywhere."""

    def __init__(self) -> None:
        self.counters, self.times, self.numbers = array("Q"), array("Q"), array("Q")
        self.words = array("B")
        self.skips: dict[int, Skip] = {}

    def add(self, message: Message) -> None:
        """Keep a message."""
        word = message.about.operation if message.kind == "Tra" else ""
        self.counters.append(message.counter)
        self.times.append(message.time)
        self.numbers.append(message.about.number)
        self.words.append(_WORDS.index(word))
        if message.about.skip is not None:
            self.skips[message.counter] = message.about.skip


class _Disorder(Exception):
    """A message does not follow the one before it."""

    def __init__(self, counter: int, sentence: str) -> None:
        super().__init__(sentence)
        self.counter = counter


def verify_export(
    path: Path, *, is_filtered: bool = False, tick: Callable[[int], None] = lambda _: None
) -> Verified:
    """Check an export. A filtered one may have gaps, but nothing double and nothing forged.

    `tick` is told now and then how many messages were checked.
    """
    try:
        info, certificates = _read_head(path)
        signer = check_certificates(certificates)
        log = _read_log(path, signer, tick)
        order = sorted(range(len(log.counters)), key=log.counters.__getitem__)
        begun, still_open = _check_order(log, order, is_filtered=is_filtered)
    except Wrong as wrong:
        raise Tampered(str(wrong)) from wrong
    except _Disorder as disorder:
        raise Tampered(f"{_name_of(path, disorder.counter)}: {disorder}") from disorder
    first, last = order[0], order[-1]
    return Verified(
        *info,
        signer.name,
        signer.serial,
        len(certificates),
        len(order),
        begun,
        still_open,
        log.counters[first],
        log.counters[last],
        log.times[first],
        log.times[last],
        sum(counter - 1 - skip.counter_before for counter, skip in log.skips.items()),
    )


def _read_head(path: Path) -> tuple[tuple[str, str, str], dict[str, bytes]]:
    """Return what info.csv says, and the certificates, wherever they stand in the archive."""
    info: tuple[str, str, str] | None = None
    certificates: dict[str, bytes] = {}
    for name, content in members_of(path):
        if name == _INFO and info is None:
            info = _info(content)
        elif _CERTIFICATE.fullmatch(name) and name not in certificates:
            certificates[name] = content
        elif not _LOG.fullmatch(name):
            raise Wrong(f"{name}: it does not belong into an export, or is there twice")
    if info is None:
        raise Wrong(f"{_INFO} is missing")
    return info, certificates


def _info(content: bytes) -> tuple[str, str, str]:
    found = _INFO_LINE.fullmatch(content.decode(errors="replace"))
    if found is None:
        raise Wrong(f"{_INFO}: it is not the one line that it should be")
    description, manufacturer, version = (part.replace('""', '"') for part in found.groups())
    return description, manufacturer, version


def _read_log(path: Path, signer: Signer, tick: Callable[[int], None]) -> Log:
    log = Log()
    for name, content in members_of(path):
        if _LOG.fullmatch(name):
            log.add(_check_message(name, content, signer))
            if len(log.counters) % _TICK == 0:
                tick(len(log.counters))
    if not log.counters:
        raise Wrong("The export holds no log message")
    return log


def _check_message(name: str, content: bytes, signer: Signer) -> Message:
    try:
        message = read_message(content)
        _check_signed(message, name, signer)
    except Wrong as wrong:
        raise Wrong(f"{name}: {wrong}") from wrong
    return message


def _check_signed(message: Message, name: str, signer: Signer) -> None:
    if message.serial != signer.serial:
        raise Wrong("another TSE has signed it")
    check_signature(message, signer.key)
    if not signer.not_before <= message.time <= signer.not_after:
        raise Wrong("it was signed while the certificate was not valid")
    if not _is_named(message, name):
        raise Wrong("its name says something else than the message in it")


def _is_named(message: Message, name: str) -> bool:
    found = _LOG.fullmatch(name)
    about, ending = message.about, f"Sig-{message.counter}_Log-{message.kind}"
    if message.kind == "Sys":
        ending += f"_{about.operation}"
    elif message.kind == "Tra":
        # A flat archive has no place for the slash of a client's serial number.
        client = about.client.replace("/", "_")
        ending += f"_No-{about.number}_{about.operation}_Client-{client}"
    is_timed = message.time_format != "Unixt" or (found and found[2] == str(message.time))
    return bool(found and is_timed and (found[1], found[3]) == (message.time_format, ending))


def _check_order(log: Log, order: list[int], *, is_filtered: bool) -> tuple[int, int]:
    """Check counters, times and transactions; return how many began, and how many are open."""
    transactions = _Transactions(
        is_whole=_begins(log, order[0]) and not is_filtered, is_filtered=is_filtered
    )
    before: int | None = None
    for at in order:
        if before is not None:
            _check_next(log, before, at, is_filtered=is_filtered)
        counter = log.counters[at]
        if skip := log.skips.get(counter):
            transactions.skip(counter, skip)
        transactions.follow(counter, _WORDS[log.words[at]], log.numbers[at])
        before = at
    return transactions.begun, len(transactions.open)


def _check_next(log: Log, before: int, at: int, *, is_filtered: bool) -> None:
    """Check that a message follows the one before it, or says what was left out between them."""
    last, counter = log.counters[before], log.counters[at]
    if counter == last:
        raise _Disorder(counter, f"signature counter {counter} was used twice")
    skip = log.skips.get(counter)
    if skip is not None and not is_filtered and skip.counter_before != last:
        sentence = f"it leaves out what follows {skip.counter_before}, and the last is {last}"
        raise _Disorder(counter, sentence)
    if skip is None and counter != last + 1 and not is_filtered:
        raise _Disorder(counter, f"it follows {last}: the messages between are missing")
    if log.times[at] < log.times[before]:
        raise _Disorder(counter, f"it is older than message {last} before it")


def _begins(log: Log, first: int) -> bool:
    """Tell whether a message is the first that a TSE signs, or says that none was before it."""
    skip = log.skips.get(log.counters[first])
    return log.counters[first] == 1 or (skip is not None and skip.counter_before == 0)


class _Transactions:
    """Every transaction begins once, with the next number, and ends once at the most."""

    def __init__(self, *, is_whole: bool, is_filtered: bool) -> None:
        self._is_whole, self._is_filtered = is_whole, is_filtered
        self._first: int | None = None
        self._last = 0
        self._older: set[int] = set()
        self.begun, self.open = 0, set[int]()

    def follow(self, counter: int, word: str, number: int) -> None:
        """Take the next message."""
        if word == "Start":
            self._begin(counter, number)
        elif word:
            self._go_on(counter, number)
            if word == "Finish":
                self.open.discard(number)

    def skip(self, counter: int, skip: Skip) -> None:
        """Go on behind the numbers that a message declares to be left out."""
        follows = self._last or self._is_whole
        is_behind = skip.transaction_before == self._last or not follows or self._is_filtered
        left_out = skip.transaction - skip.transaction_before
        if not is_behind or not 0 <= left_out < counter - skip.counter_before:
            raise _Disorder(counter, f"it leaves out transactions, and the last is {self._last}")
        self._last = skip.transaction

    def _begin(self, counter: int, number: int) -> None:
        if self._last and number <= self._last:
            raise _Disorder(counter, f"transaction {number} begins again, or after its successor")
        follows = self._last or self._is_whole
        if follows and number != self._last + 1 and not self._is_filtered:
            raise _Disorder(counter, f"transaction {number} follows {self._last}: some are missing")
        self._first = self._first or number
        self._last = number
        self.begun += 1
        self.open.add(number)

    def _go_on(self, counter: int, number: int) -> None:
        """Let a transaction go on that is open, or that may have begun before the export does."""
        if number in self.open:
            return
        may_be_older = self._first is None or number < self._first
        if self._is_whole or not may_be_older or number in self._older:
            raise _Disorder(counter, f"transaction {number} is not open")
        self._older.add(number)
        self.open.add(number)


def _name_of(path: Path, counter: int) -> str:
    """Return the name of the last member with a counter: of two it is the one that came second."""
    found = ((name, _LOG.fullmatch(name)) for name, _ in members_of(path))
    return [name for name, match in found if match and int(match[4]) == counter][-1]
