"""A TSE that signs, and its exports, without any service around it."""

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding

from tillkeeper.core.env import Env
from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import Algorithm, KeyOwner, SigningUnit, UnitKey
from tillkeeper.domains.exports.archive import Entry, write_archive
from tillkeeper.domains.signing import certificates, names, system_logs
from tillkeeper.domains.signing.messages import (
    SystemLog,
    TransactionLog,
    TransactionOperation,
    finish,
    to_be_signed,
)
from tillkeeper.domains.signing.software import SoftwareUnit

START, UPDATE, FINISH = TransactionOperation
BEGAN = int(datetime.now(UTC).timestamp())
TILL = "ERS 1/a"
DATA = b"Beleg^21.42_0.00_0.00_0.00_0.00^21.42:Unbar"


@dataclass
class SimulatedTse:
    """A key, its certificates, and what was signed with it so far."""

    unit: SigningUnit
    owner: KeyOwner
    key: UnitKey
    chain: list[bytes]
    entries: list[Entry] = field(default_factory=list)
    counter: int = 0
    time: int = BEGAN

    async def sign(self, log: TransactionLog | SystemLog) -> Entry:
        """Sign with the next counter, a second later."""
        self.counter += 1
        self.time += 1
        signed = to_be_signed(self.key.point, log, self.counter, self.time)
        message = finish(signed, await self.unit.sign(self.owner, self.key.sealed, signed))
        entry = Entry(log.file_name(self.counter, self.time), message, self.time)
        self.entries.append(entry)
        return entry

    async def trade(self, receipts: int, till: str = TILL) -> None:
        """Sign the life of a TSE with so many receipts."""
        for log in (
            system_logs.update_time(self.time, self.time + 1),
            system_logs.register_client(system_logs.SETUP_CLIENT),
            system_logs.start_audit(),
            system_logs.configure_logging(),
            system_logs.self_test(self.time),
            system_logs.enter_secure_state(self.time),
            system_logs.exit_secure_state(),
            system_logs.unblock_user(),
            system_logs.authenticate_user(),
            system_logs.initialize("Till"),
            system_logs.log_out(),
            system_logs.register_client(till),
        ):
            await self.sign(log)
        for number in range(1, receipts + 1):
            await self.sign(TransactionLog(START, till, number))
            if number % 2:
                await self.sign(TransactionLog(UPDATE, till, number, "Kassenbeleg-V1", DATA))
            await self.sign(TransactionLog(FINISH, till, number, "Kassenbeleg-V1", DATA))
        await self.sign(system_logs.deregister_client(till))
        await self.sign(system_logs.disable_secure_element(self.time))

    async def export(
        self,
        path: Path,
        *,
        change: Callable[[list[Entry]], Iterable[Entry]] = lambda entries: entries,
        info: bytes | None = None,
        chain: list[bytes] | None = None,
    ) -> Path:
        """Write an export of what was signed, changed on the way or not."""

        async def entries() -> AsyncGenerator[Entry]:
            for entry in change(list(self.entries)):
                yield entry

        told = names.info_csv("Till", "software") if info is None else info
        with path.open("wb") as file:
            certified = self.chain if chain is None else chain
            async for chunk in write_archive(told, certified, BEGAN, entries()):
                file.write(chunk)
        return path


async def simulate(
    algorithm: Algorithm = Algorithm.P256,
    *,
    now: datetime | None = None,
    unit: SigningUnit | None = None,
) -> SimulatedTse:
    """Make a TSE under an authority of its own, on the software unit or another."""
    now = now or datetime.now(UTC)
    root = certificates.make_root(Env.TEST, now)
    issuer = certificates.make_issuer(Env.TEST, root, now)
    unit = unit or SoftwareUnit(Keyring({1: b"simulated" * 4}), algorithm)
    owner = KeyOwner(uuid4(), Env.TEST, uuid4())
    key = await unit.generate(owner)
    above = [each.certificate.public_bytes(Encoding.DER) for each in (issuer, root)]
    return SimulatedTse(
        unit, owner, key, [certificates.certify(Env.TEST, issuer, key.point, now), *above]
    )
