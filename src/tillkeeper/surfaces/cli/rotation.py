"""`tillkeeper keys prepare`, `activate`, `retire` and `status`: another pepper, step by step."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import rich_click as click

from tillkeeper.access.peppers import (
    PepperHolder,
    PepperNeed,
    count_pepper_needs,
    list_pepper_holders,
    list_unknown_versions,
)
from tillkeeper.core.secrets import Keyring
from tillkeeper.domains.audit import seals
from tillkeeper.installation import Installation, open_installation
from tillkeeper.keys import (
    Keys,
    KeysRefusal,
    Step,
    change_key_file,
    key_file,
    load_keys,
    write_setting,
)
from tillkeeper.settings import Settings
from tillkeeper.surfaces.cli.running import open_settings, run

_PEPPER_BYTES = 32
_OUT = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file for the next value of TILLKEEPER_PEPPER, where the secrets come from there.",
)


@click.command()
@_OUT
def prepare(out: Path | None) -> None:
    """Make another version of the pepper, which every service takes up and nobody uses yet."""
    settings = open_settings()
    if settings.pepper is None and not key_file(settings.data_dir).exists():
        raise KeysRefusal(f"There are no keys in {settings.data_dir} yet: start the service first")

    def step(ring: Keyring) -> Keyring:
        if ring.prepared is not None:
            raise KeysRefusal(f"Version {ring.prepared} is prepared already: activate it")
        return ring.prepare(secrets.token_bytes(_PEPPER_BYTES))

    ring = _change(settings, out, step).keyring
    click.echo(
        f"Version {ring.prepared} is prepared and not in use. {_how_it_goes_on(out)} Then: "
        "tillkeeper keys activate"
    )


@click.command()
@_OUT
def activate(out: Path | None) -> None:
    """Store and sign under the prepared version from now on; the old one still verifies."""

    async def work(installation: Installation) -> str:
        ring = installation.house.keyring
        holders = await list_pepper_holders(installation.house)
        wanted = ring.prepared
        if wanted is None:
            raise KeysRefusal("No version is prepared: run `tillkeeper keys prepare` first")
        _refuse(_not_held(ring, wanted, holders))
        _change(installation.settings, out, lambda ring: _activated(ring, wanted))
        return f"Version {wanted} is active, version {ring.active} still verifies. "

    click.echo(_on_installation(work) + _how_it_goes_on(out))


@click.command()
@click.argument("version", type=click.IntRange(min=0))
@click.option(
    "--lock-out",
    is_flag=True,
    help="Retire it although it is needed: what is stored or signed under it works no more.",
)
@_OUT
def retire(version: int, *, lock_out: bool, out: Path | None) -> None:
    """Forget VERSION, once nothing needs it any more. Its seals are still verified."""

    async def work(installation: Installation) -> str:
        house = installation.house
        ring = house.keyring
        unknown = await list_unknown_versions(house)
        if version >= ring.active or version not in [*ring.peppers, *unknown]:
            raise KeysRefusal(f"Version {version} is not an old one: see `tillkeeper keys status`")
        holders = await list_pepper_holders(house)
        needs = _told(await count_pepper_needs(house, version), holders, version)
        _refuse([*_still_signing(version, holders), *_not_held(ring, ring.active, holders)])
        if needs and not lock_out:
            raise KeysRefusal(
                f"Version {version} is needed by {', '.join(needs)}. Secrets and passwords move at "
                "the next login, tokens and kept answers end by themselves. See docs/operations.md"
            )
        public = _public_of(ring, version)
        _change(installation.settings, out, lambda ring: ring.retire(version, public))
        return f"Version {version} is retired. "

    click.echo(_on_installation(work) + _how_it_goes_on(out))


@click.command()
def status() -> None:
    """Tell the versions of the pepper, what needs each, and which process holds which."""

    async def work(installation: Installation) -> str:
        house = installation.house
        ring, holders = house.keyring, await list_pepper_holders(house)
        lines = []
        for version in reversed(ring.oldest_first):
            needs = _told(await count_pepper_needs(house, version), holders, version)
            lines.append(
                f"version {version}, {_stage(ring, version)}, {ring.fingerprint(version).hex()}: "
                f"{', '.join(needs) or 'nothing needs it'}"
            )
        lines += [f"version {version}, retired" for version in sorted(ring.retired, reverse=True)]
        lines += [
            f"version {version}, missing: restore the newest keys.json"
            for version in await list_unknown_versions(house)
        ]
        return "\n".join([*lines, *_processes(ring, holders)])

    click.echo(_on_installation(work))


def _on_installation(work: Callable[[Installation], Awaitable[str]]) -> str:
    settings = open_settings()

    async def opened() -> str:
        async with open_installation(settings, "command") as installation:
            return await work(installation)

    return run(opened())


def _change(settings: Settings, out: Path | None, step: Step) -> Keys:
    """Change the file; where the secrets are a setting write its next value, never to a screen."""
    if settings.pepper is None:
        if out is not None:
            raise click.UsageError("--out is for secrets that come from TILLKEEPER_PEPPER")
        return change_key_file(key_file(settings.data_dir), step)
    if out is None:
        raise click.UsageError("The secrets come from TILLKEEPER_PEPPER: name a file with --out")
    return write_setting(out, load_keys(settings.data_dir, settings.pepper), step)


def _activated(ring: Keyring, version: int) -> Keyring:
    """Activate what was checked; another command may have been here since."""
    if ring.prepared != version:
        raise KeysRefusal("Another command has just changed the keys: look at them again")
    return ring.activate(version)


def _how_it_goes_on(out: Path | None) -> str:
    if out is None:
        return "Services on this directory take it up within seconds; copy the file to others."
    return f"Give TILLKEEPER_PEPPER what is in {out} and restart the services one by one."


def _not_held(ring: Keyring, version: int, holders: Sequence[PepperHolder]) -> list[str]:
    """Name the running services that lack a version, or have another secret for it."""
    right = ring.fingerprint(version)
    alive = {each.process_id: each.host for each in holders if each.is_alive}
    ready = {
        each.process_id
        for each in holders
        if each.is_alive and each.version == version and each.fingerprint == right
    }
    return [
        f"a service on {host} does not hold version {version} yet"
        for process_id, host in alive.items()
        if process_id not in ready
    ]


def _still_signing(version: int, holders: Sequence[PepperHolder]) -> list[str]:
    return [
        f"a service on {each.host} still signs under version {version}"
        for each in holders
        if each.is_alive and each.is_active and each.version == version
    ]


def _refuse(reasons: Iterable[str]) -> None:
    if told := ", ".join(reasons):
        raise KeysRefusal(f"Not yet: {told}. Wait some seconds, copy the file, or restart it")


def _told(needs: Sequence[PepperNeed], holders: Sequence[PepperHolder], version: int) -> list[str]:
    """Return what needs a version, in words."""
    told = [f"{each.count} {each.need}" for each in needs if each.count]
    ends = [each.tokens_end_at for each in holders if each.version == version]
    last = max((end for end in ends if end is not None), default=None)
    if last is not None and last > datetime.now(UTC):
        told.append(f"tokens until {last:%Y-%m-%d %H:%M:%S} UTC")
    return told


def _public_of(ring: Keyring, version: int) -> str:
    if version not in ring.peppers:
        return ""
    return seals.public_of(seals.key_of(ring, version))[1]


def _stage(ring: Keyring, version: int) -> str:
    if version == ring.active:
        return "active"
    return "prepared" if version > ring.active else "old"


def _processes(ring: Keyring, holders: Sequence[PepperHolder]) -> list[str]:
    """Return a line for each running service."""
    held: dict[tuple[str, str], list[str]] = {}
    for each in holders:
        if each.is_alive:
            known = ring.peppers.get(each.version)
            is_same = known is None or ring.fingerprint(each.version) == each.fingerprint
            text = f"{each.version}{'' if is_same else ' (another secret!)'}"
            held.setdefault((each.host, str(each.process_id)), []).append(
                f"{text} in use" if each.is_active else text
            )
    return [
        f"service {process_id[:8]} on {host} holds {', '.join(versions)}"
        for (host, process_id), versions in held.items()
    ]
