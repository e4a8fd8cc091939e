"""What is measured: the requests of each work, and what a right answer looks like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct, field, json

from bench.load import UNIQUE

PAGE = 100
BATCH = 1000
KEY = {"name": "till-1", "status": "enabled"}
ADDRESS = {"address_line1": "Weg 1", "zip": "10115", "town": "Berlin", "country_code": "DEU"}
RECEIPT = {
    "standard_v1": {
        "receipt": {
            "receipt_type": "RECEIPT",
            "amounts_per_vat_rate": [{"vat_rate": "NORMAL", "amount": "21.42"}],
            "amounts_per_payment_type": [
                {"payment_type": "CASH", "amount": "21.42", "currency_code": "EUR"}
            ],
        }
    }
}


class Client(Struct, kw_only=True):
    """As whom a contender is asked."""

    port: int
    prefix: str
    vendor_id: UUID
    api_key: str
    api_secret: str
    ids: list[UUID]
    token: str = ""
    deep_cursor: str = ""
    tills: "list[Till]" = field(default_factory=list)
    """Tills that have a TSS each."""
    crowd: "list[Till]" = field(default_factory=list)
    """Tills that share one."""

    def get(self, path: str) -> str:
        """Write a GET request."""
        return self._request("GET", path, "", {})

    def post(self, path: str, body: object, **headers: str) -> str:
        """Write a POST request."""
        return self.send("POST", path, body, **headers)

    def send(self, method: str, path: str, body: object, **headers: str) -> str:
        """Write any request that has a body."""
        return self._request(method, path, json.encode(body).decode(), headers)

    def _request(self, method: str, path: str, body: str, headers: dict[str, str]) -> str:
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"host: 127.0.0.1:{self.port}"]
        if self.token:
            lines.append(f"authorization: Bearer {self.token}")
        if body:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", body])


class Till(Struct, kw_only=True):
    """A client of a TSS, and who signs for it."""

    client: Client
    tss_id: UUID
    client_id: UUID


@dataclass(frozen=True)
class Work:
    """One kind of work: how much a round, what is asked, and whether the last answer is right."""

    name: str
    count: int
    requests: Callable[[Client], list[str]]
    is_right: Callable[[Any], bool]
    budget: float
    is_grown: bool = True
    """Whether it is measured at every size."""
    p99_budget: float | None = None
    """As a ratio to the yardstick's."""
    p99_ms_budget: float | None = None
    concurrency: int = 32
    calls: int = 1
    """How many requests in a row are one piece of work: a connection has its own, and sends them
    one after another. CPU is counted for a piece, latency for a request."""
    against: Literal["baseline", "prototype"] = "baseline"


def retrieve(client: Client) -> list[str]:
    return [client.get(f"/organizations/{each}") for each in client.ids]


def page(client: Client, limit: int, rest: str) -> str:
    query = f"managed_by_organization_id={client.vendor_id}&limit={limit}&{rest}"
    return client.get(f"/organizations?{query}")


def create(client: Client) -> list[str]:
    wanted = {"name": f"Shop {UNIQUE}", "external_id": UNIQUE, "tax_number": UNIQUE}
    return [client.post("/organizations", _below(client, wanted), idempotency_key=UNIQUE)]


def authenticate(client: Client) -> list[str]:
    offered = {"api_key": client.api_key, "api_secret": client.api_secret}
    return [client.post("/auth", offered)]


def sales(tills: list[Till]) -> list[str]:
    """Start and finish a transaction at each till."""
    return [request for till in tills for request in _sale(till)]


def _sale(till: Till) -> tuple[str, str]:
    path = f"/tss/{till.tss_id}/tx/00000000-0000-4000-8000-0000{UNIQUE}?tx_revision="
    who = {"client_id": str(till.client_id)}
    start, finish = {"state": "ACTIVE"} | who, {"state": "FINISHED", "schema": RECEIPT} | who
    return till.client.send("PUT", f"{path}1", start), till.client.send("PUT", f"{path}2", finish)


def batch(client: Client) -> str:
    """Write a thousand organizations with keys; each time it is sent they are others."""
    items = [
        {
            "organization": _below(client, {"name": f"Shop {n}", "external_id": f"{UNIQUE}-{n}"}),
            "api_key": KEY,
        }
        for n in range(BATCH)
    ]
    return client.post("/organizations/batch", {"items": items})


def _below(client: Client, fields: dict[str, str]) -> dict[str, str]:
    return fields | {"managed_by_organization_id": str(client.vendor_id)} | ADDRESS


def _is_page(answer: Any) -> bool:  # noqa: ANN401 - JSON
    return len(answer["data"]) == PAGE and bool(answer.get("count") or answer.get("next_cursor"))


def _is_managed(answer: Any) -> bool:  # noqa: ANN401 - JSON
    return bool(answer["_type"] == "MANAGED_ORGANIZATION" and answer["_envs"] == ["TEST"])


def _is_sale(answer: Any) -> bool:  # noqa: ANN401 - JSON
    is_finished = answer["state"] == "FINISHED" and answer["revision"] == 2
    return is_finished and bool(answer["qr_code_data"].startswith("V0;ERS "))


AUTH = Work(
    "/auth with key and secret",
    2000,
    authenticate,
    lambda answer: bool(answer["access_token"] and answer["refresh_token"]),
    2.2,
)
RETRIEVE = Work("retrieve one", 2000, retrieve, _is_managed, 2.2, p99_budget=3.0)
FIRST_PAGE = Work("list of 100, page 1", 400, lambda c: [page(c, PAGE, "cursor=")], _is_page, 1.5)
DEEP_PAGE = Work(
    "list of 100, page in the middle",
    400,
    lambda c: [page(c, PAGE, f"cursor={c.deep_cursor}")],
    _is_page,
    1.5,
)
OFFSET_PAGE = Work(
    "list of 100, offset 400",
    400,
    lambda c: [page(c, PAGE, "offset=400")],
    _is_page,
    1.5,
    is_grown=False,
)
CREATE = Work("create managed", 1000, create, _is_managed, 2.8)
OWN_TSS = Work(
    "finished transaction, 16 tills on 16 TSS",
    400,
    lambda client: sales(client.tills),
    _is_sale,
    1.5,
    is_grown=False,
    concurrency=16,
    calls=2,
    against="prototype",
)
ONE_TSS = Work(
    "finished transaction, 16 tills on one TSS",
    400,
    lambda client: sales(client.crowd),
    _is_sale,
    1.5,
    is_grown=False,
    p99_ms_budget=100,
    concurrency=16,
    calls=2,
    against="prototype",
)
SALES = (OWN_TSS, ONE_TSS)
WORKS = (AUTH, RETRIEVE, FIRST_PAGE, DEEP_PAGE, OFFSET_PAGE, CREATE, *SALES)
