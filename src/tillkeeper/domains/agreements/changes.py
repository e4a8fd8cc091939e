"""Writing agreements: by doors, because each change is one of every party's copy."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import Text, Uuid, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from tillkeeper.access.policy import Grant
from tillkeeper.access.trail import Event, recorded_as
from tillkeeper.core.errors import AgreementBlocked, PayerCircle
from tillkeeper.core.ids import mint_row_id
from tillkeeper.core.status import AgreementKind, AgreementState
from tillkeeper.domains.agreements.queries import AT_MOST_SECONDS, Party
from tillkeeper.domains.agreements.wire import Agreement
from tillkeeper.schema import agreements
from tillkeeper.sql import Query, execute, many, one_or_none


class Answer(Struct):
    """A door's yes or no."""

    is_so: bool


class Written(Struct):
    """What of an organization was changed."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Proposal(NamedTuple):
    """Who proposes what to whom about which organization."""

    agreement_id: UUID
    kind: AgreementKind
    about: UUID
    proposer: UUID
    named: UUID | None
    terms: Mapping[str, object]


_ID = bindparam("agreement_id", type_=Uuid)
_AT = bindparam("at", type_=TIMESTAMP(timezone=True))
_PROPOSE = many(
    select(
        func.propose_agreement(
            _ID,
            cast(bindparam("kind", type_=Text), agreements.c.kind.type),
            bindparam("about", type_=Uuid),
            bindparam("proposer", type_=Uuid),
            bindparam("named", type_=Uuid),
            bindparam("terms", type_=JSONB),
        ).table_valued("organization_id")
    ),
    Party,
)
_ACCEPT = one_or_none(
    select(
        func.accept_agreement(_ID, bindparam("acceptor", type_=Uuid), _AT).table_valued("is_so")
    ),
    Answer,
)
_CLOSE = execute(
    select(
        func.close_agreement(
            _ID, cast(bindparam("state", type_=Text), agreements.c.state.type), _AT
        )
    )
)
_WRITTEN = [column("before", JSONB), column("after", JSONB)]
_EXECUTE_PAYER = one_or_none(select(func.execute_payer(_ID, _AT).table_valued(*_WRITTEN)), Written)
_END_PAYER = one_or_none(select(func.end_payer(_ID, _AT).table_valued(*_WRITTEN)), Written)
_EXECUTE_TRANSFER, _UNDO_TRANSFER = (
    many(select(door(_ID, _AT).table_valued(*_WRITTEN)), Written, at_most_seconds=AT_MOST_SECONDS)
    for door in (func.execute_transfer, func.undo_transfer)
)
_RECORD = execute(
    select(
        func.record_agreement(
            _ID,
            bindparam("places", type_=ARRAY(Uuid)),
            bindparam("row_ids", type_=ARRAY(Uuid)),
            bindparam("told", type_=JSONB),
        )
    )
)


async def propose(grant: Grant, proposal: Proposal) -> list[UUID]:
    """Give every party its copy, and return the parties; none where one is proposed already."""
    parties = await _PROPOSE(grant.tx, **proposal._asdict())
    return [party.organization_id for party in parties]


async def accept(grant: Grant, agreement_id: UUID) -> bool:
    """Accept for the granted organization; tell whether every party has accepted now."""
    answer = await _ACCEPT(
        grant.tx, agreement_id=agreement_id, acceptor=grant.organization_id, at=grant.op.now
    )
    return answer is not None and answer.is_so


async def close(grant: Grant, agreement_id: UUID, state: AgreementState) -> None:
    await _CLOSE(grant.tx, agreement_id=agreement_id, state=state, at=grant.op.now)


async def execute_payer(grant: Grant, agreement: Agreement) -> Written | None:
    """Let the payer pay from now on."""
    try:
        return await _EXECUTE_PAYER(grant.tx, agreement_id=agreement.id, at=grant.op.now)
    except asyncpg.CheckViolationError as error:
        raise PayerCircle from error


async def end_payer(grant: Grant, agreement: Agreement) -> Written | None:
    """Let the payer pay no longer."""
    return await _END_PAYER(grant.tx, agreement_id=agreement.id, at=grant.op.now)


async def execute_transfer(grant: Grant, agreement: Agreement) -> Written:
    """Let the organization, and all that it manages, stand below who receives it."""
    return await _transfer(_EXECUTE_TRANSFER, grant, agreement)


async def undo_transfer(grant: Grant, agreement: Agreement) -> Written:
    """Put the organization back, with what it lost and has not been given anew."""
    return await _transfer(_UNDO_TRANSFER, grant, agreement)


async def _transfer(door: Query[list[Written]], grant: Grant, agreement: Agreement) -> Written:
    try:
        written = await door(grant.tx, agreement_id=agreement.id, at=grant.op.now)
    except asyncpg.UniqueViolationError as error:
        # Somebody took the external_id in between: only the rows of this tree are locked.
        raise AgreementBlocked([]) from error
    return written[0]


async def record(
    grant: Grant,
    agreement_id: UUID,
    event: Event,
    places: Sequence[UUID],
    written: Written | None = None,
) -> None:
    """Record an event in the trail of each place, which the agreement has to concern."""
    told = recorded_as(grant, event)
    if written is not None:
        told |= {"before": written.before, "after": written.after}
    await _RECORD(
        grant.tx,
        agreement_id=agreement_id,
        places=places,
        row_ids=[mint_row_id() for _ in places],
        told=told,
    )
