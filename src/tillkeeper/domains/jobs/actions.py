"""Work that is put off until after the answer, and done by whichever process is free."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct, json

from tillkeeper.access.operation import House
from tillkeeper.access.policy import Grant
from tillkeeper.core.env import Env
from tillkeeper.domains.jobs import queries


class Subject(Struct, frozen=True):
    """What a job is about: ids alone, because the queue has no walls."""

    organization_id: UUID
    env: Env
    about: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job. Its work may be begun again at any moment, by any process."""

    name: str
    work: Callable[[House, Subject], Awaitable[None]]
    give_up: Callable[[House, Subject], Awaitable[None]]
    """What is left to say when the work has failed for the last time."""
    at_once: int = 1
    """How many of the kind all processes together do at the same time; 0: any number."""
    tries_at_most: int = 5


async def enqueue(grant: Grant, kind: str, *about: UUID) -> None:
    """Have something done after the grant's transaction commits, and only then.

    While the same waits or is at work it is not put in a second time.
    """
    payload = json.encode(Subject(grant.organization_id, grant.env, about))
    await queries.insert_job(grant, kind, payload, once=f"{kind} {payload.decode()}")


def read_subject(payload: bytes | None) -> Subject:
    """Return what a job was put in for."""
    return json.decode(payload or b"", type=Subject)
