"""A TSS from its creation to its end, and every way that it does not have."""

import time
from uuid import uuid4

import pytest

from journals import journal_of
from tillkeeper.domains.signing import certificates
from tills import SIGN, Till
from world import World, said


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
    assert [each.operation for each in await journal_of(world.owner, till.tss_id)] == [
        *("registerClient", "startAudit", "configureLogging", "selfTest", "enterSecureState"),
        *("exitSecureState", "unblockUser", "authenticateUser", "initialize", "logOut"),
        *("authenticateUser", "disableSecureElement"),
    ]


async def test_what_a_simulator_says_of_itself(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    shown = await till.send("GET", "")
    assert shown["bsi_certification_id"] == "SIMULATOR-NOT-CERTIFIED"
    assert "simulator" in shown["description"]
    assert str(till.tss_id) in shown["description"]


async def test_the_puk_comes_again_until_the_tss_leaves_its_first_state(world: World) -> None:
    till = Till(world.shop_test)
    made = await till.create()
    assert await till.send("PUT", "", []) == made
    assert "admin_puk" not in await till.send("GET", "")
    listed = await world.shop_test.get(f"{SIGN}/tss")
    assert made["admin_puk"] not in listed.text
    await till.lead("UNINITIALIZED")
    again = await world.shop_test.put(till.path, json={})
    assert said(again) == (409, "E_TSS_CONFLICT")
    stored = "SELECT sealed_puk FROM tss WHERE id = $1"
    assert await world.owner.fetchval(stored, till.tss_id) is None


async def test_the_puk_lies_nowhere_in_clear(world: World) -> None:
    made = await Till(world.shop_test).create()
    for table in ("tss", "audit_rows", "outbox_rows", "kept_answers"):
        rows = await world.owner.fetch(f"SELECT t::text FROM {table} t")  # noqa: S608 - ours
        assert not any(made["admin_puk"] in row[0] for row in rows), table


STEPS = {
    "CREATED": {"UNINITIALIZED"},
    "UNINITIALIZED": {"INITIALIZED", "DISABLED"},
    "INITIALIZED": {"DISABLED"},
    "DISABLED": set[str](),
}


@pytest.mark.parametrize("now", STEPS)
async def test_there_is_no_other_way(world: World, now: str) -> None:
    till = await Till(world.shop_test).initialize()
    await put_into(world, till, now)
    for wanted in {"UNINITIALIZED", "INITIALIZED", "DISABLED"} - STEPS[now] - {now}:
        answer = await world.shop_test.patch(till.path, json={"state": wanted})
        assert said(answer) == (400, "E_ILLEGAL_TSS_STATE_CHANGE"), wanted
    assert (await till.send("GET", ""))["signature_counter"] == "9"


async def put_into(world: World, till: Till, state: str) -> None:
    """Set a state that the row would have come to by itself."""
    puk = "decode('00', 'hex')" if state == "CREATED" else "NULL"
    await world.owner.execute(
        f"UPDATE tss SET state = $2, sealed_puk = {puk} WHERE id = $1",  # noqa: S608 - ours
        till.tss_id,
        state,
    )


@pytest.mark.parametrize("state", ["UNINITIALIZED", "INITIALIZED"])
async def test_the_state_it_is_in_changes_its_labels_alone(world: World, state: str) -> None:
    till = await Till(world.shop_test).initialize()
    await put_into(world, till, state)
    await till.send("POST", "/admin/logout", {})
    before = (await till.send("GET", ""))["signature_counter"]
    led = await till.lead(state, metadata={"room": "1", "number": 7})
    assert led["metadata"] == {"room": "1", "number": "7"}
    led = await till.lead(state, metadata={"room": None, "number": ""})
    assert (led["metadata"], led["signature_counter"]) == ({}, before)


@pytest.mark.parametrize("wanted", ["INITIALIZED", "DISABLED"])
async def test_the_great_steps_need_an_admin_session(world: World, wanted: str) -> None:
    till = Till(world.shop_test)
    await till.create()
    await till.lead("UNINITIALIZED")
    answer = await world.shop_test.patch(till.path, json={"state": wanted})
    assert said(answer) == (401, "E_UNAUTHORIZED")
    assert len(await journal_of(world.owner, till.tss_id)) == 6


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("DEFECTIVE", "E_TSS_DEFECTIVE"),
        ("DELETED", "E_TSS_DELETED"),
        ("EVICTED", "E_TSS_EVICTED"),
    ],
)
async def test_what_is_gone_is_read_and_not_used(world: World, state: str, code: str) -> None:
    till = await Till(world.shop_test).open()
    await put_into(world, till, state)
    start = {"state": "ACTIVE", "client_id": str(till.client_id)}
    for method, path, body in (
        ("PATCH", "", {"state": "DISABLED"}),
        ("PATCH", "/admin", {"admin_puk": till.puk, "new_admin_pin": "123456"}),
        ("POST", "/admin/auth", {"admin_pin": "123456"}),
        ("POST", "/admin/logout", {}),
        ("PUT", f"/client/{uuid4()}", {"serial_number": "1"}),
        ("PATCH", f"/client/{till.client_id}", {"state": "DEREGISTERED"}),
        ("PUT", f"/tx/{uuid4()}", start),
    ):
        answer = await world.shop_test.request(method, till.path + path, json=body)
        assert said(answer) == (423, code), (method, path)
    assert (await till.send("GET", ""))["state"] == state
    again = await world.shop_test.put(till.path, json={})
    assert said(again) == (409, "E_TSS_CONFLICT"), "its id stays taken"


async def test_five_live_in_test_and_the_sixth_is_refused(world: World) -> None:
    tills = [Till(world.shop_test) for _ in range(6)]
    for till in tills[:5]:
        await till.create()
    sixth = await world.shop_test.put(tills[5].path, json={})
    assert said(sixth) == (403, "E_TSS_LIMIT_REACHED")
    await put_into(world, tills[0], "DISABLED")
    await tills[5].create()
    for _ in range(6):
        await Till(world.shop_live).create()


async def test_five_hundred_in_a_day_and_no_more(world: World) -> None:
    till = Till(world.shop_live)
    await till.create()
    await world.owner.execute(
        "INSERT INTO tss (organization_id, env, id, state, unit, key_version, sealed_key, point, "
        "serial_number, certificate, certificate_ends_at, metadata, puk_digest, time_creation) "
        "SELECT organization_id, env, gen_random_uuid(), 'DISABLED', unit, 1, sealed_key, point, "
        "serial_number, certificate, certificate_ends_at, metadata, puk_digest, time_creation "
        "FROM tss, generate_series(1, 499) WHERE id = $1",
        till.tss_id,
    )
    answer = await world.shop_live.put(Till(world.shop_live).path, json={})
    assert said(answer) == (403, "E_TSS_LIMIT_PER_DAY_REACHED")
    await world.owner.execute("UPDATE tss SET time_creation = time_creation - 86400")
    await Till(world.shop_live).create()


async def test_whatever_happens_to_a_tss_is_audited(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    await till.send("POST", "/admin/logout", {})
    assert await world.events(world.shop) == [
        *("tss.created", "tss.updated", "tss.admin_pin_set", "tss.admin_logged_in"),
        *("tss.updated", "tss.admin_logged_out"),
    ]


async def test_the_end_of_a_certificate_is_what_it_says_itself(world: World) -> None:
    till = Till(world.shop_test)
    await till.create()
    found = await world.owner.fetchrow("SELECT * FROM tss WHERE id = $1", till.tss_id)
    assert found is not None
    assert found["certificate_ends_at"] == certificates.ends_at(found["certificate"])
    assert abs(found["certificate_ends_at"] - time.time() - 365 * 86_400) < 600
