"""The directories of one embedded database: its data, its log and its socket."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tillkeeper.db.embedded.account import Account, EmbeddedRefusal, find_closed_directory

SOCKET_PARENT = "/tmp"  # noqa: S108 - short, because a socket's path must stay below 108 bytes
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
OWN_NAMES = {"postgres", "service.lock"}
PRIVATE = 0o700


@dataclass(frozen=True)
class Site:
    """One data directory (resolved) and the account it is served by."""

    data_dir: Path
    account: Account

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.data_dir / "postgres"

    @property
    def log_file(self) -> Path:
        """Where initdb and PostgreSQL write what they have to say."""
        return self.data_dir / "postgres.log"

    @property
    def lock_file(self) -> Path:
        """Held by the one service that owns the data directory."""
        return self.data_dir / "service.lock"

    @property
    def socket_dir(self) -> Path:
        """A short path outside the data, the same for every start and for the command line."""
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()
        return Path(SOCKET_PARENT, f"tillkeeper-{digest[:12]}")


def prepare_data_dir(site: Site) -> None:
    """Create the data directory, or take an empty one or ours, closed to everyone else (0700).

    Directories above are never changed: one that is closed to the account is a refusal.
    """
    _refuse_closed_parent(site)
    site.data_dir.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    _refuse_closed_parent(site)  # Parents made just now may be closed by the umask.
    directory = os.open(site.data_dir, OPEN_DIRECTORY)
    try:
        _take_data_dir(site, directory)
    finally:
        os.close(directory)
    _give_cluster(site)


def prepare_socket_dir(site: Site) -> None:
    """Create the socket directory (0700) or take our old one; refuse anybody else's."""
    try:
        site.socket_dir.mkdir(mode=PRIVATE)
    except FileExistsError:
        refuse_foreign_socket_dir(site)
    directory = os.open(site.socket_dir, OPEN_DIRECTORY)
    try:
        os.fchown(directory, site.account.uid, site.account.gid)
        os.fchmod(directory, PRIVATE)
    finally:
        os.close(directory)


def refuse_foreign_socket_dir(site: Site) -> None:
    """Refuse a link or somebody else's directory: behind it could be another server."""
    if not _is_own_socket_dir(site):
        raise EmbeddedRefusal(
            f"{site.socket_dir} exists and does not belong to this database: "
            "remove it and start again."
        )


def clear_socket_dir(site: Site) -> None:
    """Remove the socket and its lock file that a killed server left; the cluster must be down.

    The number in the lock file may be a zombie's or another's by now, and then PostgreSQL would
    not start. The directory serves this cluster alone; anybody else's is left as it is.
    """
    if not site.socket_dir.exists() or not _is_own_socket_dir(site):
        return
    for leftover in site.socket_dir.glob(".s.PGSQL.*"):
        leftover.unlink()


def open_log(site: Site) -> int:
    """Open the log for appending, owned by the account; never through a link."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    log = os.open(site.log_file, flags, 0o600)
    os.fchown(log, site.account.uid, site.account.gid)
    return log


def _is_own_socket_dir(site: Site) -> bool:
    info = site.socket_dir.lstat()
    return stat.S_ISDIR(info.st_mode) and info.st_uid in {site.account.uid, os.geteuid()}


def _refuse_closed_parent(site: Site) -> None:
    if closed := find_closed_directory(site.account, site.data_dir.parent):
        raise EmbeddedRefusal(
            f"PostgreSQL runs as an unprivileged user, who cannot enter {closed}: "
            "choose another TILLKEEPER_DATA_DIR, for example /var/lib/tillkeeper."
        )


def _take_data_dir(site: Site, directory: int) -> None:
    info = os.fstat(directory)
    is_private = stat.S_IMODE(info.st_mode) == PRIVATE
    if info.st_uid == site.account.uid and is_private:
        return
    if info.st_uid not in {site.account.uid, os.geteuid()}:
        raise EmbeddedRefusal(
            f"{site.data_dir} belongs to another user: "
            "start as that user, or choose another TILLKEEPER_DATA_DIR."
        )
    names = set(os.listdir(directory))
    is_home = site.data_dir in {Path("/"), Path("~").expanduser()}
    if is_home or not (is_private or not names or names & OWN_NAMES):
        # Closing it would lock its present users out: /var/lib or a home given by mistake.
        raise EmbeddedRefusal(
            f"{site.data_dir} holds other files and would be closed to their users: "
            "choose an empty directory as TILLKEEPER_DATA_DIR."
        )
    os.fchmod(directory, PRIVATE)
    os.fchown(directory, site.account.uid, site.account.gid)


def _give_cluster(site: Site) -> None:
    """Give the cluster to the account where it is another's: a backup restored by root."""
    if not site.cluster.is_dir() or site.cluster.lstat().st_uid == site.account.uid:
        return
    for _, directories, files, folder in os.fwalk(site.cluster, topdown=False):
        for name in (*directories, *files):
            os.chown(name, site.account.uid, site.account.gid, dir_fd=folder, follow_symlinks=False)
    os.chown(site.cluster, site.account.uid, site.account.gid, follow_symlinks=False)
