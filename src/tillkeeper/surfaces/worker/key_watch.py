"""Taking up a changed key file while the service serves."""

import os
from dataclasses import dataclass
from pathlib import Path

from tillkeeper.access.operation import House
from tillkeeper.access.peppers import tell_what_is_held
from tillkeeper.core.secrets import Keyring
from tillkeeper.keys import KeysRefusal, read_keys
from tillkeeper.logs import log

_State = tuple[int, int, int]


@dataclass(slots=True)
class KeyWatch:
    """Looks at the file again and again, and reads it when it is another.

    A file that is gone, damaged, open to others, or that lacks what this process works with
    changes nothing: the service goes on with what it has, and says so in the log, once.
    """

    path: Path
    _seen: _State | None = None

    async def run(self, house: House) -> None:
        """Look once."""
        now = _state_of(self.path)
        if now == self._seen:
            return
        self._seen = now
        try:
            keyring = read_keys(self.path).keyring
        except (KeysRefusal, OSError) as refusal:
            log.error("keys.not_taken_up", reason=str(refusal))
            return
        if keyring == house.keyring:
            return
        if reason := _why_not(house.keyring, keyring):
            log.error("keys.not_taken_up", reason=f"{self.path} {reason}")
            return
        house.take_up(keyring)
        log.info("keys.taken_up", versions=keyring.oldest_first, active=keyring.active)
        await tell_what_is_held(house)


def _state_of(path: Path) -> _State | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_mode


def _why_not(old: Keyring, new: Keyring) -> str | None:
    if old.active not in new.peppers:
        return f"lacks version {old.active}, which is in use: restore the newest keys.json"
    if any(new.peppers.get(version, pepper) != pepper for version, pepper in old.peppers.items()):
        return "has another secret for a version that is known: it is not this installation's"
    return None
