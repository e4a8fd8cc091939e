"""Every route there is, against everybody who should not get through it.

The routes are read from the application; one without an expectation below fails the tests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import json

from tillkeeper.app import documents_of, make_apps
from tillkeeper.core import errors
from tillkeeper.core.errors import Refusal
from world import ADDRESS, KEY, Json, World, said

ROOT = Path(__file__).parents[2]
PREFIXES = ("/api/v0", "/api/v2")
DENIED = (403, "E_ACCESS_DENIED")
OK = (200, None)
NO_ORGANIZATION = (404, "E_ORGANIZATION_NOT_FOUND")
NO_ADDRESS = (404, "E_BILLING_ADDRESS_NOT_FOUND")
NO_KEY = (404, "E_API_KEY_NOT_FOUND")
NO_PARENT = (404, None)
NO_AGREEMENT = (404, "E_AGREEMENT_NOT_FOUND")
NO_ROW = (404, "E_AUDIT_ROW_NOT_FOUND")
NO_PRINCIPAL = (404, "E_PRINCIPAL_NOT_FOUND")
Said = tuple[int, str | None]
BILLING_ADDRESS = ADDRESS | {"recipient": "Billing"}
NOBODYS_ROW = UUID(int=9 << 76 | 8 << 60 | 9)
PROPOSAL: Json = {"kind": "payer", "with_organization_id": str(NOBODYS_ROW)}
INVITATION = {"email": "someone@example.org"}


@dataclass(frozen=True)
class Expected:
    """What an operation about the shop answers to who comes from outside, below or beside."""

    stranger: Said
    """A LIVE key of an organization that has nothing to do with it."""
    shop: Said
    """The shop's own LIVE key: managed, so it minds its keys and reads the rest."""
    billing: Said
    """A billing person of the vendor, who manages the shop."""
    in_test_only: Said
    """The vendor's LIVE key, where the shop (or what the path names in it) is TEST only."""
    body: Json | None = None


def of_organization(shop: Said, billing: Said, body: Json | None = None) -> Expected:
    return Expected(NO_ORGANIZATION, shop, billing, NO_ORGANIZATION, body)


def of_address(shop: Said, billing: Said, body: Json | None = None) -> Expected:
    return Expected(NO_ADDRESS, shop, billing, NO_ADDRESS, body)


EXPECTED = {
    "createOrganization": Expected(NO_PARENT, DENIED, DENIED, NO_PARENT, {"name": "Till"}),
    "provisionOrganization": Expected(NO_PARENT, DENIED, DENIED, NO_PARENT, {}),
    # A batch answers for each item, with the same refusals: see `_items`.
    "createOrganizationBatch": Expected(NO_PARENT, DENIED, DENIED, NO_PARENT, {}),
    "listOrganizations": Expected(OK, OK, OK, OK),
    "retrieveOrganization": of_organization(OK, OK),
    "retrieveOrganizationTree": of_organization(OK, OK),
    "updateOrganization": of_organization(DENIED, DENIED, {"name": "Renamed"}),
    "deleteOrganization": of_organization(DENIED, DENIED),
    # The one operation that crosses the envs: it enables the one that is missing.
    "enableEnvironment": Expected(NO_ORGANIZATION, DENIED, DENIED, OK, {"env": "LIVE"}),
    "setOrganizationStatus": of_organization(DENIED, DENIED, {"status": "active"}),
    "handOverOrganization": of_organization(DENIED, DENIED),
    "createApiKey": of_organization(OK, DENIED, KEY),
    "listApiKeys": of_organization(OK, DENIED),
    "retrieveApiKey": of_organization(OK, DENIED),
    "updateApiKey": of_organization(OK, DENIED, {"status": "enabled"}),
    "deleteApiKey": of_organization(OK, DENIED),
    "rotateApiKey": of_organization(OK, DENIED, {}),
    "expirePreviousSecret": of_organization(OK, DENIED),
    "listUsers": of_organization(OK, DENIED),
    "inviteUser": of_organization(DENIED, DENIED, INVITATION),
    "invite_user_by_alias": of_organization(DENIED, DENIED, INVITATION),
    "deleteUser": of_organization(DENIED, DENIED),
    "listBillingAddresses": Expected(OK, OK, OK, OK),
    "createBillingAddress": Expected(OK, DENIED, OK, OK, BILLING_ADDRESS),
    "retrieveBillingAddress": of_address(OK, OK),
    "updateBillingAddress": of_address(DENIED, OK, {"town": "Bonn"}),
    "deleteBillingAddress": of_address(DENIED, OK),
    "listAccess": of_organization(OK, DENIED),
    "listMyReach": Expected(OK, OK, OK, OK),
    # About the shop's own key: see QUERIES.
    "explainAccess": Expected(NO_PRINCIPAL, OK, DENIED, NO_PRINCIPAL),
    "listAuditLog": of_organization(OK, DENIED),
    "proveAuditEntry": of_organization(NO_ROW, DENIED),
    "listAuditSeals": Expected(OK, OK, DENIED, OK),
    # All these actors are in LIVE, where nobody wipes anything.
    "deleteTestData": Expected(DENIED, DENIED, DENIED, DENIED),
    "retrieveMe": Expected(OK, OK, OK, OK),
    "listPayerPeriods": of_organization(OK, OK),
    "proposeAgreement": of_organization(DENIED, DENIED, PROPOSAL),
    "listAgreements": of_organization(OK, DENIED),
    "retrieveAgreement": of_organization(NO_AGREEMENT, DENIED),
    "analyseAgreement": of_organization(NO_AGREEMENT, DENIED),
    "acceptAgreement": of_organization(NO_AGREEMENT, DENIED),
    "declineAgreement": of_organization(NO_AGREEMENT, DENIED),
    "withdrawAgreement": of_organization(NO_AGREEMENT, DENIED),
    "undoAgreement": of_organization(NO_AGREEMENT, DENIED),
}
QUERIES = {
    "explainAccess": "?principal={key_id}&organization_id={organization_id}&right=user:read",
}
PUBLIC = {"/api/v0/auth", "/api/v0/keys/leaked", "/api/v2/auth"}
HIDDEN = {"invite_user_by_alias"}
# What a client's own key or address names is theirs to lose: these come last.
LAST = (
    "deleteOrganization",
    "deleteBillingAddress",
    "expirePreviousSecret",
    "rotateApiKey",
    "deleteApiKey",
)


class Route(NamedTuple):
    """One operation, as the application has it."""

    name: str
    method: str
    path: str
    handler: Any

    @property
    def is_public(self) -> bool:
        return bool(self.handler.opt.get("public"))


def routes_of(apps: dict[str, Litestar]) -> Iterator[Route]:
    """Yield every operation but the automatic OPTIONS."""
    for prefix, app in apps.items():
        for route in app.routes:
            if isinstance(route, HTTPRoute) and route.path_format.startswith(prefix):
                for handler in route.route_handlers:
                    name = str(handler.operation_id or handler.handler_name)
                    for method in sorted(map(str, handler.http_methods)):
                        if method != "OPTIONS":
                            yield Route(name, method, route.path_format, handler)


@pytest.fixture(scope="session")
def apps() -> dict[str, Litestar]:
    return make_apps()


@pytest.fixture(scope="session")
def routes(apps: dict[str, Litestar]) -> list[Route]:
    found = [route for route in routes_of(apps) if not route.is_public]
    return sorted(found, key=lambda route: LAST.index(route.name) if route.name in LAST else -1)


@dataclass(frozen=True)
class About:
    """What the paths are filled with, and what the bodies point to."""

    organization_id: UUID
    key_id: UUID
    user_id: UUID
    address_id: UUID
    row_id: UUID = NOBODYS_ROW
    """Of an audit entry that nobody has: test_prove_audit_entry.py asks for others."""
    agreement_id: UUID = NOBODYS_ROW

    async def ask(self, client: httpx.AsyncClient, route: Route) -> httpx.Response:
        path = (route.path + QUERIES.get(route.name, "")).format(**vars(self))
        return await client.request(
            route.method, f"http://test{path}", json=self.body_of(route.name)
        )

    def body_of(self, name: str) -> Json | None:
        shop = ADDRESS | {"name": "Till", "managed_by_organization_id": str(self.organization_id)}
        if name == "createOrganization":
            return shop
        if name == "provisionOrganization":
            return {"organization": shop}
        if name == "createOrganizationBatch":
            return {"items": [{"organization": shop}]}
        return EXPECTED[name].body


ABSENT = About(*(UUID(int=n << 76 | 8 << 60 | n) for n in (4, 5, 6, 7)))


@pytest.fixture
async def shop(world: World) -> About:
    """The shop, its LIVE key and an address of it."""
    address_id = await add_address(world, world.shop)
    person = world.people["shop_owner"]
    return About(world.shop, world.keys["shop_live"]["id"], person, address_id)


async def add_address(world: World, organization_id: UUID) -> UUID:
    address_id = uuid4()
    await world.owner.execute(
        "INSERT INTO billing_addresses (organization_id, id, recipient, address_line1, zip, town, "
        "country_code, created_at) VALUES ($1, $2, 'Shop', 'Weg 1', '1', 'Berlin', 'DEU', now())",
        organization_id,
        address_id,
    )
    return address_id


def _items(answer: httpx.Response) -> Said:
    """Return what was said; of a batch what was said of its only item."""
    body = answer.json()
    if answer.status_code == 200 and body.get("_type") == "ORGANIZATION_BATCH":
        item = body["data"][0]
        return item["status_code"], item.get("error", {}).get("code")
    return said(answer)


def _shape(answer: httpx.Response, about: About) -> tuple[int, str, tuple[str, ...]]:
    """Return what can be told apart, but for the ids that the caller itself has chosen."""
    text = answer.text.replace(answer.headers["x-request-id"], "request")
    for name, value in vars(about).items():
        text = text.replace(str(value), name)
    return answer.status_code, text, tuple(answer.headers)


def test_every_operation_has_an_expectation_and_every_expectation_an_operation(
    routes: list[Route],
) -> None:
    names = [route.name for route in routes]
    assert sorted(names) == sorted(EXPECTED)


def test_only_authentication_and_found_secrets_are_public(apps: dict[str, Litestar]) -> None:
    assert {route.path for route in routes_of(apps) if route.is_public} == PUBLIC


def test_every_operation_has_an_id_but_the_reviewed_alias(apps: dict[str, Litestar]) -> None:
    nameless = {route.name for route in routes_of(apps) if not route.handler.operation_id}
    assert nameless == HIDDEN


async def test_what_the_framework_serves_beside_the_prefixes_is_out_of_reach(
    world: World, apps: dict[str, Litestar]
) -> None:
    beside = {
        route.path_format
        for app in apps.values()
        for route in app.routes
        if not route.path.startswith(PREFIXES)
    }
    for path in beside:
        answer = await world.vendor_live.get("http://test" + path.format(path="x"))
        assert said(answer) == (404, "E_NOT_FOUND"), path


async def test_no_operation_answers_nobody(world: World, routes: list[Route], shop: About) -> None:
    found = {route.name: said(await shop.ask(world.nobody, route)) for route in routes}
    assert found == dict.fromkeys(EXPECTED, (401, None))


async def test_no_method_and_no_spelling_of_a_path_answers_nobody(
    world: World, routes: list[Route], shop: About
) -> None:
    for route in routes:
        path = "http://test" + route.path.format(**vars(shop))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"):
            for url in (path, f"{path}/", path.replace("/organizations", "//organizations")):
                answer = await world.nobody.request(method, url)
                assert answer.status_code in (401, 405), (method, url)


async def test_a_stranger_is_told_what_is_said_of_an_absent_id(
    world: World, routes: list[Route], shop: About
) -> None:
    found = {}
    for route in routes:
        answer = await shop.ask(world.stranger_live, route)
        absent = await ABSENT.ask(world.stranger_live, route)
        found[route.name] = _items(answer)
        if found[route.name][0] != 200:
            assert _shape(answer, shop) == _shape(absent, ABSENT), route.name
        elif route.method == "GET":
            assert not any(str(each) in answer.text for each in vars(shop).values())
    assert found == {name: expected.stranger for name, expected in EXPECTED.items()}


async def test_a_stranger_leaves_nothing_behind(
    world: World, routes: list[Route], shop: About
) -> None:
    for route in routes:
        await shop.ask(world.stranger_live, route)
    assert await world.trail(world.shop) == []
    assert await world.trail(world.vendor, "outbox_rows") == []


async def test_a_managed_key_without_the_right_is_denied(
    world: World, routes: list[Route], shop: About
) -> None:
    found = {route.name: _items(await shop.ask(world.shop_live, route)) for route in routes}
    assert found == {name: expected.shop for name, expected in EXPECTED.items()}


async def test_a_person_without_the_right_is_denied(
    world: World, routes: list[Route], shop: About
) -> None:
    found = {route.name: _items(await shop.ask(world.vendor_billing, route)) for route in routes}
    assert found == {name: expected.billing for name, expected in EXPECTED.items()}


async def test_a_denial_names_the_right_that_is_missing(
    world: World, routes: list[Route], shop: About
) -> None:
    for route in routes:
        answer = await shop.ask(world.shop_live, route)
        if said(answer) == DENIED:
            missing = answer.json()["missing"]
            assert set(missing) == {"right", "organization_id", "env"}
            assert missing["organization_id"] == str(world.shop)


async def test_a_live_key_does_not_see_what_is_test_only(
    world: World, routes: list[Route], shop: About
) -> None:
    only_test = "UPDATE organizations SET envs = '{TEST}' WHERE id = $1"
    found = {}
    for route in routes:
        await world.owner.execute(only_test, world.shop)
        answer = await shop.ask(world.vendor_live, route)
        found[route.name] = _items(answer)
        if found[route.name][0] != 200:
            absent = await ABSENT.ask(world.vendor_live, route)
            assert _shape(answer, shop) == _shape(absent, ABSENT), route.name
    assert found == {name: expected.in_test_only for name, expected in EXPECTED.items()}


@pytest.mark.parametrize(("env", "other"), [("live", "test"), ("test", "live")])
async def test_a_key_of_the_other_env_is_absent(
    world: World, routes: list[Route], shop: About, env: str, other: str
) -> None:
    crossed = About(world.shop, world.keys[f"shop_{other}"]["id"], shop.user_id, shop.address_id)
    absent = About(world.shop, ABSENT.key_id, shop.user_id, shop.address_id)
    about_keys = [route for route in routes if "{key_id}" in route.path]
    assert len(about_keys) == 5
    for client in (world.clients[f"vendor_{env}"], world.clients[f"shop_{env}"]):
        for route in about_keys:
            answer = await crossed.ask(client, route)
            assert said(answer) == NO_KEY
            assert _shape(answer, crossed) == _shape(await absent.ask(client, route), absent)


async def test_ids_that_do_not_belong_together_open_nothing(
    world: World, routes: list[Route], shop: About
) -> None:
    """The organization is in reach, the key or person belongs to another one that is too."""
    mixed = About(world.kiosk, shop.key_id, shop.user_id, shop.address_id)
    for route in routes:
        if "{key_id}" in route.path or "{user_id}" in route.path:
            assert (await mixed.ask(world.vendor_live, route)).status_code == 404, route.name


def test_every_documented_operation_documents_its_refusals(apps: dict[str, Litestar]) -> None:
    for name, encoded in documents_of(apps).items():
        for path, methods in json.decode(encoded)["paths"].items():
            wanted = {"200", "400", "401", "500"} | ({"403"} if path not in PUBLIC else set())
            for method, operation in methods.items():
                assert operation["operationId"], (name, method, path)
                assert wanted <= set(operation["responses"]), (name, method, path)


def refusal_classes(of: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for each in of.__subclasses__():
        if each.__module__.startswith(errors.__name__):
            yield each
            yield from refusal_classes(each)


def test_codes_are_unique_and_begin_alike() -> None:
    codes = [each.code for each in refusal_classes() if "code" in vars(each) and each.code]
    assert len(codes) > 20
    assert sorted(set(codes)) == sorted(codes)
    assert all(re.fullmatch(r"E_[A-Z]+(?:_[A-Z]+)*", code) for code in codes)


def test_every_refusal_that_can_be_raised_has_a_status_and_decides_on_a_code() -> None:
    for each in refusal_classes():
        if not each.__subclasses__():
            assert 400 <= each.status <= 503, each
            assert hasattr(each, "code"), each


def test_every_code_is_explained_once_and_no_other() -> None:
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    explained = re.findall(r"^## (\S+)$", text, re.MULTILINE)
    codes = {each.code for each in refusal_classes() if getattr(each, "code", None)}
    assert sorted(explained) == sorted(map(str, codes))


def test_a_section_begins_with_the_status_of_its_code() -> None:
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    for each in refusal_classes():
        if getattr(each, "code", None):
            assert f"## {each.code}\n\n{each.status}. " in text
