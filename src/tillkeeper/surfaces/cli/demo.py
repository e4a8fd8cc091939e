"""`make run`: the main job in sight, then a service that goes on."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
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
from tillkeeper.surfaces.cli.sample_tills import Admins, Sale, read_keys, trade
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
    """Serve; on an empty database make a vendor and provision its customers by HTTP first.

    Each customer of the sample has a till, and shows what it has signed, at every start.
    """
    rows = read_customers(customers)
    async with serving(installation) as server:
        trees = await read_trees(installation.house)
        if trees:
            console.print("Found the organizations of an earlier run:")
            for tree in trees:
                print_tree(console, tree)
            await _trade(installation, console)
            console.print(
                f"Serving at [bold]{installation.settings.base_url}[/], reference at "
                f"[bold]{installation.settings.base_url}/docs[/]. Another key: "
                "[bold]tillkeeper bootstrap --name NAME --email MAIL[/]"
            )
        else:
            await _begin(installation, rows, console)
        console.print(
            f"[dim]Stop with Ctrl-C; the data stays in {installation.settings.data_dir}.[/]"
        )
        return await wait_for_the_end(server, installation)


async def _begin(installation: Installation, rows: list[CustomerRow], console: Console) -> None:
    first = await bootstrap(installation.house, _VENDOR, _OWNER, Env.TEST)
    try:
        await _provision(installation, first, rows, console)
        await _trade(installation, console)
    finally:
        # It is shown once: also to whoever stops in the middle.
        _print_credentials(console, installation.settings.base_url, first)


async def _provision(
    installation: Installation, first: Bootstrapped, rows: list[CustomerRow], console: Console
) -> None:
    base_url, out = installation.settings.base_url, _key_file(installation)
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


def _key_file(installation: Installation) -> Path:
    return installation.settings.data_dir / "sample-keys.csv"


async def _trade(installation: Installation, console: Console) -> None:
    """Let each customer of the sample sign a receipt, once; print what stands in its QR code."""
    customers = read_keys(_key_file(installation))
    if not customers:
        return
    file = installation.settings.data_dir / "sample-tills.json"
    with progress_bar(console, "Signing receipts") as progress:
        sales = await trade(installation.settings.base_url, customers, Admins(file), progress)
    console.print("Each customer has a TSS, a client and a receipt:")
    for sale in sales:
        _print_sale(console, sale)
    console.print(f"PUK and PIN of each TSS are in [bold]{file}[/], readable by you alone.")
    console.print("Check a receipt: [bold]tillkeeper tse qr 'V0;…'[/]", highlight=False)


def _print_sale(console: Console, sale: Sale) -> None:
    customer = f"{sale.customer.external_id} {sale.customer.name}"
    console.print(f"[bold]{escape(customer)}[/]", highlight=False)
    if sale.qr_code_data is None:
        console.print(f"[red]{escape(sale.failure or '')}[/]", soft_wrap=True)
    else:
        console.print(sale.qr_code_data, highlight=False, markup=False, soft_wrap=True)


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
