"""`tillkeeper tse`: check what a TSE has signed, offline and without trusting this program."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import rich_click as click
from msgspec import json
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from tillkeeper.surfaces.cli.tse_der import Wrong
from tillkeeper.surfaces.cli.tse_export import Tampered, Verified, verify_export
from tillkeeper.surfaces.cli.tse_qr import Receipt, verify_qr

_out, _err = Console(), Console(stderr=True)


@click.group()
def tse() -> None:
    """Check exports and receipts of a TSE, ours or another's."""


@tse.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--filtered", is_flag=True, help="It holds a client or some transactions alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def verify(file: Path, *, filtered: bool, as_json: bool) -> None:
    """Verify the export FILE: certificates, every signature, and that nothing is missing.

    Ends with 1 where something is wrong, and names the first member that is.
    """
    try:
        with _progress() as progress:
            task = progress.add_task("Checking", total=None)
            found = verify_export(
                file,
                is_filtered=filtered,
                tick=lambda count: progress.update(task, completed=count),
            )
    except Tampered as tampered:
        _fail(str(tampered), as_json=as_json)
    if as_json:
        _print_json(found._asdict())
    else:
        _print_export(file, found)


@tse.command()
@click.argument("text")
@click.option("--serial", metavar="HEX", help="The serial number that the TSE should have.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def qr(text: str, *, serial: str | None, as_json: bool) -> None:
    """Verify the TEXT of a receipt's QR code, which begins with V0.

    Ends with 1 where its signature is wrong. The key stands in the text itself: with --serial it is
    compared with that of a TSE you know.
    """
    try:
        found = verify_qr(text)
    except Wrong as wrong:
        _fail(f"The receipt is not what a TSE has signed: {wrong}", as_json=as_json)
    if serial is not None and serial.lower() != found.serial_number:
        _fail(f"Another TSE has signed the receipt: {found.serial_number}", as_json=as_json)
    if as_json:
        _print_json(found._asdict())
    else:
        _print_receipt(found)


def _print_export(file: Path, found: Verified) -> None:
    counters = f"{found.first_counter} to {found.last_counter}"
    _print_table(
        {
            "export": file.name,
            "TSE": found.serial_number,
            "certified as": f"{found.subject}, {found.certificates} certificates",
            "made by": f"{found.manufacturer}, {found.version}",
            "description": found.description,
            "messages": f"{found.messages}, signature counters {counters}",
            "transactions": f"{found.transactions} begun, {found.open_transactions} open",
            "left out": f"{found.left_out:,} numbers, after a restore"
            if found.left_out
            else "nothing",
            "from, to": f"{_time(found.first_time)}, {_time(found.last_time)}",
        }
    )
    but = " but what the TSE itself says to have left out" if found.left_out else ""
    _out.print(
        f"[green]Whole: every signature is right, and nothing is missing between them{but}.[/]",
        soft_wrap=True,
    )


def _print_receipt(found: Receipt) -> None:
    _print_table({name.replace("_", " "): str(value) for name, value in found._asdict().items()})
    _out.print("[green]Right: this TSE has signed all of it but the time of the start.[/]")


def _print_table(rows: dict[str, str]) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, escape(value))
    _out.print(table)


def _print_json(values: dict[str, object]) -> None:
    click.echo(json.encode({"is_whole": True} | values).decode())


def _fail(sentence: str, *, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.encode({"is_whole": False, "reason": sentence}).decode())
    else:
        _err.print(f"[red]{escape(sentence)}[/]", highlight=False, soft_wrap=True)
    sys.exit(1)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _progress() -> Progress:
    columns = SpinnerColumn(), TextColumn("{task.description} {task.completed:.0f} messages")
    return Progress(*columns, console=_err, transient=True)
