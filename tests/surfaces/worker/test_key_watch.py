"""A running process takes up a changed key file, and only a good one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tillkeeper.access.operation import House
from tillkeeper.core.passwords import Passwords
from tillkeeper.core.secrets import Keyring
from tillkeeper.keys import change_key_file, load_keys
from tillkeeper.surfaces.worker.key_watch import KeyWatch
from world import World

Spoil = Callable[[Path], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    load_keys(tmp_path, None)
    return tmp_path / "keys.json"


def house_of(world: World, path: Path) -> House:
    keyring = load_keys(path.parent, None).keyring
    return House(world.house.db, keyring, Passwords(keyring, memory_kib=8, passes=1))


def prepare(ring: Keyring) -> Keyring:
    return ring.prepare(os.urandom(32))


def activate(ring: Keyring) -> Keyring:
    return ring.activate(ring.prepared or 0)


async def test_each_step_is_taken_up_when_the_file_has_changed(world: World, path: Path) -> None:
    house, watch = house_of(world, path), KeyWatch(path)
    for step, expected in (
        (lambda ring: ring, (1, [1])),
        (prepare, (1, [1, 2])),
        (activate, (2, [1, 2])),
        (lambda ring: ring.retire(1, "00" * 32), (2, [2])),
    ):
        change_key_file(path, step)
        await watch.run(house)
        assert (house.keyring.active, house.keyring.oldest_first) == expected
        assert house.passwords.keyring is house.keyring


def _another_secret(path: Path) -> None:
    text = path.read_text()
    old = load_keys(path.parent, None).keyring.peppers[1].hex()
    path.write_text(text.replace(old, "0" * 64))


def _without_the_active_one(path: Path) -> None:
    load_keys(path.with_name("other"), None)
    path.with_name("other").joinpath("keys.json").replace(path)


def _content(path: Path) -> str:
    return path.read_text()


def _put_back(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(content)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "No such file"),
        (lambda path: path.write_text("{"), "is damaged"),
        (lambda path: path.write_text('{"peppers":{},"database":""}'), "is damaged"),
        (lambda path: path.chmod(0o640), "chmod 600"),
        (_another_secret, "another secret"),
        (_without_the_active_one, "lacks version 2"),
    ],
)
async def test_a_file_that_is_not_well_changes_nothing_and_is_told_once(
    world: World, path: Path, spoil: Spoil, says: str
) -> None:
    change_key_file(path, prepare)
    change_key_file(path, activate)
    house, watch = house_of(world, path), KeyWatch(path)
    await watch.run(house)
    before, good = house.keyring, _content(path)
    spoil(path)
    with capture_logs() as told:
        for _ in range(3):
            await watch.run(house)
    assert house.keyring is before
    assert [line["event"] for line in told] == ["keys.not_taken_up"]
    assert says in told[0]["reason"]
    _put_back(path, good)
    change_key_file(path, prepare)
    await watch.run(house)
    assert house.keyring.prepared == 3
