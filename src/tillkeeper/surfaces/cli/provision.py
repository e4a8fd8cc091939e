"""`tillkeeper provision`: an organization with its first key for every customer, each once."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import UUID

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tillkeeper.client import ApiProblem, Client
from tillkeeper.client.wire import NewApiKey, Organization
from tillkeeper.surfaces.cli.customers import CustomerRow, CustomersRefusal
from tillkeeper.surfaces.cli.key_file import KeyFile, open_key_file

_OF_THE_FILE = {"line", "key_name"}
_CONFLICT = "E_EXTERNAL_ID_CONFLICT"
_SECRET_GONE = "E_IDEMPOTENCY_SECRET_GONE"  # noqa: S105 - a code of an answer
_KEY_NAME_TAKEN = {"E_API_KEY_CONFLICT", _SECRET_GONE}
_LONGEST_KEY_NAME = 30
_MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """A customer that was refused, and why."""

    line: int
    external_id: str
    sentence: str


@dataclass(slots=True)
class Summary:
    """What came of the rows; recovered ones were made by an earlier run and got another key."""

    created: int = 0
    recovered: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """How many were refused."""
        return len(self.failures)

    @property
    def done(self) -> int:
        """How many rows have been dealt with, well or not."""
        return self.created + self.recovered + self.skipped + self.failed


async def provision(  # noqa: PLR0913 - what a run is, in one call
    client: Client,
    rows: Sequence[CustomerRow],
    *,
    managed_by: UUID,
    concurrency: int,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Provision every row below `managed_by` and write its key to `out`; rows there are skipped.

    Killed and run again, it goes on: what the server has done already is answered again, or found
    by its external_id. A refused row is a failure of the summary, and the others go on. A refused
    login raises ApiProblem before any row is sent, a file that cannot be used KeyFileRefusal; a
    disk that is full stops the run with the latter.
    """
    started = time.monotonic()
    claims = await client.claims()
    summary = Summary()
    with open_key_file(out, claims.env) as keys:
        todo = [row for row in rows if row.external_id not in keys.done]
        summary.skipped = len(rows) - len(todo)
        run = _Run(client, managed_by, keys, summary, progress or _no_progress, len(rows))
        run.tell()
        queue = iter(todo)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(max(1, min(concurrency, len(todo)))):
                    group.create_task(run.work(queue))
        except ExceptionGroup as group_of_errors:
            raise group_of_errors.exceptions[0] from group_of_errors
    summary.failures.sort(key=lambda failure: failure.line)
    summary.seconds = time.monotonic() - started
    return summary


@dataclass(frozen=True, slots=True)
class _Run:
    client: Client
    managed_by: UUID
    keys: KeyFile
    summary: Summary
    progress: Callable[[int, int], None]
    total: int

    def tell(self) -> None:
        self.progress(self.summary.done, self.total)

    async def work(self, queue: Iterator[CustomerRow]) -> None:
        """Take rows from the common queue until there is none."""
        for row in queue:
            try:
                await self._provision(row)
            except ApiProblem as problem:
                self.summary.failures.append(Failure(row.line, row.external_id, str(problem)))
            self.tell()

    async def _provision(self, row: CustomerRow) -> None:
        body = self._body(row)
        try:
            made = await self.client.provision_organization(body, idempotency_key=_digest(body))
        except ApiProblem as problem:
            if problem.code not in {_CONFLICT, _SECRET_GONE}:
                raise
            await self._recover(row, problem)
            return
        if made.api_key is None:
            raise ApiProblem(200, "The answer holds no key")
        await self.keys.append(row.external_id, made.organization, made.api_key)
        self.summary.created += 1

    async def _recover(self, row: CustomerRow, problem: ApiProblem) -> None:
        """Find what an earlier run has made, and give it another key: the first one is lost."""
        organization = await self._find(row.external_id)
        if organization is None:
            raise problem
        api_key = await self._mint_another(organization.id, row.key_name)
        await self.keys.append(row.external_id, organization, api_key)
        self.summary.recovered += 1

    async def _find(self, external_id: str) -> Organization | None:
        found = self.client.list_organizations(
            external_id=external_id, managed_by_organization_id=self.managed_by
        )
        organizations = [each async for each in found]
        return organizations[0] if organizations else None

    async def _mint_another(self, organization_id: UUID, name: str) -> NewApiKey:
        """Take the next free number from 2 on; killed and run again soon, it is the same key."""
        for number in range(2, _MOST_KEYS):
            suffix = f"-{number}"
            wanted = {"name": name[: _LONGEST_KEY_NAME - len(suffix)] + suffix, "status": "enabled"}
            try:
                return await self.client.create_api_key(
                    organization_id, wanted, idempotency_key=_digest(wanted)
                )
            except ApiProblem as problem:
                if problem.code not in _KEY_NAME_TAKEN:
                    raise
        raise ApiProblem(409, f"All names up to {wanted['name']} are taken: use another key_name")

    def _body(self, row: CustomerRow) -> dict[str, object]:
        given = {name: text for name, text in asdict(row).items() if text is not None}
        organization = {name: given[name] for name in given if name not in _OF_THE_FILE}
        organization["managed_by_organization_id"] = str(self.managed_by)
        return {
            "organization": organization,
            "api_key": {"name": row.key_name, "status": "enabled"},
        }


def _digest(body: Mapping[str, object]) -> str:
    """Name a request by what it says, so that a second run says the same thing, not another."""
    return hashlib.sha256(msgspec.json.encode(dict(body), order="deterministic")).hexdigest()


def _no_progress(_done: int, _total: int) -> None:
    """Show nothing."""


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Lend a function that is told how many are done, and of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(escape(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_summary(console: Console, summary: Summary) -> None:
    """Print the failures with their lines, and one line of numbers below."""
    for failure in summary.failures:
        where = f"line {failure.line}, {failure.external_id}"
        console.print(f"[red]{escape(where)}[/]: {escape(failure.sentence)}", soft_wrap=True)
    numbers = (
        f"{summary.created} created, {summary.recovered} recovered, {summary.skipped} skipped, "
        f"{summary.failed} failed in {summary.seconds:.1f} s"
    )
    console.print(numbers, style="red" if summary.failed else "green", highlight=False)


def print_faults(console: Console, refusal: CustomersRefusal) -> None:
    """Print what is wrong with a file, a line for each fault, and that nothing was sent."""
    for fault in refusal.faults:
        console.print(escape(str(fault)), soft_wrap=True, highlight=False)
    number = len(refusal.faults)
    console.print(f"{number} fault{'s'[: number - 1]}: nothing was sent", style="red")
