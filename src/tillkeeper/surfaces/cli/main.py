"""The command `tillkeeper`."""

import os
import sys
from pathlib import Path
from uuid import UUID

import msgspec
import rich_click as click
from rich.console import Console
from rich.markup import escape

from tillkeeper.app import documents_of, make_apps
from tillkeeper.client import ApiProblem, Client
from tillkeeper.core.countries import ALPHA_3
from tillkeeper.core.env import Env
from tillkeeper.core.errors import Refusal
from tillkeeper.db.embedded import EmbeddedRefusal
from tillkeeper.domains.organizations.wire import OrganizationCreate
from tillkeeper.domains.people.passwords import set_password
from tillkeeper.domains.people.wire import UserInvite
from tillkeeper.domains.provisioning.bootstrap import bootstrap as bootstrap_installation
from tillkeeper.installation import open_installation
from tillkeeper.keys import KeysRefusal
from tillkeeper.schema.migrate import SchemaRefusal
from tillkeeper.settings import SettingsRefusal
from tillkeeper.surfaces.cli.audit import audit
from tillkeeper.surfaces.cli.customers import CustomersRefusal, read_customers
from tillkeeper.surfaces.cli.demo import demonstrate
from tillkeeper.surfaces.cli.doctor import examine, print_findings
from tillkeeper.surfaces.cli.key_file import KeyFileRefusal
from tillkeeper.surfaces.cli.keys import keys
from tillkeeper.surfaces.cli.local import read_trees
from tillkeeper.surfaces.cli.organization import organization
from tillkeeper.surfaces.cli.provision import (
    print_faults,
    print_summary,
    progress_bar,
)
from tillkeeper.surfaces.cli.provision import (
    provision as provision_customers,
)
from tillkeeper.surfaces.cli.running import checked, operator_id, run_service
from tillkeeper.surfaces.cli.running import open_settings as _settings
from tillkeeper.surfaces.cli.running import run as _run
from tillkeeper.surfaces.cli.serving import ServingRefusal, serving, wait_for_the_end
from tillkeeper.surfaces.cli.trees import print_tree

_REFUSALS = (
    SettingsRefusal,
    KeysRefusal,
    EmbeddedRefusal,
    SchemaRefusal,
    ServingRefusal,
    KeyFileRefusal,
    ApiProblem,
)
_out, _err = Console(), Console(stderr=True)
_SECRET_VARIABLE = "TK_API_SECRET"  # noqa: S105 - the name of a variable
_PASSWORD_AT_LEAST = 15


def main() -> None:
    """Run the command; what the person can put right is a sentence, not a traceback."""
    try:
        tillkeeper()
    except CustomersRefusal as refusal:
        print_faults(_err, refusal)
        sys.exit(1)
    except Refusal as refusal:
        _err.print(f"[red]{escape(refusal.sentence)}[/]")
        sys.exit(1)
    except _REFUSALS as refusal:
        _err.print(f"[red]{escape(str(refusal))}[/]")
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tillkeeper")
def tillkeeper() -> None:
    """Run the self-hosted management plane for fiscal services."""


tillkeeper.add_command(keys)


@tillkeeper.command()
@click.option("--host", help="Address to listen on (TILLKEEPER_HOST).")
@click.option("--port", type=int, help="Port to listen on (TILLKEEPER_PORT).")
def serve(host: str | None, port: int | None) -> None:
    """Serve both APIs until SIGINT or SIGTERM."""
    settings = _settings(host=host, port=port)

    async def run() -> bool:
        async with (
            open_installation(settings, "service") as installation,
            serving(installation) as server,
        ):
            _err.print(f"Serving at [bold]{settings.base_url}[/]")
            return await wait_for_the_end(server, installation)

    sys.exit(run_service(run()))


@tillkeeper.command()
@click.argument("customers", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--host", help="Address to listen on (TILLKEEPER_HOST).")
@click.option("--port", type=int, help="Port to listen on (TILLKEEPER_PORT).")
def demo(customers: Path, host: str | None, port: int | None) -> None:
    """Serve; on an empty database provision a sample vendor's CUSTOMERS first."""
    settings = _settings(host=host, port=port)

    async def run() -> bool:
        async with open_installation(settings, "service") as installation:
            return await demonstrate(installation, customers, _out)

    sys.exit(run_service(run()))


@tillkeeper.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    settings = _settings()

    async def run() -> tuple[str, ...]:
        async with open_installation(settings, "command") as installation:
            return installation.applied

    applied = _run(run())
    _out.print(f"Applied {', '.join(applied)}" if applied else "Nothing to do: all is applied")


@tillkeeper.command()
@click.option("--name", required=True, help="Name of the main organization.")
@click.option("--email", required=True, help="Mail address of its owner.")
@click.option("--env", type=click.Choice(["TEST", "LIVE"]), default="TEST", show_default=True)
@click.option("--address-line1", default="-", help="Street and number.")
@click.option("--zip", "zip_code", default="-", help="Postal code.")
@click.option("--town", default="-", help="Town.")
@click.option("--country-code", type=click.Choice(sorted(ALPHA_3)), default="DEU", metavar="XXX")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object and nothing else.")
def bootstrap(  # noqa: PLR0913 - the options of a command
    *,
    name: str,
    email: str,
    env: str,
    address_line1: str,
    zip_code: str,
    town: str,
    country_code: str,
    is_json: bool,
) -> None:
    """Make a main organization with its owner and first key."""
    wanted = checked(
        OrganizationCreate,
        name=name,
        address_line1=address_line1,
        zip=zip_code,
        town=town,
        country_code=country_code,
    )
    owner = checked(UserInvite, email=email)
    settings = _settings()

    async def run() -> bytes:
        async with open_installation(settings, "command") as installation:
            made = await bootstrap_installation(installation.house, wanted, owner, Env(env))
            return msgspec.json.encode(made)

    made = _run(run())
    if is_json:
        click.echo(made.decode())
        return
    for field, value in msgspec.json.decode(made).items():
        _out.print(f"{field:16} {value}", highlight=False)
    _out.print("[dim]The secret is shown once: keep it now.[/]")


@tillkeeper.command()
@click.option("--email", required=True, help="Mail address of the person.")
def password(email: str) -> None:
    """Set a person's password, read from the terminal or from standard input."""
    if sys.stdin.isatty():
        text = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        text = sys.stdin.readline().rstrip("\n")
    if len(text) < _PASSWORD_AT_LEAST:
        raise click.UsageError(f"A password has {_PASSWORD_AT_LEAST} characters or more")
    settings = _settings()

    async def run() -> bool:
        async with open_installation(settings, "command") as installation:
            return await set_password(installation.house, email, text, operator_id())

    if not _run(run()):
        raise click.UsageError("Nobody here has this address")
    _out.print("The password is set.")


@tillkeeper.command()
@click.argument("customers", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--base-url", default="http://127.0.0.1:8080", show_default=True)
@click.option("--api-key", required=True, help="Key of the main organization.")
@click.option(
    "--api-secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"File with the secret; without it {_SECRET_VARIABLE} or a prompt.",
)
@click.option("--managed-by", type=UUID, help="Manager of the customers; default: the key's own.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=16, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("keys.csv"))
def provision(  # noqa: PLR0913 - the options of a command
    *,
    customers: Path,
    base_url: str,
    api_key: str,
    api_secret_file: Path | None,
    managed_by: UUID | None,
    concurrency: int,
    out: Path,
) -> None:
    """Make a managed organization with a key for each row of CUSTOMERS, through the API.

    Stopped in the middle and run again it goes on where it was and makes nothing twice.
    """
    rows = read_customers(customers)
    secret = _read_secret(api_secret_file)

    async def run() -> int:
        async with Client(base_url, api_key, secret) as client:
            parent = managed_by or (await client.me()).organization.id
            with progress_bar(_err, "Provisioning customers") as progress:
                summary = await provision_customers(
                    client,
                    rows,
                    managed_by=parent,
                    concurrency=concurrency,
                    out=out,
                    progress=progress,
                )
            print_summary(_out, summary)
            return summary.failed

    sys.exit(1 if _run(run()) else 0)


@tillkeeper.command()
def tree() -> None:
    """Print the organizations of this installation as trees."""
    settings = _settings()

    async def run() -> None:
        async with open_installation(settings, "command") as installation:
            for root in await read_trees(installation.house):
                print_tree(_out, root)

    _run(run())


@tillkeeper.command()
def doctor() -> None:
    """Look at the installation and say what is not well."""
    settings = _settings()

    async def run() -> bool:
        async with open_installation(settings, "command") as installation:
            return print_findings(_out, await examine(installation))

    sys.exit(0 if _run(run()) else 1)


@tillkeeper.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; fail where a document is not current.")
def openapi(directory: Path, *, check: bool) -> None:
    """Write the OpenAPI documents into DIRECTORY."""
    documents = documents_of(make_apps())
    stale = []
    for name, body in documents.items():
        path = directory / f"{name}.json"
        if check:
            if not path.exists() or path.read_bytes() != body:
                stale.append(str(path))
        else:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    if stale:
        _err.print(f"[red]Not current: {', '.join(stale)}: run make openapi[/]")
        sys.exit(1)


tillkeeper.add_command(audit)
tillkeeper.add_command(organization)


def _read_secret(path: Path | None) -> str:
    if path is not None:
        return path.read_text(encoding="utf-8").strip()
    if secret := os.environ.get(_SECRET_VARIABLE):
        return secret
    return str(click.prompt("API secret", hide_input=True, err=True))
