"""Reading agreements, and locking them."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tillkeeper.access.policy import Grant, check_still_reached
from tillkeeper.core.errors import AgreementNotFound
from tillkeeper.core.paging import Cursor
from tillkeeper.core.status import AgreementKind, AgreementParty, AgreementState
from tillkeeper.domains.agreements.wire import Agreement
from tillkeeper.schema import agreements, organizations
from tillkeeper.sql import Page, execute, in_seconds, many, one_or_none


class Found(Struct):
    """What an analysis has found, and whose business it is: of no party, everybody's."""

    party: AgreementParty | None
    is_blocker: bool
    finding: str
    number: int | None
    ids: list[UUID] | None


class Party(Struct):
    """An organization that has a copy."""

    organization_id: UUID


class Above(Struct):
    """Who stands above an organization."""

    managed_by_organization_id: UUID | None
    administered_by_organization_id: UUID | None


AT_MOST_SECONDS = 120
"""For what is done to a tree as a whole: 100,000 organizations are to move in one piece."""
_table = agreements.c
_ID = bindparam("agreement_id", type_=Uuid)
# Nobody has to sweep: what is not decided in time reads as expired from that moment on.
_STATE = case(
    (
        (_table.state == AgreementState.PROPOSED) & (_table.expires_at <= func.now()),
        literal(AgreementState.EXPIRED.value, Text),
    ),
    else_=cast(_table.state, Text),
)


_SHOWN = (
    _table.id,
    literal("AGREEMENT", Text).label("type"),
    _table.organization_id,
    _table.kind,
    _table.party,
    _STATE.label("state"),
    _table.about_organization_id,
    _table.with_organization_id,
    _table.note,
    _table.withhold_billing,
    _table.gln,
    *(
        in_seconds(_table[name]).label(name)
        for name in (
            "proposed_at",
            "expires_at",
            "accepted_at",
            "executed_at",
            "undo_ends_at",
            "closed_at",
        )
    ),
    case((_table.kind != AgreementKind.PAYER, _table.undo_seconds)).label("undo_seconds"),
)
_FIND = one_or_none(
    select(*_SHOWN).where(_table.organization_id == bindparam("of", type_=Uuid), _table.id == _ID),
    Agreement,
)
_LOCK_CONCERNED = execute(select(func.lock_concerned(_ID)))
_LOCK = many(select(func.lock_agreement(_ID).table_valued("organization_id")), Party)


async def find_agreement(grant: Grant, agreement_id: UUID, *, of: UUID) -> Agreement | None:
    """Find the copy of one party within the walls."""
    return await _FIND(grant.tx, of=of, agreement_id=agreement_id)


async def get_agreement(grant: Grant, agreement_id: UUID) -> Agreement:
    """Return the granted organization's copy."""
    found = await find_agreement(grant, agreement_id, of=grant.organization_id)
    if found is None:
        raise AgreementNotFound(agreement_id)
    return found


async def lock_agreement(grant: Grant, agreement_id: UUID) -> Agreement | None:
    """Read the granted organization's copy; all copies stay as they are until the operation ends.

    Looked for before it is locked, so that nobody holds up an agreement that is none of theirs. The
    organizations that it concerns are locked before it, as where one of them changes its payer.
    """
    if await find_agreement(grant, agreement_id, of=grant.organization_id) is None:
        return None
    await _LOCK_CONCERNED(grant.tx, agreement_id=agreement_id)
    await check_still_reached(grant)
    await lock_parties(grant, agreement_id)
    return await find_agreement(grant, agreement_id, of=grant.organization_id)


async def lock_parties(grant: Grant, agreement_id: UUID) -> list[UUID]:
    """Lock all copies of an agreement, and return whose they are."""
    parties = await _LOCK(grant.tx, agreement_id=agreement_id)
    return [party.organization_id for party in parties]


_FIND_ASKED = one_or_none(
    select(*_SHOWN).where(
        _table.organization_id == bindparam("of", type_=Uuid),
        _table.about_organization_id == bindparam("about", type_=Uuid),
        _table.kind == AgreementKind.PAYER,
        bindparam("state", type_=Text) == _STATE,
    ),
    Agreement,
)


async def find_asked(grant: Grant, about: UUID, state: AgreementState) -> Agreement | None:
    """Find what the actor's organization has asked of a payer of another one."""
    return await _FIND_ASKED(grant.tx, of=grant.reader_id, about=about, state=state)


_LIST = Page(
    select(*_SHOWN, _table.proposed_at.label("created_at")).where(
        _table.organization_id == bindparam("organization_id", type_=Uuid)
    ),
    orders={"cursor": [_table.proposed_at, _table.id]},
    after=tuple_(_table.proposed_at, _table.id)
    > tuple_(
        bindparam("after_at", type_=TIMESTAMP(timezone=True)), bindparam("after_id", type_=Uuid)
    ),
    kind=cast(_table.kind, Text) == bindparam("kind", type_=Text),
    state=bindparam("state", type_=Text) == _STATE,
    about=_table.about_organization_id == bindparam("about", type_=Uuid),
)


async def list_agreements(
    grant: Grant, after: Cursor | None, *, limit: int, **filters: object
) -> tuple[list[Agreement], Cursor | None]:
    """Return a page of the granted organization's copies, oldest first."""
    values = {"organization_id": grant.organization_id, **filters}
    return await _LIST.by_cursor(grant.tx, Agreement, limit=limit, after=after, **values)


_ANALYSE_PAYER = many(select(func.analyse_payer(_ID).table_valued(*Found.__struct_fields__)), Found)


_ANALYSE_TRANSFER = many(
    select(func.analyse_transfer(_ID).table_valued(*Found.__struct_fields__)),
    Found,
    at_most_seconds=AT_MOST_SECONDS,
)


async def analyse(grant: Grant, agreement: Agreement) -> list[Found]:
    """Return what stands in the way, and what parties should know: of all sides.

    Of what is proposed, and of undoing what can be undone; of anything else there is nothing.
    """
    is_proposed = agreement.state == AgreementState.PROPOSED
    if agreement.kind == AgreementKind.PAYER:
        return await _ANALYSE_PAYER(grant.tx, agreement_id=agreement.id) if is_proposed else []
    if not is_proposed and not is_undoable(agreement, grant.op.now):
        return []
    return await _ANALYSE_TRANSFER(grant.tx, agreement_id=agreement.id)


def is_undoable(agreement: Agreement, now: datetime) -> bool:
    """Tell whether it was carried out, and the time in which it may be undone still runs."""
    ends_at = agreement.undo_ends_at
    is_executed = agreement.state == AgreementState.EXECUTED
    return is_executed and ends_at is not None and now.timestamp() < ends_at


_FIND_ABOVE = one_or_none(
    select(
        organizations.c.managed_by_organization_id,
        organizations.c.administered_by_organization_id,
    ).where(organizations.c.id == bindparam("organization_id", type_=Uuid)),
    Above,
)


async def find_above(grant: Grant) -> Above | None:
    """Return who manages or administers the granted organization: for who stands above it."""
    return await _FIND_ABOVE(grant.tx, organization_id=grant.organization_id)
