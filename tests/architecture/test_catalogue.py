"""T01, continued: indexes, functions, bounds, and what product code may say to a session."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from msgspec import inspect

import tillkeeper
from architecture.test_routes import routes_of
from architecture.test_walls import LOGIN
from fields import choices, fields_of, struct_of
from tillkeeper.app import make_apps
from world import Connection, World

SOURCE = Path(tillkeeper.__file__).parent
BODIES: set[type] = {
    route.handler.parsed_fn_signature.parameters["data"].annotation
    for route in routes_of(make_apps())
    if "data" in route.handler.parsed_fn_signature.parameters
}


async def test_no_index_computes_from_rows_that_a_wall_may_hide(owner: Connection) -> None:
    """An expression runs for every row, and what is not leakproof tells of those it fails on."""
    computed = await owner.fetch(
        "SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "WHERE c.relnamespace = 'public'::regnamespace AND i.indexprs IS NOT NULL"
    )
    assert computed == []


async def test_no_function_or_table_of_ours_is_open_to_the_public(owner: Connection) -> None:
    functions = await owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND has_function_privilege('public', oid, 'EXECUTE')"
    )
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'v', 'm', 'S', 'p') AND has_table_privilege('public', oid, 'SELECT')"
    )
    assert (functions, tables) == ([], [])
    may_create = "SELECT has_schema_privilege('public', 'public', 'CREATE')"
    assert not await owner.fetchval(may_create)


async def test_the_login_finds_names_in_our_schema_alone(serving_url: str) -> None:
    """The functions that are no doors have no path of their own: they see their caller's."""
    connection = await asyncpg.connect(serving_url)
    try:
        found = await connection.fetchval("SELECT current_schemas(true)")
    finally:
        await connection.close()
    assert found == ["pg_catalog", "public"]


async def test_no_table_of_the_login_stands_in_front_of_ours(
    world: World, owner: Connection
) -> None:
    """Fails without REVOKE TEMPORARY (schema/migrate.py): a temporary table is found before ours,
    by the doors too, which see through the walls."""
    assert world.vendor
    may = "SELECT has_database_privilege($1, current_database(), 'TEMPORARY')"
    assert not await owner.fetchval(may, LOGIN)


async def test_what_each_login_is_bound_to_is_written_down_for_it(owner: Connection) -> None:
    """A session begins with these, whoever opens it; `doctor` asks for them at other logins."""
    rows = await owner.fetch(
        "SELECT r.rolname, s.setconfig FROM pg_db_role_setting s "
        "JOIN pg_roles r ON r.oid = s.setrole JOIN pg_database d ON d.oid = s.setdatabase "
        "WHERE d.datname = current_database()"
    )
    assert {row["rolname"] for row in rows} == {LOGIN}
    for row in rows:
        settings = dict(each.split("=", 1) for each in row["setconfig"])
        assert settings["synchronous_commit"] == "on"
        assert {"statement_timeout", "lock_timeout"} <= set(settings)
        assert "idle_in_transaction_session_timeout" in settings


def unbounded(kind: inspect.Type) -> Iterator[str]:
    """Yield what of a field may grow without an end."""
    for one in choices(kind):
        match one:
            case inspect.StrType(max_length=None) if not (one.pattern or "").endswith("}$(?!\\n)"):
                yield "text"
            case inspect.IntType() if None in (one.ge, one.le):
                yield "number"
            case inspect.ListType(max_length=None):
                yield "list"
            case inspect.ListType():
                yield from unbounded(one.item_type)
            case inspect.DictType(max_length=None):
                yield "object"
            case inspect.DictType():
                yield from (*unbounded(one.key_type), *unbounded(one.value_type))
            case inspect.AnyType() | inspect.FloatType() | inspect.RawType():
                yield "anything"


@pytest.mark.parametrize("data", sorted(BODIES, key=str))
def test_every_field_that_is_stored_is_bounded(data: type) -> None:
    found = {each.dotted: list(unbounded(each.kind)) for each in fields_of(struct_of(data))}
    assert not {name: kinds for name, kinds in found.items() if kinds}


def test_no_statement_sets_anything_for_a_session() -> None:
    """Whatever begins with SET is local to its transaction; other names are in test_walls.py."""
    said = re.compile(
        r"^\s*(?:RESET\s|SET\s+(?!LOCAL\b|CONSTRAINTS\b)(?:SESSION\s|ROLE\s|[\w.]+\s*(?:=|TO\b)))",
        re.IGNORECASE,
    )
    texts = [
        (path, node.value)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts += [(path, path.read_text("utf-8")) for path in SOURCE.rglob("*.sql")]
    for path, text in texts:
        for statement in re.split(r";|\$\$|\bBEGIN\b", text):
            assert not said.match(statement), (path, statement)
    assert said.match("SET statement_timeout = 0")
