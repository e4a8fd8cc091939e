"""The system user the database runs as, and which directories that user can enter."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

UNPRIVILEGED_USER = "nobody"


class EmbeddedRefusal(Exception):
    """The embedded database cannot serve; the text is a sentence for the person who started it."""


@dataclass(frozen=True)
class Account:
    """The user PostgreSQL runs as; borrowed when root steps down to it."""

    uid: int
    gid: int
    is_borrowed: bool


def choose_account(data_dir: Path) -> Account:
    """Take ourselves, or as root the data directory's unprivileged owner, else `nobody`.

    PostgreSQL refuses to run as root. A directory that already belongs to an ordinary user keeps
    its owner, so that one start as root does not lock the usual user out.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), is_borrowed=False)
    if data_dir.is_dir() and (info := data_dir.stat()).st_uid != 0:
        return Account(info.st_uid, info.st_gid, is_borrowed=True)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise EmbeddedRefusal(
            "PostgreSQL does not run as root and this system has no user 'nobody': "
            "start Tillkeeper as an ordinary user."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, is_borrowed=True)


def find_closed_directory(account: Account, path: Path) -> Path | None:
    """Name the first existing directory on the way into `path` that the account cannot enter.

    Only asked for a borrowed account: for ourselves the operating system answers better, because
    it knows our other groups. Access control lists are not read.
    """
    if not account.is_borrowed:
        return None
    way = [*reversed(path.parents), path]
    return next((step for step in way if step.is_dir() and not _may_enter(account, step)), None)


def _may_enter(account: Account, directory: Path) -> bool:
    info = directory.stat()
    if info.st_uid == account.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == account.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)
