"""The whole order of calls of a till, from its first token to the end of its TSS."""

from uuid import UUID, uuid4

from journals import journal_of
from tills import RECEIPT, SIGN
from world import World, client_of


async def test_a_till_runs_from_its_first_token_to_the_end_of_its_tss(world: World) -> None:
    tss, client, sale = (str(uuid4()) for _ in range(3))
    secret = {name: world.keys["shop_test"][name] for name in ("api_key", "api_secret")}
    async with client_of(world.app) as http:

        async def call(method: str, path: str, body: object = None) -> dict[str, object]:
            answer = await http.request(method, f"{SIGN}{path}", json=body)
            assert answer.status_code == 200, answer.text
            found: dict[str, object] = answer.json()
            return found

        session = await call("POST", "/auth", secret)
        http.headers["authorization"] = f"Bearer {session['access_token']}"

        created = await call("PUT", f"/tss/{tss}", {})
        await call("PATCH", f"/tss/{tss}", {"state": "UNINITIALIZED"})
        pin = {"admin_puk": created["admin_puk"], "new_admin_pin": "123456"}
        await call("PATCH", f"/tss/{tss}/admin", pin)
        await call("POST", f"/tss/{tss}/admin/auth", {"admin_pin": "123456"})
        await call("PATCH", f"/tss/{tss}", {"state": "INITIALIZED", "description": "Front desk"})
        await call("PUT", f"/tss/{tss}/client/{client}", {"serial_number": f"ERS {client}"})
        await call("POST", f"/tss/{tss}/admin/logout", {})

        start = {"state": "ACTIVE", "client_id": client}
        await call("PUT", f"/tss/{tss}/tx/{sale}?tx_revision=1", start)
        finish = {"state": "FINISHED", "client_id": client, "schema": RECEIPT}
        receipt = await call("PUT", f"/tss/{tss}/tx/{sale}?tx_revision=2", finish)
        fields = str(receipt["qr_code_data"]).split(";")
        assert fields[:5] == [
            *("V0", f"ERS {client}", "Kassenbeleg-V1"),
            *("Beleg^21.42_0.00_0.00_0.00_0.00^21.42:Unbar", "1"),
        ]
        assert fields[11] == created["public_key"]

        await call("POST", f"/tss/{tss}/admin/auth", {"admin_pin": "123456"})
        await call("PATCH", f"/tss/{tss}/client/{client}", {"state": "DEREGISTERED"})
        ended = await call("PATCH", f"/tss/{tss}", {"state": "DISABLED"})
    assert ended["state"] == "DISABLED"
    journal = await journal_of(world.owner, UUID(tss))
    assert [each.kind for each in journal].count("transaction") == 2
    assert journal[-1].operation == "disableSecureElement"
