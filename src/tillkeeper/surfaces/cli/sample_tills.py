"""The sample's tills: a TSS, a client and a signed receipt for each customer, by HTTP alone.

Every id is derived from the customer's, so that a second run finds what the first one has made.
"""

import asyncio
import csv
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from uuid import UUID, uuid5

import httpx2
import msgspec
from msgspec import Struct, json

from tillkeeper.client.connection import Call, Connection
from tillkeeper.client.problems import ApiProblem

T = TypeVar("T")

_CONCURRENCY = 8
_RETRIES = 4
_TIMEOUT_SECONDS = 30
_PIN_DIGITS = 10
_NOT_FOUND = 404
_RECEIPT: Final = {
    "standard_v1": {
        "receipt": {
            "receipt_type": "RECEIPT",
            "amounts_per_vat_rate": [{"vat_rate": "NORMAL", "amount": "21.42"}],
            "amounts_per_payment_type": [{"payment_type": "CASH", "amount": "21.42"}],
        }
    }
}


class Customer(Struct, kw_only=True):
    """A line of the file with the customers' keys."""

    external_id: str
    name: str
    organization_id: UUID
    api_key: str
    api_secret: str


class Sale(NamedTuple):
    """What a customer has signed, or why there is none."""

    customer: Customer
    qr_code_data: str | None
    failure: str | None = None


class Admin(Struct):
    """What opens a TSS."""

    admin_puk: str
    admin_pin: str


class _Tss(Struct):
    state: str
    admin_puk: str | None = None


class _Signed(Struct):
    qr_code_data: str | None = None


class Admins:
    """The PUK and PIN of each TSS, in a file for its owner's eyes.

    The PUK is answered for as long as a TSS is CREATED: it is written down before that ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, Admin] = {}
        if path.exists():
            self._kept = json.decode(path.read_bytes(), type=dict[str, Admin])

    def get(self, tss_id: UUID) -> Admin:
        """Return what opens a TSS that was made with this file."""
        admin = self._kept.get(str(tss_id))
        if admin is None:
            raise ApiProblem(0, f"{self._path} does not have the PUK of TSS {tss_id}")
        return admin

    def keep(self, tss_id: UUID, admin_puk: str) -> None:
        """Choose a PIN, and write both to the disk, whole or not at all."""
        pin = "".join(secrets.choice("0123456789") for _ in range(_PIN_DIGITS))
        self._kept[str(tss_id)] = Admin(admin_puk, pin)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.format(json.encode(self._kept), indent=2))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


@dataclass(frozen=True, slots=True)
class Till:
    """A customer's till: one TSS, one client of it, one transaction."""

    connection: Connection
    organization_id: UUID
    admins: Admins

    async def sell(self) -> str:
        """Return the QR text of the receipt; whatever is missing for it is made first."""
        found = await self._find(f"{self._tss}/tx/{self._id('receipt')}", _Signed)
        if found is not None and found.qr_code_data is not None:
            return found.qr_code_data
        if await self._find(self._client, Struct) is None:
            await self._register()
        await self._sign(1, {"state": "ACTIVE"})
        signed = await self._sign(2, {"state": "FINISHED", "schema": _RECEIPT})
        if signed.qr_code_data is None:
            raise ApiProblem(200, "The answer holds no QR text")
        return signed.qr_code_data

    async def _register(self) -> None:
        """Lead the TSS to where its client can be registered, from whichever state it is in."""
        tss = await self._find(self._tss, _Tss)
        if tss is None or tss.state == "CREATED":
            await self._create()
        admin = self.admins.get(self._id("TSS"))
        pin = {"admin_puk": admin.admin_puk, "new_admin_pin": admin.admin_pin}
        await self._send("PATCH", f"{self._tss}/admin", pin)
        await self._send("POST", f"{self._tss}/admin/auth", {"admin_pin": admin.admin_pin})
        if tss is None or tss.state != "INITIALIZED":
            await self._send("PATCH", self._tss, {"state": "INITIALIZED"})
        serial_number = f"ERS {self._id('client')}"
        await self._send("PUT", self._client, {"serial_number": serial_number})
        await self._send("POST", f"{self._tss}/admin/logout", {})

    async def _create(self) -> None:
        made = await self._ask("PUT", self._tss, {}, _Tss)
        self.admins.keep(self._id("TSS"), made.admin_puk or "")
        await self._send("PATCH", self._tss, {"state": "UNINITIALIZED"})

    async def _sign(self, revision: int, body: Mapping[str, object]) -> _Signed:
        path = f"{self._tss}/tx/{self._id('receipt')}?tx_revision={revision}"
        return await self._ask("PUT", path, {**body, "client_id": self._id("client")}, _Signed)

    def _id(self, what: str) -> UUID:
        return uuid5(self.organization_id, f"sample {what}")

    @property
    def _tss(self) -> str:
        return f"/tss/{self._id('TSS')}"

    @property
    def _client(self) -> str:
        return f"{self._tss}/client/{self._id('client')}"

    async def _find(self, path: str, into: type[T]) -> T | None:
        try:
            return await self.connection.call(Call("GET", path), into)
        except ApiProblem as problem:
            if problem.status_code != _NOT_FOUND:
                raise
            return None

    async def _send(self, method: str, path: str, body: Mapping[str, object]) -> None:
        await self._ask(method, path, body, Struct)

    async def _ask(self, method: str, path: str, body: Mapping[str, object], into: type[T]) -> T:
        return await self.connection.call(Call(method, path, body=json.encode(body)), into)


def read_keys(path: Path) -> list[Customer]:
    """Read the file that provisioning has written; without one there are no customers."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return msgspec.convert(list(csv.DictReader(lines)), list[Customer])


async def trade(
    base_url: str,
    customers: Sequence[Customer],
    admins: Admins,
    progress: Callable[[int, int], None],
) -> list[Sale]:
    """Let every customer sign its receipt; one that is refused is no reason for the others."""
    turns = asyncio.Semaphore(_CONCURRENCY)
    done = 0

    async def sell(customer: Customer) -> Sale:
        nonlocal done
        async with turns:
            sale = await _sell(base_url, customer, admins)
        done += 1
        progress(done, len(customers))
        return sale

    in_order = sorted(customers, key=lambda customer: customer.external_id)
    return list(await asyncio.gather(*map(sell, in_order)))


async def _sell(base_url: str, customer: Customer, admins: Admins) -> Sale:
    url = f"{base_url}/api/v2"
    async with httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_SECONDS) as http:
        credential = customer.api_key, customer.api_secret
        connection = Connection(http, credential, retries=_RETRIES, sleep=asyncio.sleep)
        try:
            text = await Till(connection, customer.organization_id, admins).sell()
        except ApiProblem as problem:
            return Sale(customer, None, str(problem))
    return Sale(customer, text)
