"""Everything is put together here, and only here."""

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from tillkeeper.access.guard import Answer, Door, TokenCheck, provide_op
from tillkeeper.access.idempotency import Replay
from tillkeeper.access.operation import House
from tillkeeper.core.errors import Refusal
from tillkeeper.core.networks import Network
from tillkeeper.domains.access_reports.routes import router as access_reports
from tillkeeper.domains.agreements.routes import router as agreements
from tillkeeper.domains.api_keys.routes import router as api_keys
from tillkeeper.domains.audit.routes import router as audit
from tillkeeper.domains.billing.routes import router as billing
from tillkeeper.domains.leaks.routes import router as leaks
from tillkeeper.domains.me.routes import router as me
from tillkeeper.domains.organizations.routes import router as organizations
from tillkeeper.domains.people.routes import router as people
from tillkeeper.domains.provisioning.routes import router as provisioning
from tillkeeper.domains.sessions.routes import router as sessions
from tillkeeper.domains.test_data.routes import router as test_data
from tillkeeper.surfaces.http import openapi, problems
from tillkeeper.surfaces.http.edge import Edge, Page
from tillkeeper.surfaces.http.pages import Health, Reference

MANAGEMENT, SIGN = "/api/v0", "/api/v2"
_MANAGEMENT = [
    sessions,
    organizations,
    provisioning,
    api_keys,
    leaks,
    people,
    billing,
    agreements,
    audit,
    me,
    access_reports,
    test_data,
]


def make_apps() -> dict[str, Litestar]:
    """Return one application per prefix; the edge tells each request which house it is in."""
    management = _make_app(MANAGEMENT, _MANAGEMENT, "Management API", "0.13.0")
    sign = _make_app(SIGN, [sessions], "SIGN API", "2.2.2")
    return {MANAGEMENT: management, SIGN: sign}


def make_service(
    house: House,
    *,
    is_logging_access: bool = False,
    trusted_proxies: tuple[Network, ...] = (),
) -> Edge:
    """Return the service: both prefixes, the reference and the health page behind one edge."""
    apps = make_apps()
    pages: dict[str, Page] = {
        "/docs": Reference(documents_of(apps)),
        "/health": Health(house),
    }
    return Edge(
        Door(house),
        apps,
        pages,
        is_logging_access=is_logging_access,
        trusted_proxies=trusted_proxies,
    )


def documents_of(apps: dict[str, Litestar]) -> dict[str, bytes]:
    """Return the OpenAPI documents by name, as they are committed."""
    names = {"management": MANAGEMENT, "sign": SIGN}
    return {name: openapi.encode(openapi.describe(apps[prefix])) for name, prefix in names.items()}


def _make_app(prefix: str, routers: list[Router], title: str, version: str) -> Litestar:
    return Litestar(
        route_handlers=[Router(prefix, route_handlers=routers, middleware=[TokenCheck])],
        dependencies={"op": Provide(provide_op)},
        response_class=Answer,
        exception_handlers={
            Refusal: problems.render_refusal,
            Replay: problems.render_replay,
            ValidationException: problems.render_validation,
            HTTPException: problems.render_http,
            Exception: problems.render_unexpected,
        },
        logging_config=None,
        request_max_body_size=None,
        openapi_config=OpenAPIConfig(
            title=title,
            version=version,
            path="/never-served",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
    )
