"""T06: what an actor may not see changes nothing in any answer, to the last byte."""

from random import Random

import pytest

from amounts import AMOUNTS, record_figure, share
from dialogues import ROUTES, Dialogue
from room import Room, committing
from tillkeeper.surfaces.http.edge import Edge
from world_pairs import Pair, draw_pair, together

# A pair of calls costs about 4 ms.
PAIRS_AT_ONCE = 25


async def settle(room: Room, pairs: list[Pair]) -> None:
    worlds = [world for pair in pairs for world in (pair.left, pair.right)]
    await room.settle(together(worlds))


async def play(room: Room, app: Edge, pair: Pair) -> list[str]:
    """Return the first call of a sequence that was answered differently."""
    left, right = pair.actors
    dialogue = Dialogue(pair, (app, app), (room.token(left), room.token(right)))
    for _ in range(AMOUNTS.pair_calls):
        said, one, other = await dialogue.exchange(pair.left.rng.choice(ROUTES))
        if one != other:
            return [f"{said}\n  {one}\n  {other}\n  {pair.actor}"]
    return []


@pytest.mark.timeout(7200)
async def test_what_is_out_of_sight_changes_no_answer(room: Room) -> None:
    wrong: list[str] = []
    mine = share(range(AMOUNTS.world_pairs))
    async with committing(room) as app:
        for first in range(0, len(mine), PAIRS_AT_ONCE):
            numbers = mine[first : first + PAIRS_AT_ONCE]
            pairs = [draw_pair(Random(number)) for number in numbers]  # noqa: S311
            await settle(room, pairs)
            for pair in pairs:
                assert not pair.differences()
                wrong += await play(room, app, pair)
    figure = f"{len(mine)} pairs, {AMOUNTS.pair_calls} calls in each"
    record_figure("Isolation between tenants: world pairs", figure, len(wrong))
    assert not wrong, "\n".join(wrong[:10])


async def test_a_difference_in_what_is_seen_is_found(room: Room) -> None:
    """The comparison itself: another name of the actor's own organization must be noticed."""
    pairs = [draw_pair(Random(number)) for number in range(30)]  # noqa: S311
    for pair in pairs:
        _, actor = pair.actors
        pair.right.extras[actor.organization] = {"name": "Another"}
    await settle(room, pairs)
    async with committing(room) as app:
        found = [await play(room, app, pair) for pair in pairs]
    assert sum(map(bool, found)) >= 5
