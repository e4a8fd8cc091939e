"""Turns: one after another, first come first served, and nobody left standing."""

import asyncio

import pytest

from tillkeeper.access import turns
from tillkeeper.access.turns import Turns
from tillkeeper.core.errors import TssLocked


async def hold(of: Turns, name: str, done: list[str], gate: asyncio.Event | None = None) -> None:
    async with of.take("one"):
        done.append(name)
        if gate is not None:
            await gate.wait()


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_turns_come_in_the_order_of_asking() -> None:
    of, done, gate = Turns(), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(of, "first", done, gate))]
    await settle()
    tasks += [asyncio.create_task(hold(of, str(n), done)) for n in range(5)]
    await settle()
    assert done == ["first"]
    gate.set()
    await asyncio.gather(*tasks)
    assert done == ["first", "0", "1", "2", "3", "4"]
    assert of.is_idle()


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    of, done, gate = Turns(), list[str](), asyncio.Event()
    first = asyncio.create_task(hold(of, "first", done, gate))
    await settle()
    second, third = (asyncio.create_task(hold(of, name, done)) for name in ("second", "third"))
    await settle()
    second.cancel()
    gate.set()
    await asyncio.gather(first, third)
    assert done == ["first", "third"]
    assert of.is_idle()


async def test_a_turn_that_comes_while_somebody_gives_up_goes_to_the_next() -> None:
    """Without `_pass_on` in `_wait` the third waits for ever."""
    of, done, gate = Turns(), list[str](), asyncio.Event()
    first = asyncio.create_task(hold(of, "first", done, gate))
    await settle()
    second, third = (asyncio.create_task(hold(of, name, done)) for name in ("second", "third"))
    await settle()
    gate.set()
    await asyncio.sleep(0)  # the first ends, and the turn is the second's
    second.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(first, third)
    assert done == ["first", "third"]
    assert of.is_idle()


async def test_others_do_not_wait() -> None:
    of = Turns()
    async with of.take("one"), of.take("other"):
        assert not of.is_idle()
    assert of.is_idle()


async def test_too_many_and_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_WAITING_AT_MOST", 1)
    monkeypatch.setattr(turns, "_WAIT_SECONDS", 0.01)
    of, done, gate = Turns(), list[str](), asyncio.Event()
    first = asyncio.create_task(hold(of, "first", done, gate))
    await settle()
    second, third = (asyncio.create_task(hold(of, name, done)) for name in ("second", "third"))
    for task in (third, second):
        with pytest.raises(TssLocked):
            await task
    gate.set()
    await first
    assert done == ["first"]
    assert of.is_idle()
