"""The yardstick of signing: Litestar, asyncpg and one transaction a call, with nothing beside it.

No walls, no call that is answered again, no refusals but 401, no limits and no queue: the counters
are moved by an UPDATE that holds the row until the COMMIT. What is computed is the service's own:
messages, signatures and answers of the same shape.
"""

import asyncio
import time
from base64 import b64encode
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.asymmetric import ec
from litestar import Litestar, Response, put
from litestar.params import FromHeader, FromPath, JSONBody, QueryParameter
from msgspec import Struct, json

from bench.baseline import Claims, opened
from bench.prototype_sql import COUNT, GO_ON, LIST_TSS, START
from tillkeeper.core.env import Env
from tillkeeper.core.sign_wire import API_VERSION
from tillkeeper.core.signing_units import Algorithm
from tillkeeper.core.status import TransactionState
from tillkeeper.domains.signing.messages import (
    NO_TYPE,
    TIMESTAMP_FORMAT,
    TransactionLog,
    TransactionOperation,
    finish,
    serial_number_of,
    to_be_signed,
)
from tillkeeper.domains.signing.private_keys import Private, point_of, sign_plain
from tillkeeper.domains.signing.qr import Signature, qr_code_data
from tillkeeper.domains.transactions.wire import (
    Transaction,
    TransactionLogEntry,
    TransactionSignature,
)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_START, _FINISH = TransactionOperation.START, TransactionOperation.FINISH


class Wanted(Struct):
    """What a till sends; `schema` is answered as it came."""

    state: TransactionState
    client_id: UUID
    schema: dict[str, Any] = {}


class Next(Struct):
    """A revision between its counters and its message."""

    tss_id: UUID
    transaction_id: UUID
    revision: int
    wanted: Wanted
    counter: int
    number: int
    time_start: int
    serial_number: str


class Prototype:
    """A handful of connections, and a key for each TSS."""

    def __init__(self, connections: list[Connection], keys: dict[UUID, Private]) -> None:
        self._idle: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in connections:
            self._idle.put_nowait(connection)
        self._keys = {tss: (key, point_of(key.public_key())) for tss, key in keys.items()}

    async def sign(
        self, claims: Claims, tss_id: UUID, transaction_id: UUID, revision: int, wanted: Wanted
    ) -> Transaction:
        """Sign a revision in one transaction: counters, signature, message."""
        connection = await self._idle.get()
        try:
            async with connection.transaction():
                at = int(time.time())
                asked = claims.sub, tss_id, wanted.client_id, transaction_id, revision
                row = await connection.fetchrow(COUNT, *asked)
                if row is None:
                    raise LookupError
                counter, transactions, serial_number, number, time_start = row
                following = Next(
                    tss_id,
                    transaction_id,
                    revision,
                    wanted,
                    counter,
                    number or transactions,
                    time_start or at,
                    serial_number,
                )
                return await self._write(connection, following, at)
        finally:
            self._idle.put_nowait(connection)

    async def _write(self, connection: Connection, following: Next, at: int) -> Transaction:
        key, point = self._keys[following.tss_id]
        data, schema = _signed_data(following)
        body = to_be_signed(point, data, following.counter, at)
        value = sign_plain(key, body)
        written = (
            following.tss_id,
            following.number,
            following.counter,
            finish(body, value),
            json.encode(schema).decode(),
        )
        if following.revision == 1:
            who = following.transaction_id, following.wanted.client_id, at
            await connection.execute(START, *written, *who)
        else:
            await connection.execute(GO_ON, *written, following.wanted.state, at)
        return _answer(following, data, schema, Signature(value, point, following.counter, at))


def _signed_data(following: Next) -> tuple[TransactionLog, dict[str, Any]]:
    """Return what is signed; of a receipt with one rate and one payment."""
    process_type, content = NO_TYPE, b""
    schema = following.wanted.schema
    if schema:
        receipt = schema["standard_v1"]["receipt"]
        (rate,), (paid,) = (
            receipt["amounts_per_vat_rate"],
            receipt["amounts_per_payment_type"],
        )
        text = f"Beleg^{rate['amount']}_0.00_0.00_0.00_0.00^{paid['amount']}:Bar"
        process_type, content = "Kassenbeleg-V1", text.encode()
        raw = {"process_type": process_type, "process_data": b64encode(content).decode()}
        schema = schema | {"raw": raw}
    operation = _START if following.revision == 1 else _FINISH
    data = TransactionLog(
        operation, following.serial_number, following.number, process_type, content
    )
    return data, schema


def _answer(
    following: Next, data: TransactionLog, schema: dict[str, Any], signature: Signature
) -> Transaction:
    is_end = data.operation is _FINISH
    return Transaction(
        id=following.transaction_id,
        type="TRANSACTION",
        env=Env.TEST,
        version=API_VERSION,
        tss_id=following.tss_id,
        number=following.number,
        revision=following.revision,
        latest_revision=following.revision,
        state=following.wanted.state,
        client_id=following.wanted.client_id,
        client_serial_number=following.serial_number,
        tss_serial_number=serial_number_of(signature.point),
        schema=schema,
        time_start=following.time_start,
        time_end=signature.time if is_end else None,
        log=TransactionLogEntry(
            operation=data.operation, timestamp=signature.time, timestamp_format=TIMESTAMP_FORMAT
        ),
        signature=TransactionSignature(
            value=b64encode(signature.value).decode(),
            algorithm=Algorithm.of_point(signature.point),
            counter=signature.counter,
            public_key=b64encode(signature.point).decode(),
        ),
        qr_code_data=qr_code_data(data, following.time_start, signature) if is_end else None,
        metadata={} if is_end else None,
    )


async def make_prototype(connections: list[Connection], secret: bytes) -> Litestar:
    """Return the application, with keys for the TSS that are there."""
    rows = await connections[0].fetch(LIST_TSS)
    keys = {row["id"]: ec.generate_private_key(ec.SECP256R1()) for row in rows}
    prototype = Prototype(connections, keys)

    @put("/tss/{tss_id:uuid}/tx/{tx_id:uuid}", status_code=200)
    async def upsert(
        tss_id: FromPath[UUID],
        tx_id: FromPath[UUID],
        tx_revision: Annotated[int, QueryParameter(ge=1)],
        authorization: FromHeader[str],
        data: JSONBody[Wanted],
    ) -> Response[Transaction]:
        claims = opened(secret, authorization[7:].encode())
        return Response(await prototype.sign(claims, tss_id, tx_id, tx_revision, data))

    return Litestar([upsert], openapi_config=None, logging_config=None)
