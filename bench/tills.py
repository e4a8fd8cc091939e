"""Sixteen tills with a TSS each, and sixteen with one TSS: how they come to be."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
from msgspec import structs

from bench import prototype_sql
from bench.processes import Load
from bench.works import ADDRESS, AUTH, KEY, Client, Till

TILLS = 16
_PIN = "1234567890"


async def open_tills(load: Load, vendor: Client) -> None:
    """Make them below a vendor, by the calls that tills make."""
    for number in range(TILLS):
        organization = {
            "name": f"Till {number}",
            "managed_by_organization_id": str(vendor.vendor_id),
        }
        wanted = {"organization": organization | ADDRESS, "api_key": KEY}
        made = await load.answer(vendor, vendor.post("/organizations/provision", wanted))
        key = made["api_key"]
        own = structs.replace(
            vendor, prefix="/api/v2", token="", api_key=key["key"], api_secret=key["secret"]
        )
        own.token = (await load.answer(own, AUTH.requests(own)[0]))["access_token"]
        tss_id, clients = uuid4(), [uuid4() for _ in range(1 if number else TILLS)]
        await _open(load, own, f"/tss/{tss_id}", clients)
        tills = [Till(client=own, tss_id=tss_id, client_id=each) for each in clients]
        vendor.tills.append(tills[0])
        if not number:
            vendor.crowd.extend(tills)


async def _open(load: Load, own: Client, path: str, clients: list[UUID]) -> None:
    async def call(method: str, below: str, body: object) -> Any:  # noqa: ANN401 - JSON
        return await load.answer(own, own.send(method, f"{path}{below}", body))

    puk = (await call("PUT", "", {}))["admin_puk"]
    await call("PATCH", "", {"state": "UNINITIALIZED"})
    await call("PATCH", "/admin", {"admin_puk": puk, "new_admin_pin": _PIN})
    await call("POST", "/admin/auth", {"admin_pin": _PIN})
    await call("PATCH", "", {"state": "INITIALIZED"})
    for client in clients:
        await call("PUT", f"/client/{client}", {"serial_number": f"ERS {client}"})


async def write_tills(url: str, client: Client) -> None:
    """Write the same for the yardstick, all of whose tills use one key."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(prototype_sql.SCHEMA)
        for number in range(TILLS):
            tss_id = uuid4()
            await connection.execute(prototype_sql.ADD_TSS, tss_id)
            clients = [uuid4() for _ in range(1 if number else TILLS)]
            for each in clients:
                serial_number = f"ERS {each}"
                await connection.execute(prototype_sql.ADD_CLIENT, each, tss_id, serial_number)
            tills = [Till(client=client, tss_id=tss_id, client_id=each) for each in clients]
            client.tills.append(tills[0])
            if not number:
                client.crowd.extend(tills)
    finally:
        await connection.close()
