"""The schema of the job queue: outside the walls, so what stands in it and who may is looked at."""

from tillkeeper.access.operation import House
from tillkeeper.domains.jobs.queries import queries_on
from world import Connection

LOGIN = "tillkeeper_app_tests"
TABLES = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics")


async def test_the_queue_is_the_one_that_the_library_describes(house: House) -> None:
    """A newer library that wants other tables is noticed here, not by the first job."""
    async with house.db.dedicate() as connection:
        plan = await queries_on(connection).plan_upgrade()
    assert list(plan.statements) == []


async def test_the_login_owns_nothing_of_the_queue_and_cannot_empty_it(owner: Connection) -> None:
    found = await owner.fetch(
        "SELECT relname, pg_get_userbyid(relowner) AS owner, "
        "has_table_privilege($1, oid, 'TRUNCATE') AS may_empty "
        "FROM pg_class WHERE relnamespace = 'jobs'::regnamespace AND relkind = 'r'",
        LOGIN,
    )
    assert {row["relname"] for row in found} == set(TABLES)
    assert {row["owner"] for row in found} == {"tillkeeper_owner"}
    assert not any(row["may_empty"] for row in found)
    assert not await owner.fetchval("SELECT has_schema_privilege($1, 'jobs', 'CREATE')", LOGIN)
