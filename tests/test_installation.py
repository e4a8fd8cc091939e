import secrets
from pathlib import Path

import asyncpg
import pytest
from msgspec import convert, structs

from tillkeeper.core.env import Env
from tillkeeper.domains.organizations.wire import OrganizationCreate
from tillkeeper.domains.people.wire import UserInvite
from tillkeeper.domains.provisioning.bootstrap import bootstrap
from tillkeeper.installation import open_installation
from tillkeeper.schema.migrate import SchemaRefusal, login_url
from tillkeeper.settings import Settings, SettingsRefusal, read_settings
from tillkeeper.surfaces.cli.doctor import examine
from world import ADDRESS, Connection

PEPPER = f"1:{'ab' * 32}"


@pytest.fixture
async def external_url(owner: Connection, owner_url: str) -> str:
    """An empty database on the tests' server, as somebody else's server would have it."""
    name = f"external_{secrets.token_hex(4)}"
    await owner.execute(f"CREATE DATABASE {name}")
    return owner_url.replace("/tests?", f"/{name}?")


def settings_of(url: str, data_dir: Path) -> Settings:
    return read_settings({}, database_url=url, pepper=PEPPER, data_dir=data_dir / "unused")


async def test_an_external_database_is_migrated_and_served_by_a_login_that_owns_nothing(
    external_url: str, data_dir: Path
) -> None:
    settings = settings_of(external_url, data_dir)
    async with open_installation(settings, "service") as installation:
        assert installation.applied
        assert installation.house.limits.rates == settings.rates != {}
        wanted = convert({"name": "Vendor"} | ADDRESS, OrganizationCreate)
        owner = UserInvite(email="it@vendor.example")
        made = await bootstrap(installation.house, wanted, owner, Env.TEST)
        async with installation.house.db.lend() as tx:
            assert str(await tx.fetchval("SELECT current_user")).startswith("tillkeeper_app_")
    async with open_installation(settings, "service") as installation:
        assert not installation.applied
        assert installation.house.is_mail_on
        connection = await asyncpg.connect(external_url)
        assert await connection.fetchval("SELECT id FROM organizations") == made.organization_id
        await connection.close()
    assert not settings.data_dir.exists()


async def test_an_installation_without_mail_writes_no_letters(
    external_url: str, data_dir: Path
) -> None:
    settings = structs.replace(settings_of(external_url, data_dir), mail="none")
    async with open_installation(settings, "command") as installation:
        assert not installation.house.is_mail_on


async def test_a_login_that_may_not_migrate_serves_a_schema_that_is_current(
    external_url: str, data_dir: Path, owner: Connection
) -> None:
    async with open_installation(settings_of(external_url, data_dir), "command"):
        pass
    await owner.execute("DROP ROLE IF EXISTS somebody_elses")
    await owner.execute("CREATE ROLE somebody_elses LOGIN PASSWORD 'x' IN ROLE tillkeeper_api")
    url = login_url(external_url, "somebody_elses", "x")
    async with (
        open_installation(settings_of(url, data_dir), "service") as installation,
        installation.house.db.lend() as tx,
    ):
        assert await tx.fetchval("SELECT current_user") == "somebody_elses"


async def test_a_login_that_may_not_migrate_refuses_an_empty_database(
    external_url: str, data_dir: Path, owner: Connection
) -> None:
    await owner.execute("DROP ROLE IF EXISTS nobodys")
    await owner.execute("CREATE ROLE nobodys LOGIN PASSWORD 'x'")
    url = login_url(external_url, "nobodys", "x")
    with pytest.raises(SchemaRefusal, match="tillkeeper migrate"):
        async with open_installation(settings_of(url, data_dir), "service"):
            pass


async def test_a_login_that_does_not_own_the_schema_is_refused_in_a_sentence(
    external_url: str, data_dir: Path, owner: Connection
) -> None:
    async with open_installation(settings_of(external_url, data_dir), "command"):
        pass
    await owner.execute("DROP ROLE IF EXISTS another")
    await owner.execute("CREATE ROLE another LOGIN CREATEROLE PASSWORD 'x'")
    url = login_url(external_url, "another", "x")
    with pytest.raises(SchemaRefusal, match="refused to be migrated"):
        async with open_installation(settings_of(url, data_dir), "service"):
            pass


async def test_a_database_out_of_reach_is_a_sentence_without_its_password(data_dir: Path) -> None:
    url = "postgresql://login:verysecret@127.0.0.1:1/none"
    with pytest.raises(SchemaRefusal) as refused:
        async with open_installation(settings_of(url, data_dir), "service"):
            pass
    assert "127.0.0.1" in str(refused.value)
    assert "verysecret" not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"TILLKEEPER_PROT": "1"}, "did you mean TILLKEEPER_PORT"),
        ({"TILLKEEPER_PORT": "many"}, "TILLKEEPER_PORT"),
        ({"TILLKEEPER_PORT": "70000"}, "TILLKEEPER_PORT"),
        ({"TILLKEEPER_POOL_SIZE": "0"}, "TILLKEEPER_POOL_SIZE"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsRefusal, match=says):
        read_settings(environ)


@pytest.mark.parametrize("missing", ["module", "token", "pin"])
async def test_a_token_is_not_served_without_saying_where_it_is(
    external_url: str, data_dir: Path, missing: str
) -> None:
    given = {f"pkcs11_{name}": "x" for name in ("module", "token", "pin") if name != missing}
    environ = {f"TILLKEEPER_{name.upper()}": value for name, value in given.items()}
    environ |= {"TILLKEEPER_SIGNING_UNIT": "pkcs11", "TILLKEEPER_PEPPER": PEPPER}
    settings = read_settings(environ, database_url=external_url, data_dir=data_dir / "unused")
    with pytest.raises(SettingsRefusal, match=f"TILLKEEPER_PKCS11_{missing.upper()}"):
        async with open_installation(settings, "service"):
            pass


@pytest.mark.parametrize("kind", ["software", "pkcs11"])
async def test_doctor_tells_whether_the_unit_signs(
    external_url: str, data_dir: Path, kind: str
) -> None:
    token = {"module": "/nowhere.so", "token": "none", "pin": "4711"}
    environ = {f"TILLKEEPER_PKCS11_{name.upper()}": value for name, value in token.items()}
    environ["TILLKEEPER_SIGNING_UNIT"] = kind
    environ["TILLKEEPER_PEPPER"] = PEPPER
    settings = read_settings(environ, database_url=external_url, data_dir=data_dir / "unused")
    async with open_installation(settings, "command") as installation:
        findings = {each.name: each for each in await examine(installation)}
    assert findings["signing unit"].is_well == (kind == "software")
    assert ("not certified" in findings["signing unit"].says) == (kind == "software")
    assert "4711" not in str(findings)


def test_settings_are_printed_without_their_secrets() -> None:
    settings = read_settings({"TILLKEEPER_PEPPER": PEPPER, "TILLKEEPER_PKCS11_PIN": "4711"})
    assert "4711" not in repr(settings)
    assert PEPPER not in f"{settings}"
