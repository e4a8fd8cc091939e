"""Signing a transaction, revision by revision, and reading what was signed."""

from base64 import b64decode, b64encode
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import UNSET, json

from tillkeeper.access.policy import Grant
from tillkeeper.core.days import local_day
from tillkeeper.core.errors import (
    ClientDeregistered,
    ClientUnknown,
    SchemaViolation,
    TransactionLimitReached,
    TransactionNotFound,
    TransactionRevisionNotFound,
)
from tillkeeper.core.errors import TransactionUpsert as NotNext
from tillkeeper.core.sign_wire import API_VERSION, LooseMetadata, merged
from tillkeeper.core.signing_units import Algorithm
from tillkeeper.core.status import ClientState, TransactionState
from tillkeeper.domains.signing.messages import (
    TIMESTAMP_FORMAT,
    TransactionLog,
    TransactionOperation,
    serial_number_of,
)
from tillkeeper.domains.signing.qr import Signature, qr_code_data
from tillkeeper.domains.transactions import changes, queries, rules
from tillkeeper.domains.transactions.events import TransactionLabelled
from tillkeeper.domains.transactions.process_data import answer_of, process_data_of
from tillkeeper.domains.transactions.queries import Met, Reference, Revision
from tillkeeper.domains.transactions.wire import (
    Transaction,
    TransactionLogEntry,
    TransactionSignature,
    TransactionUpsert,
)
from tillkeeper.domains.tss.actions import get_tss, hold_tss
from tillkeeper.domains.tss.journal import Signed, sign
from tillkeeper.domains.tss.queries import Row as Tss
from tillkeeper.domains.tss.rules import check_initialized, check_usable
from tillkeeper.domains.tss.wire import MOST_ACTIVE_TRANSACTIONS


class Next(NamedTuple):
    """The revision that is to be signed."""

    reference: Reference
    revision: int
    wanted: TransactionUpsert
    schema: dict[str, Any]
    process_type: str | None
    data: TransactionLog

    @property
    def is_end(self) -> bool:
        """Whether nothing comes after it."""
        return self.data.operation is TransactionOperation.FINISH


async def sign_transaction(
    grant: Grant,
    tss_id: UUID,
    reference: Reference,
    revision: int | None,
    wanted: TransactionUpsert,
) -> Transaction:
    """Sign the next revision of a transaction, and write it with its message and both counters.

    The TSS is locked from here on. A revision that is there already, asked for again with the same
    content, answers what it answered first: nothing is signed twice.
    """
    held = await hold_tss(grant, tss_id)
    check_usable(held.state)
    met = await queries.meet(grant, tss_id, reference, wanted.client_id)
    if revision is not None and met.latest_revision is not None and revision <= met.latest_revision:
        return await _again(grant, tss_id, reference, revision, wanted)
    check_initialized(held.state)
    following = _follow(held, met, reference, revision, wanted)
    signed = await sign(grant, held, following.data)
    labels = merged(met.metadata or {}, wanted.metadata)
    await _write(grant, held, following, signed, labels)
    return shown(grant, _revision(held, met, following, signed, labels))


async def _again(
    grant: Grant, tss_id: UUID, reference: Reference, revision: int, wanted: TransactionUpsert
) -> Transaction:
    """Answer a revision as it was answered first; refuse another one in its place."""
    found = await queries.find_revision(grant, tss_id, reference, revision)
    if found is None:
        raise TransactionRevisionNotFound(revision)
    schema = answer_of(wanted.schema, process_data_of(wanted.schema))
    asked = wanted.state, wanted.client_id, json.decode(json.encode(schema))
    if asked != (found.state, found.client_id, found.schema):
        raise NotNext(f"Revision {revision} is there already, with other content")
    found.latest_revision = revision
    return shown(grant, found)


def _follow(
    held: Tss, met: Met, reference: Reference, revision: int | None, wanted: TransactionUpsert
) -> Next:
    """Decide what is to be signed, or refuse."""
    if met.number is None and isinstance(reference, int):
        raise TransactionNotFound
    following = rules.check_order(met.state, met.latest_revision or 0, revision)
    operation = rules.operation_of(following, wanted.state)
    serial_number = _check_client(met)
    _check_taxi(operation, wanted)
    content = process_data_of(wanted.schema)
    process_type = rules.check_type(operation, met.process_type, content.process_type.strip())
    if met.number is None and held.active_transactions >= MOST_ACTIVE_TRANSACTIONS:
        raise TransactionLimitReached(MOST_ACTIVE_TRANSACTIONS)
    data = TransactionLog(
        operation=operation,
        client_serial_number=serial_number,
        number=met.number or held.transaction_counter + 1,
        process_type=content.process_type,
        process_data=content.data,
    )
    schema = answer_of(wanted.schema, content)
    return Next(reference, following, wanted, schema, process_type, data)


def _check_client(met: Met) -> str:
    """Return the serial number of a client that may sign."""
    if met.client_state is None or met.client_serial_number is None:
        raise ClientUnknown
    if met.client_state is not ClientState.REGISTERED:
        raise ClientDeregistered
    return met.client_serial_number


def _check_taxi(operation: TransactionOperation, wanted: TransactionUpsert) -> None:
    """Refuse what taxis do not do: their transactions start and finish."""
    is_taxi = wanted.schema is not UNSET and wanted.schema.dsfinvtw_v1 is not UNSET
    is_between = operation is TransactionOperation.UPDATE
    if is_taxi and (is_between or wanted.state is TransactionState.CANCELLED):
        raise SchemaViolation(
            "body.schema.dsfinvtw_v1", "should start or finish a transaction, nothing else"
        )


async def _write(
    grant: Grant, held: Tss, following: Next, signed: Signed, labels: dict[str, str]
) -> None:
    values = {
        "counter": signed.counter,
        "signed_at": signed.time,
        "message": signed.message,
        "signature": signed.value,
        "file_name": signed.file_name,
        "operation": following.data.operation,
        "number": following.data.number,
        "revision": following.revision,
        "state": following.wanted.state,
        "client_id": following.wanted.client_id,
        "schema": following.schema,
        "process_type": following.process_type,
        "metadata": labels,
    }
    if isinstance(following.reference, UUID) and following.revision == 1:
        started = values | {"transaction_id": following.reference, "more_active": 1}
        await changes.start_transaction(grant, held.id, local_day(signed.time), **started)
        return
    ended_at = signed.time if following.is_end else None
    more = {"ended_at": ended_at, "more_active": -1 if following.is_end else 0}
    await changes.continue_transaction(grant, held.id, **values | more)


def _revision(
    held: Tss, met: Met, following: Next, signed: Signed, labels: dict[str, str]
) -> Revision:
    """Return what was written, as it will be read."""
    return Revision(
        organization_id=held.organization_id,
        env=held.env,
        tss_id=held.id,
        id=met.id or UUID(str(following.reference)),
        number=following.data.number,
        latest_revision=following.revision,
        time_start=signed.time if met.time_start is None else met.time_start,
        metadata=labels,
        revision=following.revision,
        state=following.wanted.state,
        client_id=following.wanted.client_id,
        client_serial_number=following.data.client_serial_number,
        schema=following.schema,
        operation=following.data.operation,
        signed_at=signed.time,
        counter=signed.counter,
        signature=signed.value,
        point=held.point,
    )


async def get_revision(
    grant: Grant, tss_id: UUID, reference: Reference, revision: int | None
) -> Revision:
    """Return a revision of a transaction in sight; the latest one where none is named."""
    found = await queries.find_revision(grant, tss_id, reference, revision)
    if found is None:
        await _explain_missing(grant, tss_id, reference, revision)
        raise TransactionNotFound
    return found


async def get_message(
    grant: Grant, tss_id: UUID, reference: Reference, revision: int | None
) -> bytes:
    """Return the signed message of a revision, in DER."""
    found = await queries.find_message(grant, tss_id, reference, revision)
    if found is None:
        await _explain_missing(grant, tss_id, reference, revision)
        raise TransactionNotFound
    return found


async def _explain_missing(
    grant: Grant, tss_id: UUID, reference: Reference, revision: int | None
) -> None:
    """Refuse for what is missing first: the TSS, then the transaction, then its revision."""
    await get_tss(grant, tss_id)
    if revision is not None and await queries.find_labels(grant, tss_id, reference):
        raise TransactionRevisionNotFound(revision)


async def get_labels(grant: Grant, tss_id: UUID, reference: Reference) -> queries.Labels:
    """Return the metadata of a transaction in sight."""
    found = await queries.find_labels(grant, tss_id, reference)
    if found is None:
        await get_tss(grant, tss_id)
        raise TransactionNotFound
    return found


async def label_transaction(
    grant: Grant, tss_id: UUID, reference: Reference, metadata: LooseMetadata
) -> dict[str, str]:
    """Merge metadata into those of a transaction; they are not signed."""
    await hold_tss(grant, tss_id)
    found = await get_labels(grant, tss_id, reference)
    labels = merged(found.metadata, metadata)
    if labels != found.metadata:
        event = TransactionLabelled(transaction_id=found.id, tss_id=tss_id)
        await queries.label_transaction(grant, event, labels)
    return labels


def shown(grant: Grant, row: Revision) -> Transaction:
    """Return a revision as its reader sees it."""
    is_ended = row.state is not TransactionState.ACTIVE
    is_bare = not row.metadata and row.revision == 1
    return Transaction(
        id=row.id,
        type="TRANSACTION",
        env=row.env,
        version=API_VERSION,
        organization_id=None if row.organization_id == grant.reader_id else row.organization_id,
        tss_id=row.tss_id,
        number=row.number,
        revision=row.revision,
        latest_revision=row.latest_revision,
        state=row.state,
        client_id=row.client_id,
        client_serial_number=row.client_serial_number,
        tss_serial_number=serial_number_of(row.point),
        schema=row.schema,
        time_start=row.time_start,
        time_end=row.signed_at if is_ended else None,
        log=TransactionLogEntry(
            operation=row.operation, timestamp=row.signed_at, timestamp_format=TIMESTAMP_FORMAT
        ),
        signature=TransactionSignature(
            value=b64encode(row.signature).decode(),
            algorithm=Algorithm.of_point(row.point),
            counter=row.counter,
            public_key=b64encode(row.point).decode(),
        ),
        qr_code_data=_qr_code_data(row) if row.state is TransactionState.FINISHED else None,
        metadata=None if is_bare else row.metadata,
    )


def _qr_code_data(row: Revision) -> str | None:
    raw = row.schema["raw"]
    data = TransactionLog(
        operation=TransactionOperation.FINISH,
        client_serial_number=row.client_serial_number,
        number=row.number,
        process_type=raw["process_type"],
        process_data=b64decode(raw["process_data"]),
    )
    signature = Signature(row.signature, row.point, row.counter, row.signed_at)
    return qr_code_data(data, row.time_start, signature)
