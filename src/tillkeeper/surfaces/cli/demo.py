"""`make run`: the main job in sight, then a service that goes on."""

from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from tillkeeper.client import Client
from tillkeeper.core.countries import CountryCode
from tillkeeper.core.env import Env
from tillkeeper.domains.organizations.wire import OrganizationCreate
from tillkeeper.domains.people.wire import UserInvite
from tillkeeper.domains.provisioning.bootstrap import Bootstrapped, bootstrap
from tillkeeper.installation import Installation
from tillkeeper.surfaces.cli.customers import CustomerRow, read_customers
from tillkeeper.surfaces.cli.local import read_trees
from tillkeeper.surfaces.cli.provision import print_summary, progress_bar, provision
from tillkeeper.surfaces.cli.serving import serving, wait_for_the_end
from tillkeeper.surfaces.cli.trees import print_tree

_VENDOR = OrganizationCreate(
    name="Sample Vendor GmbH",
    address_line1="Kassenweg 7",
    zip="10115",
    town="Berlin",
    country_code=CountryCode.DEU,
    state="Berlin",
)
_OWNER = UserInvite(email="owner@sample-vendor.example", first_name="Ada", last_name="Sample")
_CONCURRENCY = 8


async def demonstrate(installation: Installation, customers: Path, console: Console) -> bool:
    """Serve; on an empty database make a vendor and provision its customers by HTTP first."""
    rows = read_customers(customers)
    async with serving(installation) as server:
        trees = await read_trees(installation.house)
        if trees:
            console.print("Found the organizations of an earlier run:")
            for tree in trees:
                print_tree(console, tree)
            console.print(
                f"Serving at [bold]{installation.settings.base_url}[/], reference at "
                f"[bold]{installation.settings.base_url}/docs[/]. Another key: "
                "[bold]tillkeeper bootstrap --name NAME --email MAIL[/]"
            )
        else:
            first = await bootstrap(installation.house, _VENDOR, _OWNER, Env.TEST)
            await _provision(installation, first, rows, console)
        console.print(
            f"[dim]Stop with Ctrl-C; the data stays in {installation.settings.data_dir}.[/]"
        )
        return await wait_for_the_end(server, installation)


async def _provision(
    installation: Installation, first: Bootstrapped, rows: list[CustomerRow], console: Console
) -> None:
    base_url = installation.settings.base_url
    out = installation.settings.data_dir / "sample-keys.csv"
    async with Client(base_url, first.api_key, first.api_secret) as client:
        with progress_bar(console, "Provisioning customers") as progress:
            summary = await provision(
                client,
                rows,
                managed_by=first.organization_id,
                concurrency=_CONCURRENCY,
                out=out,
                progress=progress,
            )
        print_summary(console, summary)
        tree = await client.tree(first.organization_id)
    print_tree(console, tree.data)
    console.print(f"The customers' keys are in [bold]{out}[/], readable by you alone.")
    _print_credentials(console, base_url, first)


def _print_credentials(console: Console, base_url: str, first: Bootstrapped) -> None:
    """Print what to copy on lines that the terminal may wrap and nobody else."""
    shown = (
        f"API key    {first.api_key}\nAPI secret {first.api_secret}\n"
        f"Base URL   {base_url}/api/v0\nReference  {base_url}/docs"
    )
    console.print(Panel(shown, title="Your key, shown once", expand=False), highlight=False)
    body = f'{{"api_key":"{first.api_key}","api_secret":"{first.api_secret}"}}'
    console.print("Try it:")
    console.print(
        f"curl -s {base_url}/api/v0/auth -H 'Content-Type: application/json' -d '{body}'",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
