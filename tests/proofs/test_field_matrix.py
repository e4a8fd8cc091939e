"""T10: every field of every body, and every parameter, with what does not belong into it.

Read from the application: a new struct, field or parameter is tried without being named here.
"""

from collections.abc import Collection, Iterator
from itertools import count, cycle, islice
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from msgspec import inspect

from amounts import AMOUNTS, record_figure
from architecture.test_routes import PREFIXES, QUERIES, About, Route, add_address, routes_of
from asgi import Answered
from fields import ODD, UNREADABLE, Raw, fields_of, put, struct_of, structs_in, value_for
from lab import Lab
from tillkeeper.app import make_apps
from tillkeeper.schema import metadata
from world import KEY, World

pytestmark = pytest.mark.timeout(1800)
MIGHTY = "vendor_live"
ROUTES = sorted(
    (route for route in routes_of(make_apps()) if route.path.startswith(PREFIXES)),
    key=lambda route: (route.name, route.path),
)
BODIES = [route for route in ROUTES if "data" in route.handler.parsed_fn_signature.parameters]
ASSIGNED = {"role", "mode", "main_id", "tenant_id", "is_admin", "is_owner", "password", "secret"}
NAMES = sorted(
    ASSIGNED
    | {column.name for table in metadata.tables.values() for column in table.columns}
    | {"_id", "_type", "_envs", "__proto__", "constructor", "__class__", "$set", "", "a.b", "Name"}
)
"""Every column of every table, and what was assigned in bulk elsewhere."""


def body_of(route: Route) -> inspect.StructType:
    return struct_of(route.handler.parsed_fn_signature.parameters["data"].annotation)


def _first_met() -> dict[type, Route]:
    found: dict[type, Route] = {}
    for route in BODIES:
        for each in fields_of(body_of(route)):
            found.setdefault(each.owner, route)
    return found


FIRST_MET = _first_met()


@pytest.fixture
async def lab(world: World) -> Lab:
    address = await add_address(world, world.shop)
    key = await world.vendor_live.post(f"/organizations/{world.shop}/api-keys", json=KEY)
    person = world.people["shop_owner"]
    found = Lab(world, About(world.shop, UUID(key.json()["_id"]), person, address))
    found.state = await found.look()
    return found


def conclude(lab: Lab, what: str) -> None:
    record_figure(f"Fields: {what}", f"{lab.number} requests", len(lab.wrong))
    assert not lab.wrong, "\n".join(lab.wrong[:60])


def names_field(answer: Answered, name: str, place: str = "body") -> bool:
    """Whether a refusal says which field was wrong."""
    (detail,) = answer.body.get("details", [{}])
    where = str(detail.get("field", ""))
    return where.startswith(place) and name in f"{where} {detail['rule']}"


EVERYTHING = {name: Raw(text) for name, text in UNREADABLE.items()} | ODD


def chosen(names: Collection[str], turn: Iterator[int], *, is_new: bool) -> list[str]:
    """Everything where something is met first; where it was tried before, some of it in turn."""
    every, some = sorted(names), min(AMOUNTS.field_values, len(names))
    return every if is_new else [every[number % len(every)] for number in islice(turn, some)]


@pytest.mark.parametrize("route", BODIES, ids=lambda route: f"{route.path[:7]} {route.name}")
async def test_no_field_takes_what_does_not_belong_into_it(lab: Lab, route: Route) -> None:
    body, turn = body_of(route), count(BODIES.index(route))
    for tried in fields_of(body):
        for name in chosen(EVERYTHING, turn, is_new=FIRST_MET[tried.owner] is route):
            what, base = f"{tried.dotted}: {name}", lab.base(route, tried.name)
            sent = put(body, base, tried.path, EVERYTHING[name])
            answer = await lab.send(route, MIGHTY, sent)
            await lab.check(what, answer)
            if name in UNREADABLE and answer.status != 400:
                lab.wrong.append(f"{what}: taken with {answer.status}")
            is_read = name not in UNREADABLE and answer.status == 400
            if is_read and not names_field(answer, tried.name):
                lab.wrong.append(f"{what}: {answer.body.get('details')}")
    conclude(lab, f"odd values in {route.name} ({route.path[:7]})")


def characters(lab: Lab) -> Iterator[str]:
    """Everybody in turn, without an end."""
    return cycle(lab.world.clients)


async def test_no_object_takes_a_field_that_is_not_its_own(lab: Lab) -> None:
    """Guarded columns among them: refused by name for everybody, before anything is read."""
    who, turn = characters(lab), count()
    for route in BODIES:
        body = body_of(route)
        for path, each in structs_in(body):
            unknown = set(NAMES) - {field.encode_name for field in each.fields}
            for name in chosen(unknown, turn, is_new=FIRST_MET[each.cls] is route):
                sent = put(body, lab.base(route), (*path, name), "x")
                for character in islice(who, AMOUNTS.field_actors):
                    answer = await lab.send(route, character, sent)
                    what = f"{route.name}: {'.'.join(map(str, path))} {name} by {character}"
                    await lab.check(what, answer)
                    if answer.status != 400 or not names_field(answer, name):
                        lab.wrong.append(f"{what}: {answer.said}")
    conclude(lab, "names that no object knows")


PARAMETERS = [
    (route, name)
    for route in ROUTES
    for name in route.handler.parsed_fn_signature.parameters
    if name not in ("op", "data", "request") and f"{{{name}}}" not in route.path
]


async def test_no_parameter_takes_what_does_not_belong_into_it(lab: Lab) -> None:
    texts = {name: str(value) for name, value in ODD.items() if len(str(value)) < 5000}
    texts |= {"NUL": "\x00", "bell": "\x07", "two": "1&{name}=2", "percent": "%", "escaped": "%00"}
    turn = count()
    met: set[tuple[str, str]] = set()
    for route, parameter in PARAMETERS:
        kind = str(route.handler.parsed_fn_signature.parameters[parameter].annotation)
        is_new = (parameter, kind) not in met
        met.add((parameter, kind))
        for name in chosen(texts, turn, is_new=is_new):
            text = texts[name]
            raw = name in ("two", "percent", "escaped")
            value = text.format(name=parameter) if raw else quote(text, safe="")
            query = f"{_beside(lab, route, parameter)}{parameter}={value}"
            answer = await lab.send(route, MIGHTY, query=query)
            what = f"{route.name}?{parameter}: {name}"
            await lab.check(what, answer)
            is_read = answer.status == 400 and answer.said[1] != "E_BAD_REQUEST"
            if is_read and not names_field(answer, parameter, "params"):
                lab.wrong.append(f"{what}: {answer.body.get('details')}")
    conclude(lab, f"odd values in {len(PARAMETERS)} parameters")


def _beside(lab: Lab, route: Route, parameter: str) -> str:
    """What must be there beside the parameter."""
    pairs = QUERIES.get(route.name, "").lstrip("?").format(**vars(lab.of)).split("&")
    return "".join(f"{each}&" for each in pairs if each and not each.startswith(f"{parameter}="))


GENERATED = {"notice_stage"}
"""What the database works out by itself."""
ROWS = {"organization_id": "organizations", "key_id": "api_keys", "address_id": "billing_addresses"}
COLUMNS = {
    "billing_options": {"gln", "withhold_billing", "bill_to_organization"},
    "contact_person_id": {"contact_person_id", "contact_person_is_above"},
    "billing_address_id": {"billing_address_id", "billing_address_organization_id"},
    "delete_protection": {"is_delete_protected"},
    "reach": {"reach", "reach_organization_ids"},
    "overlap_seconds": {
        "secret_digest",
        "previous_digest",
        "previous_ends_at",
        "generation",
        "pepper_version",
        "previous_pepper_version",
    },
    "expires_at": {"expires_at", "notice_stage"},
    "setOrganizationStatus": {"status", "status_reason", "grace_ends_at", "purge_at"},
}
"""What a field writes, where it is not the column of its own name."""
MAKING = {
    "createApiKey",
    "enableEnvironment",
    "inviteUser",
    "invite_user_by_alias",
    "proposeAgreement",
}
"""These leave the row of their path as it is."""
CHANGES = [route for route in BODIES if route.path.endswith("}") or "/{" in route.path[8:]]


async def row_of(lab: Lab, route: Route) -> tuple[str, UUID, dict[str, Any]]:
    """Return the row that a path is about, as the owner of the database sees it."""
    last = max(ROWS, key=lambda name: route.path.rfind(f"{{{name}}}"))
    of: UUID = getattr(lab.of, last)
    query = f"SELECT to_jsonb(t) FROM {ROWS[last]} t WHERE id = $1"  # noqa: S608 - ours
    found: dict[str, Any] = await lab.world.owner.fetchval(query, of)
    return ROWS[last], of, found


async def put_back(lab: Lab, table: str, of: UUID, row: dict[str, Any], names: set[str]) -> None:
    for name in names - GENERATED:
        value = f"(jsonb_populate_record(NULL::{table}, $2)).{name}"
        await lab.world.owner.execute(f"UPDATE {table} SET {name} = {value} WHERE id = $1", of, row)  # noqa: S608


@pytest.mark.parametrize("route", CHANGES, ids=lambda route: route.name)
async def test_a_field_changes_its_own_column_alone_and_only_for_who_may(
    lab: Lab, route: Route
) -> None:
    """Compared by the owner of the database; who is refused changes nothing at all."""
    body, who = body_of(route), characters(lab)
    accepted = 0
    for tried in fields_of(body):
        others = [(character, 0) for character in islice(who, AMOUNTS.field_actors)]
        for character, wanted in [*((MIGHTY, wanted) for wanted in range(3)), *others]:
            sent = put(body, _least(lab, route), tried.path, value_for(tried.kind, wanted=wanted))
            table, of, before = await row_of(lab, route)
            answer = await lab.send(route, character, sent)
            _, _, after = await row_of(lab, route)
            changed = {name for name in after if after[name] != before[name]}
            await lab.check(f"{tried.dotted} by {character}", answer)
            first = str(tried.path[0])
            allowed = COLUMNS.get(route.name) or COLUMNS.get(first, {first})
            if changed - (allowed if answer.status == 200 else set()):
                lab.wrong.append(f"{tried.dotted} by {character}: {answer.status}, {changed}")
            accepted += bool(changed)
            await put_back(lab, table, of, before, changed)
            if changed:
                lab.state = await lab.look()
    assert accepted or route.name in MAKING
    conclude(lab, f"columns that a field of {route.name} changes")


def _least(lab: Lab, route: Route) -> Any:  # noqa: ANN401 - JSON
    """What must be there beside the field."""
    required = {field.encode_name for field in body_of(route).fields if field.required}
    return {name: value for name, value in lab.base(route).items() if name in required}
