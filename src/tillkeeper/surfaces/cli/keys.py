"""Commands about keys."""

import sys
from collections.abc import Iterable, Iterator

import rich_click as click

from tillkeeper.core.secrets import Found, find_minted
from tillkeeper.surfaces.cli.rotation import activate, prepare, retire, status

_SHOWN_OF_SECRET = 4


@click.group()
def keys() -> None:
    """Look after keys and secrets."""


for _command in (prepare, activate, retire, status):
    keys.add_command(_command)


@keys.command()
@click.argument("text")
def check(text: str) -> None:
    """Find keys and secrets in TEXT, or in standard input where TEXT is `-`, offline.

    Ends with 0 where something is found and with 1 where nothing is, as grep does. Secrets are
    never printed in full.
    """
    sys.exit(0 if _print_all(_stdin() if text == "-" else text.splitlines()) else 1)


def _stdin() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", errors="replace")


def _print_all(lines: Iterable[str]) -> int:
    count = 0
    for number, line in enumerate(lines, start=1):
        for found in find_minted(line):
            click.echo(f"{number}:{found.start + 1}: {_described(found)}")
            count += 1
    return count


def _described(found: Found) -> str:
    if found.kind == "key":
        env = found.text.partition("_")[0].upper()
        return f"key {found.text} ({env}): not secret by itself, look for its secret nearby"
    shown = found.text[:_SHOWN_OF_SECRET]
    return f"secret {shown}…: revoke its key"
