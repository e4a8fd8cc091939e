"""The queue's statements: the library's, on its tables in a schema of their own."""

from datetime import timedelta

from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.queries import Queries
from pgqueuer.types import Channel

from tillkeeper.access.operation import House
from tillkeeper.access.policy import Grant
from tillkeeper.db.pool import Tx

# Every name is given: what is left out the library looks for in the environment, under names as
# common as FUNCTION and TRIGGER.
_SETTINGS = DBSettings(
    prefix="",
    db_schema="jobs",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    trigger="tg_pgqueuer_changed",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    statistics_table="pgqueuer_statistics",
    schedules_table="pgqueuer_schedules",
    queue_status_type="pgqueuer_status",
    durability=Durability.durable,
)
_ENQUEUE = QueryQueueBuilder(_SETTINGS).build_enqueue_query("skip")
_SWEEP_LOG = "DELETE FROM jobs.pgqueuer_log WHERE created < now() - $1::interval"


def queries_on(connection: Tx) -> Queries:
    """Return the library's own queries on a connection that nobody else uses."""
    return Queries(
        AsyncpgDriver(connection),
        QueryBuilderEnvironment(_SETTINGS),
        QueryQueueBuilder(_SETTINGS),
        QuerySchedulerBuilder(_SETTINGS),
    )


async def insert_job(grant: Grant, kind: str, payload: bytes, *, once: str) -> None:
    """Put a job into the queue in the grant's own transaction: a rollback takes it out again.

    While one with the same `once` waits or is at work, no second one is put in.
    """
    await grant.tx.fetch(_ENQUEUE, [0], [kind], [payload], [timedelta(0)], [once], [None])


async def sweep_log(house: House, *, days: int = 7) -> None:
    """Delete what the library noted of jobs that are done, past so many days."""
    async with house.db.lend() as tx:
        await tx.execute(_SWEEP_LOG, timedelta(days=days))
