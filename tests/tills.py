"""Tills: what a cash register does with the SIGN API, one call after another."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from world import Json

PIN = "1234567890"
RECEIPT: Json = {
    "standard_v1": {
        "receipt": {
            "receipt_type": "RECEIPT",
            "amounts_per_vat_rate": [{"vat_rate": "NORMAL", "amount": "21.42"}],
            "amounts_per_payment_type": [
                {"payment_type": "NON_CASH", "amount": "21.42", "currency_code": "EUR"}
            ],
        }
    }
}
SIGN = "http://test/api/v2"


@dataclass
class Till:
    """A TSS and a client of it, used through one HTTP client of one key."""

    http: httpx.AsyncClient
    tss_id: UUID = field(default_factory=uuid4)
    client_id: UUID = field(default_factory=uuid4)
    puk: str = ""
    base: str = SIGN

    @property
    def path(self) -> str:
        return f"{self.base}/tss/{self.tss_id}"

    async def send(self, method: str, path: str, body: object = None, **query: Any) -> Any:  # noqa: ANN401
        """Send to what is below the TSS, expect 200, and return what is answered."""
        answer = await self.http.request(method, f"{self.path}{path}", json=body, params=query)
        assert answer.status_code == 200, (method, path, answer.text)
        return answer.json()

    async def create(self) -> Json:
        made: Json = await self.send("PUT", "", {})
        self.puk = made["admin_puk"]
        return made

    async def lead(self, state: str, **fields: object) -> Json:
        led: Json = await self.send("PATCH", "", {"state": state} | fields)
        return led

    async def set_pin(self, pin: str = PIN) -> None:
        body = {"admin_puk": self.puk, "new_admin_pin": pin}
        assert await self.send("PATCH", "/admin", body) == {}

    async def log_in(self, pin: str = PIN) -> None:
        assert await self.send("POST", "/admin/auth", {"admin_pin": pin}) == {}

    async def initialize(self) -> "Till":
        """Do all that is needed until clients can be registered; the session stays open."""
        await self.create()
        await self.lead("UNINITIALIZED")
        await self.set_pin()
        await self.log_in()
        await self.lead("INITIALIZED")
        return self

    async def register(self, serial_number: str = "ERS 1") -> Json:
        """Register the client; an admin session must be open."""
        registered: Json = await self.send(
            "PUT", f"/client/{self.client_id}", {"serial_number": serial_number}
        )
        return registered

    async def open(self) -> "Till":
        """Do all that is needed until transactions can be signed."""
        await self.initialize()
        await self.register()
        return self

    async def sign(
        self, reference: object, state: str = "ACTIVE", schema: object = None, **query: object
    ) -> Json:
        """Sign the next revision of a transaction."""
        body: Json = {"state": state, "client_id": str(self.client_id)}
        if schema is not None:
            body["schema"] = schema
        signed: Json = await self.send("PUT", f"/tx/{reference}", body, **query)
        return signed

    async def sell(self, schema: object = None) -> Json:
        """Start and finish a transaction."""
        reference = uuid4()
        await self.sign(reference, tx_revision=1)
        return await self.sign(reference, "FINISHED", schema or RECEIPT, tx_revision=2)
