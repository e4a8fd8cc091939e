"""T01: row-level security, roles and doors, as the catalogue has them."""

import ast
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
from litestar.routes import HTTPRoute
from sqlalchemy.ext.asyncio import create_async_engine

import tillkeeper
from tillkeeper.app import make_apps
from tillkeeper.core.env import Env
from tillkeeper.db.pool import Database
from tillkeeper.schema import metadata
from tillkeeper.schema.migrate import compare, migrate
from world import Connection, World, said

SOURCE = Path(tillkeeper.__file__).parent
LOGIN = "tillkeeper_app_tests"
TABLES = sorted(metadata.tables)

OF_NOBODY = {
    "audit_seals",
    "leak_reports",
    "mails",
    "pepper_holders",
    "rate_cells",
    "signing_authorities",
}
"""Reviewed: what the installation has, and nobody sees but through doors."""
WITHOUT_ENV_WALL = OF_NOBODY | {
    "agreements",
    "memberships",
    "billing_addresses",
    "payer_periods",
    "users",
}
"""Reviewed: what an organization has once, whatever its envs; `organizations`
has a wall of its own, on its list of envs."""
ENV_TABLES = sorted(set(TABLES) - WITHOUT_ENV_WALL - {"organizations"})
ENV_LAST = {"log_messages", "transaction_months", "transactions", "tss_clients"}
"""Reviewed: these grow, and no index is used past an enum; their keys hold the env as well."""
DOORS = {
    "add_signing_authority",
    "accept_agreement",
    "analyse_payer",
    "analyse_transfer",
    "close_agreement",
    "end_payer",
    "execute_payer",
    "execute_transfer",
    "keep_payer_periods",
    "lock_agreement",
    "lock_concerned",
    "propose_agreement",
    "record_agreement",
    "refuse_payer_circle",
    "begin_seal",
    "claim_answer",
    "claim_person",
    "count_key_uses",
    "count_pepper_needs",
    "count_pointers_to_address",
    "count_tss_in_doubt",
    "effective_status",
    "enter",
    "expire_previous_secret",
    "find_login",
    "find_membership",
    "find_own_limits",
    "find_payer",
    "find_person",
    "find_seal",
    "find_signing_chain",
    "hand_over",
    "hold_peppers",
    "is_leant_on",
    "is_manned",
    "is_live",
    "is_needed",
    "lease_cell",
    "list_due_notices",
    "list_key_keepers",
    "is_person_reached",
    "list_due_exports",
    "is_still_keeper",
    "list_due_purges",
    "list_due_tss",
    "list_pepper_holders",
    "list_roots",
    "list_seals",
    "list_signing_authorities",
    "list_signing_certificates",
    "list_stored_versions",
    "manages",
    "post_mail",
    "reaches",
    "reaches_in",
    "record_refused_login",
    "renew_password",
    "renew_secret",
    "report_leaks",
    "rotate_key",
    "set_password",
    "settle_leak",
    "settle_mail",
    "sort_leaks",
    "sweep_kept_answers",
    "sweep_mails",
    "sweep_rate_cells",
    "take_mails",
    "wipe_kept_answers",
    "undo_transfer",
    "write_seal",
}
"""Reviewed: the functions that see through the walls."""
BEHIND_WALLS = {
    "audit_content",
    "audit_leaf",
    "audit_leaf_hash",
    "audit_origin",
    "audit_sight",
    "signing_home",
}
"""Reviewed: functions that see what their caller sees."""
ENV_WALL = (
    r"CASE WHEN \(env = \( SELECT \(NULLIF\(current_setting\('tillkeeper.env'::text, true\), "
    r"''::text\)\)::env AS \"nullif\"\)\) THEN true ELSE false END"
)
NOT_GRANTED = [
    "SELECT secret_digest FROM api_keys",
    "SELECT * FROM api_keys",
    "UPDATE api_keys SET status = 'enabled' RETURNING secret_digest",
    "UPDATE api_keys SET secret_digest = ''",
    "UPDATE api_keys SET organization_id = organization_id",
    "SELECT count(*) FROM users",
    "UPDATE users SET password_digest = ''",
    "DELETE FROM users",
    "UPDATE audit_rows SET event = ''",
    "DELETE FROM audit_rows",
    "SELECT event FROM outbox_rows",
    "UPDATE outbox_rows SET event = ''",
    "DELETE FROM outbox_rows",
    "SELECT answer FROM kept_answers",
    "DELETE FROM kept_answers",
    "UPDATE organizations SET reached_by = reached_by",
    "UPDATE organizations SET managed_by_organization_id = NULL",
    "UPDATE organizations SET administered_by_organization_id = NULL",
    "UPDATE organizations SET id = id",
    "UPDATE memberships SET organization_id = organization_id",
    "UPDATE alembic_version SET version_num = ''",
    "DELETE FROM tss",
    "UPDATE tss SET point = ''",
    "UPDATE tss SET sealed_key = ''",
    "UPDATE tss SET puk_digest = ''",
    "UPDATE tss SET id = id",
    "DELETE FROM tss_clients",
    "UPDATE tss_clients SET serial_number = ''",
    "DELETE FROM transactions",
    "UPDATE transactions SET number = number",
    "UPDATE log_messages SET message = ''",
    "UPDATE log_messages SET counter = counter",
    "DELETE FROM log_messages",
    "DELETE FROM exports",
    "UPDATE exports SET filters = '{}'",
    "UPDATE exports SET upto_counter = 0",
]
"""Digests, people, the audit, the outbox, kept answers, who stands above whom, what is signed."""
NOT_WRITTEN = {"audit_rows": ("tx", "epoch", "salt"), "users": ("id", "email", "password_digest")}
"""Columns that the login gives no value to: an INSERT without walls would be refused likewise."""
SETTINGS = ("organization_id", "reach_of", "actor_of", "env", "across")


@pytest.fixture
async def login(serving_url: str) -> AsyncGenerator[Connection]:
    """A connection of the login that serves, outside any pool."""
    connection = await asyncpg.connect(serving_url)
    yield connection
    await connection.close()


def test_the_reviewed_lists_name_every_table() -> None:
    assert set(ENV_TABLES) == {
        "api_keys",
        "audit_rows",
        "exports",
        "kept_answers",
        "key_uses",
        "log_messages",
        "outbox_rows",
        "transaction_months",
        "transactions",
        "tss",
        "tss_clients",
    }
    assert set(TABLES) >= WITHOUT_ENV_WALL


@pytest.mark.parametrize("table", TABLES)
async def test_every_table_is_walled(owner: Connection, table: str) -> None:
    forced = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::regclass"
    assert await owner.fetchval(forced, table)
    policies = await owner.fetch(
        "SELECT policyname, permissive, cmd, roles, with_check FROM pg_policies "
        "WHERE schemaname = 'public' AND tablename = $1",
        table,
    )
    expected = {
        ("door", "PERMISSIVE", "ALL", ("tillkeeper_api", "tillkeeper_doors"), None),
        ("wall_1_organization", "RESTRICTIVE", "ALL", ("tillkeeper_api",), None),
    }
    if table not in WITHOUT_ENV_WALL:
        expected.add(("wall_2_env", "RESTRICTIVE", "ALL", ("tillkeeper_api",), None))
    found = {(p[0], p[1], p[2], tuple(sorted(p[3])), p[4]) for p in policies}
    assert found == expected


async def test_the_database_has_no_table_view_or_rule_that_is_not_described(
    owner: Connection,
) -> None:
    found = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    )
    assert {row["relname"] for row in found} == {*TABLES, "alembic_version"}


async def test_the_walls_of_env_tables_compare_organization_and_env(owner: Connection) -> None:
    for table in ENV_TABLES:
        walls = await owner.fetch(
            "SELECT policyname, qual FROM pg_policies WHERE tablename = $1 "
            "AND permissive = 'RESTRICTIVE' ORDER BY policyname",
            table,
        )
        organization, env = (wall["qual"] for wall in walls)
        assert "organization_id = " in organization
        assert re.fullmatch(ENV_WALL, " ".join(env.split()))


@pytest.mark.parametrize("table", TABLES)
async def test_organization_and_env_come_first_in_every_key(owner: Connection, table: str) -> None:
    columns = await owner.fetchval(
        "SELECT array_agg(a.attname::text ORDER BY k.position) FROM pg_index i, "
        "unnest(i.indkey) WITH ORDINALITY AS k (number, position), pg_attribute a "
        "WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attrelid = i.indrelid "
        "AND a.attnum = k.number",
        table,
    )
    if table in ENV_LAST:
        assert (columns[0], columns[-1]) == ("organization_id", "env")
    elif table in ENV_TABLES:
        assert columns[:2] == ["organization_id", "env"]
    elif table not in {"organizations", "users"} | OF_NOBODY:
        assert columns[0] == "organization_id"


async def test_every_door_is_reviewed_pinned_and_closed_to_the_public(owner: Connection) -> None:
    doors = await owner.fetch(
        "SELECT p.proname, p.proconfig, r.rolname, r.rolcanlogin OR r.rolsuper AS is_mighty, "
        "has_function_privilege('public', p.oid, 'EXECUTE') AS is_open "
        "FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner "
        "WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace"
    )
    assert {door["proname"] for door in doors} == DOORS
    assert len(doors) == len(DOORS)
    for door in doors:
        assert door["rolname"] == "tillkeeper_doors"
        assert (door["is_mighty"], door["is_open"]) == (False, False)
        assert door["proconfig"] == ["search_path=pg_catalog, public"]


async def test_no_other_function_is_in_reach_of_the_login(owner: Connection) -> None:
    others = await owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND NOT prosecdef AND has_function_privilege($1, oid, 'EXECUTE')",
        LOGIN,
    )
    assert {row["proname"] for row in others} == BEHIND_WALLS


@pytest.mark.parametrize("role", [LOGIN, "tillkeeper_api", "tillkeeper_doors", "tillkeeper_owner"])
async def test_no_role_of_ours_is_mighty(owner: Connection, role: str) -> None:
    found = await owner.fetchrow(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS "
        "is_mighty, rolcanlogin FROM pg_roles WHERE rolname = $1",
        role,
    )
    assert found is not None
    assert not found["is_mighty"]
    assert found["rolcanlogin"] == (role == LOGIN)


async def test_the_login_owns_nothing_and_becomes_nobody_else(owner: Connection) -> None:
    owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = $1::regrole AND deptype = 'o'"
    assert await owner.fetchval(owned, LOGIN) == 0
    assert await owner.fetchval(owned, "tillkeeper_api") == 0
    member = "SELECT rolname FROM pg_roles WHERE pg_has_role($1, oid, 'MEMBER') ORDER BY rolname"
    roles = {row["rolname"] for row in await owner.fetch(member, LOGIN)}
    assert roles == {LOGIN, "tillkeeper_api"}


@pytest.mark.parametrize("table", [*TABLES, "alembic_version"])
async def test_the_login_can_neither_truncate_nor_refer_nor_watch(
    owner: Connection, table: str
) -> None:
    for privilege in ("TRUNCATE", "REFERENCES", "TRIGGER"):
        asked = "SELECT has_table_privilege($1, $2, $3)"
        assert not await owner.fetchval(asked, LOGIN, table, privilege), privilege


async def test_the_login_can_create_nothing(login: Connection) -> None:
    for statement in (
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE organizations (id uuid)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "ALTER TABLE organizations DISABLE ROW LEVEL SECURITY",
        "DROP POLICY wall_1_organization ON organizations",
        "SET ROLE tillkeeper_owner",
        "SET ROLE tillkeeper_doors",
        "TRUNCATE organizations CASCADE",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute(statement)


async def test_the_login_is_bounded_in_time_and_waits_for_the_disk(login: Connection) -> None:
    found = {
        name: await login.fetchval("SELECT current_setting($1)", name)
        for name in (
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "synchronous_commit",
            "row_security",
        )
    }
    assert found == {
        "statement_timeout": "3s",
        "lock_timeout": "1s",
        "idle_in_transaction_session_timeout": "5s",
        "synchronous_commit": "on",
        "row_security": "on",
    }


async def test_without_a_context_there_is_nothing(
    world: World, owner: Connection, login: Connection
) -> None:
    await world.create_shop(contact_person_id=str(world.people["vendor_owner"]))
    for table in TABLES:
        everything = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name of ours
        try:
            assert await login.fetchval(everything) == 0, table
        except asyncpg.InsufficientPrivilegeError:
            assert table in {"users", "outbox_rows"} | OF_NOBODY
    assert await owner.fetchval("SELECT count(*) FROM organizations") > 7


async def test_without_a_context_nothing_is_changed(world: World, login: Connection) -> None:
    for statement in (
        "DELETE FROM organizations",
        "UPDATE organizations SET name = 'Mine'",
        "UPDATE api_keys SET status = 'enabled'",
        "DELETE FROM api_keys",
        "UPDATE memberships SET role = 'owner'",
        "DELETE FROM billing_addresses",
        "UPDATE kept_answers SET status = 200",
    ):
        assert (await login.execute(statement)).endswith(" 0"), statement
    assert (await world.vendor_live.get("/me")).status_code == 200


async def test_a_context_of_one_organization_does_not_write_into_another(
    world: World, login: Connection
) -> None:
    row = (world.kiosk, "TEST", world.vendor, "a", b"b", "name", "enabled", "{}", world.vendor)
    async with login.transaction():
        await put_up(login, organization_id=world.shop, env="TEST")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute(
                "INSERT INTO api_keys (organization_id, env, id, key, secret_digest, name, status,"
                " metadata, created_at, created_by_user, created_by_organization_id) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), $9, $9)",
                *row,
            )


async def test_a_context_of_one_env_does_not_see_the_other(world: World, login: Connection) -> None:
    for env in Env:
        async with login.transaction():
            await put_up(login, organization_id=world.shop, env=env)
            rows = await login.fetch("SELECT organization_id, env::text AS env FROM api_keys")
            assert [tuple(row) for row in rows] == [(world.shop, env)]


async def test_a_wide_context_ends_where_reach_ends(world: World, login: Connection) -> None:
    async with login.transaction():
        await put_up(login, reach_of=world.enterprise, env="LIVE")
        rows = await login.fetch("SELECT id FROM organizations")
        assert {row["id"] for row in rows} == {world.enterprise, world.branch}


async def put_up(connection: Connection, **settings: object) -> None:
    for name, value in settings.items():
        setting = f"tillkeeper.{name}"
        await connection.execute("SELECT set_config($1, $2, true)", setting, str(value))


async def test_no_request_leaves_its_context_behind(world: World, db: Database) -> None:
    for client, path in (
        (world.vendor_test, "/organizations"),
        (world.vendor_live, f"/organizations/{world.shop}"),
        (world.vendor_live, f"/organizations/{world.shop}/tree"),
        (world.stranger_test, f"/organizations/{world.shop}/api-keys"),
        (world.vendor_live, "/me?limit=wrong"),
    ):
        await client.get(path)
        async with db.lend() as connection:
            for name in SETTINGS:
                setting = "SELECT current_setting('tillkeeper.' || $1, true)"
                assert not await connection.fetchval(setting, name), name


@pytest.mark.parametrize("statement", NOT_GRANTED)
async def test_the_login_is_not_granted(login: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await login.execute(statement)


async def test_what_the_database_writes_itself_the_login_may_not(owner: Connection) -> None:
    asked = "SELECT has_column_privilege($1, $2, $3, 'INSERT')"
    for table, columns in NOT_WRITTEN.items():
        for column in columns:
            assert not await owner.fetchval(asked, LOGIN, table, column), column


async def test_the_migrated_schema_is_the_one_that_is_described(
    owner_url: str, serving_url: str
) -> None:
    assert serving_url
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        different = await connection.run_sync(compare)
    await engine.dispose()
    assert different == []


async def test_migrating_twice_changes_nothing(owner: Connection, owner_url: str) -> None:
    """The login gets a fresh verifier for its password each time, hence not pg_authid."""
    before = await _catalogue(owner)
    assert list(await migrate(owner_url, LOGIN, "secret")) == []
    assert await _catalogue(owner) == before


async def _catalogue(owner: Connection) -> list[list[tuple[object, ...]]]:
    of_tables = (
        "SELECT attrelid, attname, atttypid, attnotnull, attacl::text FROM pg_attribute "
        "WHERE attrelid IN (SELECT oid FROM pg_class WHERE {}) ORDER BY 1, attnum"
    )
    asked = (
        of_tables,
        "SELECT polrelid, polname, polroles, polqual::text FROM pg_policy ORDER BY 1, 2",
        "SELECT relname, relowner, relacl::text FROM pg_class WHERE {} ORDER BY 1",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2",
        "SELECT proname, prosrc, proacl::text FROM pg_proc WHERE {} ORDER BY 1",
        "SELECT setrole, setdatabase, setconfig::text FROM pg_db_role_setting ORDER BY 1, 2",
    )
    ours = ("relnamespace", "", "relnamespace", "", "pronamespace", "")
    statements = [
        each.format(f"{column} = 'public'::regnamespace")
        for each, column in zip(asked, ours, strict=True)
    ]
    return [[tuple(row) for row in await owner.fetch(each)] for each in statements]


def test_no_setting_outlives_its_transaction() -> None:
    """PostgreSQL keeps `SET x` and set_config(…, false) for whoever borrows the connection next."""
    session = re.compile(
        r"(?i:set_config)\([^)]*,\s*(?:false|False|false\(\))\s*\)|[\"'\s]SET\s+(?!LOCAL\b)"
        r"(?:SESSION\s+)?(?:tillkeeper\.|ROLE\b|synchronous_commit|row_security|search_path\s+TO)"
    )
    for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.sql")]:
        assert not session.search(path.read_text("utf-8")), path


def test_every_set_config_is_local() -> None:
    """The last argument of each: true in SQL, true() or True in Core."""
    for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.sql")]:
        text = path.read_text("utf-8")
        for call in re.finditer(r"set_config\(", text):
            assert re.search(r",\s*[Tt]rue(?:\(\))?\s*\)", _call(text, call.end())), path


def _call(text: str, start: int) -> str:
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[start:end]


def test_nothing_turns_the_wait_for_the_disk_off() -> None:
    """The login and the embedded server have it on; `doctor` asks for it."""
    off = re.compile(r"synchronous_commit\W{1,8}(?:off|local|remote_write|false)", re.IGNORECASE)
    for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.sql")]:
        assert not off.search(path.read_text("utf-8")), path


def test_only_policy_makes_grants() -> None:
    makers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) == "Grant"
    }
    assert makers == {"access/policy.py"}


def test_there_is_exactly_one_generator_dependency() -> None:
    """Litestar forgets to close one that is open when another refuses."""
    found = {
        (name, provider.has_async_generator_dependency, provider.has_sync_generator_dependency)
        for app in make_apps().values()
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for name, provider in handler.resolve_dependencies().items()
    }
    assert found == {("op", True, False)}


async def test_a_refusal_while_entering_leaves_no_connection_out(
    world: World, db: Database
) -> None:
    """Each of these refuses inside `provide_op`, on the way in or on the way out."""
    gone = "UPDATE api_keys SET status = 'disabled' WHERE id = $1"
    await world.owner.execute(gone, world.keys["kiosk_live"]["id"])
    key = {"idempotency-key": "one"}
    for client, path, status in (
        (world.kiosk_live, "/me", 401),
        (world.kiosk_live, f"/organizations/{world.kiosk}", 401),
        (world.stranger_live, f"/organizations/{world.shop}", 404),
        (world.shop_live, f"/organizations/{world.shop}/api-keys?limit=0", 400),
    ):
        for _ in range(9):
            assert (await client.get(path)).status_code == status
            assert db.is_idle()
    for name, expected in (("till-1", (200, None)), ("till-2", (422, "E_IDEMPOTENCY_MISMATCH"))):
        for _ in range(9):
            body = {"name": name, "status": "enabled"}
            path = f"/organizations/{world.shop}/api-keys"
            assert said(await world.shop_live.post(path, json=body, headers=key)) == expected
            assert db.is_idle()
