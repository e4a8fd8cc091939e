"""A TSS from its creation to its end, and every way that it does not have."""

from tills import Till
from world import World


async def test_a_tss_is_led_from_creation_to_its_end(world: World) -> None:
    till = Till(world.shop_test)
    made = await till.create()
    assert (made["_type"], made["_env"], made["state"]) == ("TSS", "TEST", "CREATED")
    assert len(made["admin_puk"]) == 10
    booted = await till.lead("UNINITIALIZED")
    assert (booted["state"], booted["signature_counter"]) == ("UNINITIALIZED", "6")
    await till.set_pin()
    await till.log_in()
    led = await till.lead("INITIALIZED", description="Front desk")
    assert (led["description"], led["signature_counter"]) == ("Front desk", "9")
    await till.send("POST", "/admin/logout", {})
    await till.log_in()
    ended = await till.lead("DISABLED")
    assert (ended["state"], ended["signature_counter"]) == ("DISABLED", "12")
    assert await till.send("GET", "") == ended
