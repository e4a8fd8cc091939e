"""What is measured: the requests of each work, and what a right answer looks like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec import Struct, json

from bench.load import UNIQUE

PAGE = 100
BATCH = 1000
ADDRESS = {"address_line1": "Weg 1", "zip": "10115", "town": "Berlin", "country_code": "DEU"}


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

    def get(self, path: str) -> str:
        """Write a GET request."""
        return self._request("GET", path, "", {})

    def post(self, path: str, body: object, **headers: str) -> str:
        """Write a POST request."""
        return self._request("POST", path, json.encode(body).decode(), headers)

    def _request(self, method: str, path: str, body: str, headers: dict[str, str]) -> str:
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"host: 127.0.0.1:{self.port}"]
        if self.token:
            lines.append(f"authorization: Bearer {self.token}")
        if body:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", body])


@dataclass(frozen=True)
class Work:
    """One kind of request: how many a round, what they are, and whether an answer is right."""

    name: str
    count: int
    requests: Callable[[Client], list[str]]
    is_right: Callable[[Any], bool]
    budget: float
    is_grown: bool = True
    """Whether it is measured at every size."""
    p99_budget: float | None = None


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


def batch(client: Client) -> str:
    """Write a thousand organizations with keys; each time it is sent they are others."""
    items = [
        {
            "organization": _below(client, {"name": f"Shop {n}", "external_id": f"{UNIQUE}-{n}"}),
            "api_key": {"name": "till-1", "status": "enabled"},
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
WORKS = (AUTH, RETRIEVE, FIRST_PAGE, DEEP_PAGE, OFFSET_PAGE, CREATE)
