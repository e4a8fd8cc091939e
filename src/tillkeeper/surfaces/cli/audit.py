"""`tillkeeper audit`: take the audit out, verify it, and declare a restore."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import rich_click as click
from msgspec import DecodeError, json
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tillkeeper.domains.audit import seals
from tillkeeper.installation import Installation, open_installation
from tillkeeper.surfaces.cli.audit_ledger import (
    count_seals,
    declare_restored,
    export,
    open_ledger,
)
from tillkeeper.surfaces.cli.audit_verifier import Tampered, Verified, verify, verify_proof
from tillkeeper.surfaces.cli.continuity import MOST, hold_every_tss, skip_numbers
from tillkeeper.surfaces.cli.running import open_settings, operator_id, run

_EXPORT = b'{"format":'
_out, _err = Console(), Console(stderr=True)


@click.group()
def audit() -> None:
    """Take the audit out of the installation, and verify it."""


@audit.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_command(file: Path) -> None:
    """Write all rows and seals of the installation to FILE, as JSON lines."""
    settings = open_settings()

    async def work() -> None:
        async with open_installation(settings, "command") as installation:
            with file.open("wb") as target, _progress() as progress:
                await _write(installation, target, progress)

    run(work())
    _out.print(f"Written to {escape(str(file))}")


@audit.command("verify")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--public-key", "keys", multiple=True, help="In hex; several after a rotation.")
@click.option(
    "--kept", multiple=True, metavar="NUMBER:HASH", help="A seal that you have kept elsewhere."
)
def verify_command(file: Path | None, keys: tuple[str, ...], kept: tuple[str, ...]) -> None:
    """Verify an exported FILE or the proof of an entry, offline; without FILE the installation."""
    trusted, anchors = _trusted(keys), _anchors(kept)
    try:
        if file is None:
            found = _verify_installation(trusted, anchors)
        elif proof := _proof_in(file):
            _out.print(escape(verify_proof(proof, trusted)), highlight=False, soft_wrap=True)
            return
        else:
            with file.open(encoding="utf-8") as lines:
                found = verify(lines, trusted, anchors)
    except Tampered as tampered:
        _err.print(f"[red]{escape(str(tampered))}[/]", highlight=False, soft_wrap=True)
        sys.exit(1)
    _print_verified(found)
    if file is not None and trusted is None:
        _out.print("Signed by the keys in the file: compare them with those you were given.")


@audit.command()
@click.option(
    "--skip",
    "wanted",
    type=click.IntRange(0, MOST),
    metavar="NUMBERS",
    help="How many numbers each TSS leaves out; 0 where nothing can have been signed since.",
)
def restored(wanted: int | None) -> None:
    """Declare that this database was restored or failed over: sealing and signing go on from here.

    Each TSS goes on with numbers that it cannot have given out since the backup was made.
    """
    settings = open_settings()

    async def work() -> None:
        async with open_installation(settings, "command") as installation:
            keyring = installation.house.keyring
            async with open_ledger(installation.url, "read_committed") as ledger:
                await hold_every_tss(ledger)
                signed = await declare_restored(ledger, keyring)
                skipped = await skip_numbers(ledger, wanted, operator_id())
            _out.print(f"Seal {signed.number} begins a new epoch: {signed.hash}", highlight=False)
            _out.print(
                f"{skipped.tss} TSS go on, {skipped.numbers:,} numbers further", highlight=False
            )

    run(work())


async def _write(installation: Installation, target: IO[bytes], progress: Progress) -> None:
    async with open_ledger(installation.url, "repeatable_read") as ledger:
        task = progress.add_task("Seals", total=await count_seals(ledger))
        tick: Callable[[], None] = lambda: progress.update(task, advance=1)  # noqa: E731
        async for line in export(ledger, installation.house.keyring, tick):
            target.write(line + b"\n")


def _verify_installation(trusted: dict[str, str] | None, anchors: dict[int, str]) -> Verified:
    """Verify against the keys that the key file gives, not those that a database would."""
    settings = open_settings()

    async def work() -> Verified:
        async with open_installation(settings, "command") as installation:
            own = dict(seals.public_keys(installation.house.keyring))
            with tempfile.TemporaryFile("w+b") as kept, _progress() as progress:
                await _write(installation, kept, progress)
                kept.seek(0)
                return verify((line.decode() for line in kept), trusted or own, anchors)

    return run(work())


def _trusted(keys: tuple[str, ...]) -> dict[str, str] | None:
    try:
        return {seals.key_id_of(bytes.fromhex(key)): key for key in keys} or None
    except ValueError as error:
        raise click.UsageError("--public-key should be 64 hex digits") from error


def _anchors(kept: tuple[str, ...]) -> dict[int, str]:
    try:
        pairs = (each.partition(":") for each in kept)
        return {int(number): hash_.lower() for number, _, hash_ in pairs}
    except ValueError as error:
        raise click.UsageError("--kept should read NUMBER:HASH") from error


def _proof_in(file: Path) -> dict[str, object] | None:
    """Return the proof that a file is, where it is one."""
    with file.open("rb") as lines:
        if lines.read(len(_EXPORT)) == _EXPORT:
            return None
    try:
        proof: dict[str, object] = json.decode(file.read_bytes())
    except DecodeError as error:
        raise click.UsageError("The file is neither an export nor a proof") from error
    return proof


def _print_verified(found: Verified) -> None:
    _out.print(
        f"Whole: {found.rows} rows under {found.seals} seals, {found.not_sealed} not sealed yet",
        highlight=False,
    )
    _out.print(f"Keep this seal: {found.seals}:{found.last_seal}", highlight=False, soft_wrap=True)


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, console=_err, transient=True)
