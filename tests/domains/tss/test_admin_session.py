"""The administrator of a TSS: PUK, PIN, and the session between login and logout."""

import asyncio

import httpx

from journals import journal_of
from tills import PIN, Till
from world import World, said

WRONG = (401, "E_ADMIN_LOGIN_FAILED")
BLOCKED = (423, "E_ADMIN_PIN_BLOCKED")
NO_SESSION = (401, "E_UNAUTHORIZED")


async def log_in(till: Till, pin: str) -> httpx.Response:
    return await till.http.post(f"{till.path}/admin/auth", json={"admin_pin": pin})


async def test_a_pin_that_was_never_set_is_blocked(world: World) -> None:
    till = Till(world.shop_test)
    await till.create()
    assert said(await log_in(till, PIN)) == BLOCKED
    await till.lead("UNINITIALIZED")
    assert said(await log_in(till, PIN)) == BLOCKED


async def test_the_pin_is_set_with_the_puk_and_with_nothing_else(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    wrong = {"admin_puk": "0" * 10, "new_admin_pin": "654321"}
    answer = await world.shop_test.patch(f"{till.path}/admin", json=wrong)
    assert said(answer) == WRONG
    assert "UNBLOCK_RESULT_FAILED" in answer.json()["message"]
    assert said(await log_in(till, "654321")) == WRONG
    await till.log_in(PIN)


async def test_a_pin_is_not_set_before_the_tss_has_begun_nor_after_its_end(world: World) -> None:
    till = Till(world.shop_test)
    await till.create()
    body = {"admin_puk": till.puk, "new_admin_pin": PIN}
    early = await world.shop_test.patch(f"{till.path}/admin", json=body)
    assert said(early) == (400, "E_TSS_NOT_INITIALIZED")
    await till.lead("UNINITIALIZED")
    await till.set_pin()
    await till.log_in()
    await till.lead("DISABLED")
    late = await world.shop_test.patch(f"{till.path}/admin", json=body)
    assert said(late) == said(await log_in(till, PIN)) == (400, "E_TSS_DISABLED")


async def test_five_wrong_pins_block_the_right_one_until_the_puk_comes(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    for _ in range(5):
        assert said(await log_in(till, "000000")) == WRONG
    assert said(await log_in(till, PIN)) == BLOCKED
    await till.set_pin("another")
    assert said(await log_in(till, PIN)) == WRONG
    await till.log_in("another")
    failed = "SELECT count(*) FROM audit_rows WHERE event = 'tss.admin_login_failed'"
    assert await world.owner.fetchval(f"{failed} AND target_id = $1", till.tss_id) == 6


async def test_four_wrong_pins_are_forgotten_with_the_right_one(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    for _ in range(3):
        for _ in range(4):
            assert said(await log_in(till, "000000")) == WRONG
        await till.log_in()


async def test_every_attempt_is_signed_the_wrong_ones_too(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    await log_in(till, "000000")
    await till.log_in()
    *_, wrong, right = await journal_of(world.owner, till.tss_id)
    assert wrong.operation == right.operation == "authenticateUser"
    assert wrong.fields[0x81] != right.fields[0x81]


async def test_of_many_guesses_at_once_no_more_than_five_are_made(world: World) -> None:
    """Without turns and without the lock of `hold_tss` all meet the same number of failures."""
    till = await Till(world.shop_test).initialize()
    answers = await asyncio.gather(*(log_in(till, f"{n:06}") for n in range(12)))
    assert sorted(said(each) for each in answers) == [WRONG] * 5 + [BLOCKED] * 7


async def test_a_session_ends_with_the_logout(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    await till.register()
    await till.send("POST", "/admin/logout", {})
    path, body = f"{till.path}/client/{till.client_id}", {"state": "DEREGISTERED"}
    assert said(await world.shop_test.patch(path, json=body)) == NO_SESSION
    assert await till.send("POST", "/admin/logout") == {}, "also without a session"
    await till.log_in()
    assert (await world.shop_test.patch(path, json=body)).status_code == 200


async def test_a_session_ends_when_nobody_uses_it(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    until = "SELECT admin_until FROM tss WHERE id = $1"
    opened = await world.owner.fetchval(until, till.tss_id)
    aged = "UPDATE tss SET admin_until = admin_until - $2 WHERE id = $1"
    await world.owner.execute(aged, till.tss_id, 200)
    await till.register()
    assert await world.owner.fetchval(until, till.tss_id) >= opened, "its use prolongs it"
    await world.owner.execute(aged, till.tss_id, 300)
    path, body = f"{till.path}/client/{till.client_id}", {"state": "DEREGISTERED"}
    assert said(await world.shop_test.patch(path, json=body)) == NO_SESSION


async def test_a_new_pin_ends_the_session_of_the_old_one(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    await till.set_pin("another")
    path, body = f"{till.path}/client/{till.client_id}", {"serial_number": "1"}
    assert said(await world.shop_test.put(path, json=body)) == NO_SESSION


async def test_pins_may_come_as_numbers_and_are_never_too_short(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    assert await till.send("POST", "/admin/auth", {"admin_pin": int(PIN)}) == {}
    for body in ({"admin_pin": "12345"}, {"admin_pin": None}, {}):
        answer = await world.shop_test.post(f"{till.path}/admin/auth", json=body)
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
