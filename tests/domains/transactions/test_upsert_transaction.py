"""A transaction from its start to its end, each revision signed once."""

from uuid import uuid4

from tills import Till
from world import World


async def test_a_sale_is_signed_twice(world: World) -> None:
    till = await Till(world.shop_test).open()
    sold = await till.sell()
    assert (sold["number"], sold["revision"], sold["state"]) == (1, 2, "FINISHED")
    assert sold == await till.send("GET", f"/tx/{sold['_id']}")


async def test_a_start_says_what_is_known_of_a_start(world: World) -> None:
    till = await Till(world.shop_test).open()
    started = await till.sign(uuid4(), tx_revision=1)
    assert started["schema"] == {}
    assert started["log"]["operation"] == "Start"
    assert isinstance(started["signature"]["counter"], int)
    assert not started.keys() & {"time_end", "qr_code_data", "metadata"}
