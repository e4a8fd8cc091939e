"""Backups as operators make and restore them, and tills that go on in what was restored."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from eyes import FromDatabase
from leaks import watched
from ledger import LOGIN, Ledger
from tillkeeper.access.operation import House
from tillkeeper.app import make_service
from tillkeeper.core.passwords import Passwords
from tillkeeper.db.pool import Database, teach_types
from tillkeeper.domains.audit import seals
from tillkeeper.domains.audit.jobs import seal
from tillkeeper.domains.exports.archive import Entry, write_archive
from tillkeeper.domains.signing import names
from tillkeeper.domains.signing.actions import find_chain
from tillkeeper.domains.signing.software import SoftwareUnit
from tillkeeper.schema.migrate import login_url, migrate
from tillkeeper.surfaces.cli.audit_ledger import declare_restored, export, open_ledger
from tillkeeper.surfaces.cli.audit_verifier import Verified, verify
from tillkeeper.surfaces.cli.continuity import Skip, hold_every_tss, skip_numbers
from tills import Till
from world import Connection, client_of


@dataclass
class Copy:
    """A database that came from another one, with a service on it."""

    url: str
    house: House
    owner: Connection

    @asynccontextmanager
    async def till(self, till: Till, secret: dict[str, str]) -> AsyncGenerator[Till]:
        """Lend the same till, that asks this service now, with the same key."""
        eyes = FromDatabase(self.url)
        async with client_of(watched(make_service(self.house), eyes)) as http:
            answer = await http.post("/auth", json=secret)
            http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
            yield replace(till, http=http)
        await eyes.close()

    async def declare(self, wanted: int | None = None) -> Skip:
        """Do what `tillkeeper audit restored` does."""
        async with open_ledger(self.url, "read_committed") as connection:
            await hold_every_tss(connection)
            await declare_restored(connection, self.house.keyring)
            return await skip_numbers(connection, wanted, uuid4())

    async def verify_audit(self) -> Verified:
        """Seal what there is, and verify all of it."""
        while await seal(self.house) is not None:
            pass
        async with self.owner.transaction():
            ledger = export(self.owner, self.house.keyring, lambda: None)
            lines = [line.decode() async for line in ledger]
        return verify(lines, dict(seals.public_keys(self.house.keyring)), {})

    async def export(self, till: Till, path: Path, *, without: str = "nothing") -> Path:
        """Write an export of what a TSS has signed, without the messages of one operation."""
        tss = await self.owner.fetchrow("SELECT * FROM tss WHERE id = $1", till.tss_id)
        assert tss is not None
        async with self.house.db.lend() as tx:
            chain = await find_chain(tx, tss["certificate"])
        rows = await self.owner.fetch(
            "SELECT * FROM log_messages WHERE tss_id = $1 AND operation <> $2 ORDER BY counter",
            *(till.tss_id, without),
        )

        async def entries() -> AsyncGenerator[Entry]:
            for row in rows:
                yield Entry(row["file_name"], row["message"], row["signed_at"])

        certificates = [tss["certificate"], chain.issuer_certificate, chain.root_certificate]
        info = names.info_csv("Till", "software")
        archive = write_archive(info, certificates, tss["last_signed_at"], entries())
        with path.open("wb") as file:
            async for chunk in archive:
                file.write(chunk)
        return path


@asynccontextmanager
async def opened(url: str, house: House) -> AsyncGenerator[Copy]:
    """Serve a database with the secrets of another house, as whoever restores it does."""
    await migrate(url, LOGIN, "secret")
    owner = await asyncpg.connect(url)
    await teach_types(owner)
    database = await Database.open(login_url(url, LOGIN, "secret"), size=4)
    keyring = house.keyring
    passwords = Passwords(keyring, memory_kib=8, passes=1)
    try:
        yield Copy(url, House(database, keyring, passwords, SoftwareUnit(keyring)), owner)
    finally:
        await database.close()
        await owner.close()


async def back_up(ledger: Ledger, file: Path) -> None:
    await _run(ledger, "pg_dump", "--format=custom", f"--file={file}", ledger.url)


@asynccontextmanager
async def restored(ledger: Ledger, file: Path) -> AsyncGenerator[Copy]:
    """Restore a backup into an empty database of the same cluster."""
    url = await create_database(ledger.url)
    await _run(ledger, "pg_restore", "--exit-on-error", f"--dbname={url}", str(file))
    async with opened(url, ledger.house) as copy:
        yield copy


async def create_database(url: str, template: str = "template1") -> str:
    """Create a database beside another one, from a template to which nobody is connected."""
    name = f"copy_{uuid4().hex[:8]}"
    parts = urlsplit(url)
    server = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")))
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await server.close()
    return urlunsplit(parts._replace(path=f"/{name}"))


async def _run(ledger: Ledger, program: str, *arguments: str) -> None:
    """Run a program of the server's own version."""
    bin_dir = await ledger.owner.fetchval("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    process = await asyncio.create_subprocess_exec(
        str(Path(bin_dir, program)), *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
