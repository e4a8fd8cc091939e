"""`tillkeeper organization`: what nobody but the operator can do, because nobody stands above."""

import re
import sys
from uuid import UUID

import rich_click as click
from msgspec import structs

from tillkeeper.access.operation import House, Operation
from tillkeeper.access.operator import operate, rehearse
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.core.errors import OrganizationNotFound
from tillkeeper.domains.organizations import actions, queries
from tillkeeper.domains.organizations.wire import Organization, OrganizationStatusChange
from tillkeeper.installation import open_installation
from tillkeeper.surfaces.cli.running import checked, open_settings, operator_id, run

_STATUSES = ("active", "suspended", "archived", "pending-deletion")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGENT = "tillkeeper organization status"


@click.group()
def organization() -> None:
    """Set the standing of organizations, roots too."""


@organization.command()
@click.argument("organization_id", type=click.UUID)
@click.argument("status", type=click.Choice(_STATUSES))
@click.option("--reason", required=True, help="Shown to the organization, and kept in its audit.")
@click.option("--grace", default="7d", show_default=True, help="Of a suspension: 0s, 12h, 7d.")
@click.option("--purge-in-days", type=int, default=30, show_default=True)
@click.option(
    "--env",
    type=click.Choice(["TEST", "LIVE"]),
    default="TEST",
    show_default=True,
    help="Where it is recorded: LIVE for an organization that is LIVE.",
)
@click.option("--yes", is_flag=True, help="Do it. Without it only what would change is printed.")
@click.option("--name", help="Name of the organization, which one that is LIVE asks for.")
def status(  # noqa: PLR0913 - the options of a command
    *,
    organization_id: UUID,
    status: str,
    reason: str,
    grace: str,
    purge_in_days: int,
    env: str,
    yes: bool,
    name: str | None,
) -> None:
    """Suspend, archive, mark for deletion or restore ORGANIZATION_ID: first as a rehearsal."""
    wanted = checked(
        OrganizationStatusChange,
        status=status.replace("-", "_"),
        reason=reason,
        grace_seconds=_seconds(grace),
        purge_in_days=purge_in_days,
    )
    settings = open_settings()

    async def work() -> None:
        async with open_installation(settings, "command") as installation:
            before = await _rehearse(installation.house, organization_id, Env(env), wanted)
            if not yes:
                click.echo("Nothing was changed: with --yes it is done.")
                return
            if Env.LIVE in before.envs:
                _confirm(before.name, name)
            await _change(installation.house, organization_id, Env(env), wanted)
            click.echo("Done, with effect from the next request on.")

    run(work())


async def _rehearse(
    house: House, organization_id: UUID, env: Env, wanted: OrganizationStatusChange
) -> Organization:
    """Do it and undo it; print what it changes, and return the organization as it is."""
    async with rehearse(house, organization_id, env, (env,), operator_id()) as op:
        grant = await require(op, Right.ORGANIZATION_READ, organization_id)
        before = await queries.lock_organization(grant)
        if before is None:
            raise OrganizationNotFound(organization_id)
        if Env.LIVE in before.envs and env is not Env.LIVE:
            raise click.UsageError("The organization is LIVE: pass --env LIVE")
        reached = await queries.count_reached(grant, most=_COUNTED_TO + 1) - 1
        after = await _set_status(op, organization_id, wanted)
    below = f", with {_number(reached)} below it" if reached > 0 else ""
    click.echo(f"{before.name} ({', '.join(before.envs)}){below}")
    _print_changes(before, after)
    return before


async def _change(
    house: House, organization_id: UUID, env: Env, wanted: OrganizationStatusChange
) -> None:
    async with operate(house, organization_id, env, (env,), operator_id()) as op:
        await _set_status(op, organization_id, wanted)


async def _set_status(
    op: Operation, organization_id: UUID, wanted: OrganizationStatusChange
) -> Organization:
    op.agent = _AGENT
    grant = await require(op, Right.ORGANIZATION_SUSPEND, organization_id)
    return await actions.set_status(grant, wanted)


_COUNTED_TO = 1000


def _number(reached: int) -> str:
    return str(reached) if reached <= _COUNTED_TO else f"more than {_COUNTED_TO}"


def _print_changes(before: Organization, after: Organization) -> None:
    old, new = structs.asdict(before), structs.asdict(after)
    changed = [name for name in old if old[name] != new[name]]
    for name in changed:
        click.echo(f"  {name}: {old[name] or '-'} -> {new[name] or '-'}")
    if not changed:
        click.echo("  nothing changes")


def _confirm(name: str, given: str | None) -> None:
    """Make sure that it is this one, where tills are signing."""
    if given is None and sys.stdin.isatty():
        given = click.prompt("It is LIVE. Type its name to go on")
    if given != name:
        raise click.UsageError(f'It is LIVE: confirm with --name "{name}"')


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", text, re.ASCII)
    if found is None:
        raise click.UsageError("--grace should be a number with s, m, h or d, such as 7d")
    return int(found[1]) * _UNITS[found[2] or "s"]
