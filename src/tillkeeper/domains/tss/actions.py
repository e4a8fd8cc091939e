"""What can be done to a TSS: create it, lead it through its states, label it."""

import secrets
from uuid import UUID

from msgspec import structs

from tillkeeper.access.operation import Operation
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.core.errors import (
    AdminSessionMissing,
    CountersInDoubt,
    SchemaViolation,
    SigningUnitUnavailable,
    TssConflict,
    TssLimitPerDayReached,
    TssLimitReached,
    TssNotFound,
    TssReplaced,
    TssUnknown,
)
from tillkeeper.core.sign_wire import LooseMetadata, merged
from tillkeeper.core.signing_units import KeyOwner
from tillkeeper.core.status import TssState
from tillkeeper.domains.signing.actions import certify
from tillkeeper.domains.signing.certificates import ends_at
from tillkeeper.domains.signing.messages import serial_number_of
from tillkeeper.domains.signing.names import default_description
from tillkeeper.domains.signing.sealing import CannotUnseal, seal, unseal
from tillkeeper.domains.tss import queries, rules
from tillkeeper.domains.tss.events import TssCreated, TssUpdated
from tillkeeper.domains.tss.journal import journalize, signing_time
from tillkeeper.domains.tss.queries import Row
from tillkeeper.domains.tss.shown import shown
from tillkeeper.domains.tss.wire import NewTss, Tss, TssCreate, TssPatch
from tillkeeper.logs import log

_PUK_DIGITS = 10
_TIMES = {
    TssState.UNINITIALIZED: "time_uninit",
    TssState.INITIALIZED: "time_init",
    TssState.DISABLED: "time_disable",
}


async def require_sight(
    op: Operation, right: Right, tss_id: UUID, organization_id: UUID | None
) -> Grant:
    """Return a Grant on the organization that a TSS belongs to; the path does not name it.

    The own organization comes first. Ids are unique in an organization alone: where two below have
    a TSS of the same id, the reader says which one is meant.
    """
    if organization_id is not None:
        return await require(op, right, organization_id)
    own = await require(op, right, op.actor.organization_id)
    owners = await queries.list_owners(own, tss_id)
    if not owners:
        raise TssNotFound
    if own.organization_id in owners:
        return own
    if len(owners) > 1:
        raise SchemaViolation(
            "params.organization_id", "is required: several organizations have a TSS with this id"
        )
    return await require(op, right, owners[0])


async def get_tss(grant: Grant, tss_id: UUID) -> Row:
    """Return a TSS of the granted organization."""
    found = await queries.find_tss(grant, tss_id)
    if found is None:
        raise TssNotFound
    return found


async def hold_tss(grant: Grant, tss_id: UUID) -> Row:
    """Lock a TSS of the own organization; of one below it is said that it is not one's own.

    A copy that nobody has declared is refused: its numbers may have been given out already. Where
    some were left out since, that is signed before anything else.
    """
    held = await queries.lock_tss(grant, tss_id)
    if held is None:
        for owner in await queries.list_owners(grant, tss_id):
            await require(grant.op, grant.right, owner)
        raise TssNotFound
    if held.state in rules.LIVING:
        await _go_on(grant, held)
    return held


async def _go_on(grant: Grant, held: Row) -> None:
    """Go on where the last signature was made; after a restore it is not known which one."""
    if not held.is_at_home:
        log.error("tss.counters_in_doubt", tss_id=str(held.id), request_id=grant.op.id)
        raise CountersInDoubt
    if held.skipped:
        await journalize(grant, held, [rules.log_of_skip(held)])
        held.skipped = 0


async def create_tss(grant: Grant, tss_id: UUID, wanted: TssCreate) -> NewTss:
    """Make a TSS with its key and certificate; while it is CREATED the same answer comes again."""
    labels = merged({}, wanted.metadata)
    since = int(grant.op.now.timestamp()) - rules.DAY_SECONDS
    numbers = await queries.count_tss(grant, rules.LIVING, since)
    found = await queries.find_tss(grant, tss_id)
    if found is not None:
        if found.sealed_puk is None or wanted.replaces not in (None, found.replaces):
            raise TssConflict
        return _with_puk(grant, found, _unsealed(grant, tss_id, found.sealed_puk))
    if grant.env is Env.TEST and numbers.living >= rules.MOST_LIVE_IN_TEST:
        raise TssLimitReached(rules.MOST_LIVE_IN_TEST)
    if numbers.recent >= rules.MOST_A_DAY:
        raise TssLimitPerDayReached(rules.MOST_A_DAY)
    if wanted.replaces is not None:
        await _check_replaceable(grant, wanted.replaces)
    return await _make(grant, tss_id, labels, wanted.replaces)


async def _check_replaceable(grant: Grant, tss_id: UUID) -> None:
    """Refuse what another TSS has replaced; the organization is locked, so that none does now."""
    found = await queries.find_tss(grant, tss_id)
    if found is None:
        raise TssUnknown
    if found.replaced_by is not None:
        raise TssReplaced


async def _make(
    grant: Grant, tss_id: UUID, labels: dict[str, str], replaces: UUID | None
) -> NewTss:
    op, owner = grant.op, KeyOwner(grant.organization_id, grant.env, tss_id)
    puk = "".join(secrets.choice("0123456789") for _ in range(_PUK_DIGITS))
    digest = await op.house.passwords.hash(puk)
    key = await op.house.unit.generate(owner)
    certified, serial_number = await certify(grant, key.point), serial_number_of(key.point)
    made = await queries.insert_tss(
        grant,
        TssCreated(tss_id=tss_id, serial_number=serial_number),
        {
            **grant.scope,
            "id": tss_id,
            "state": TssState.CREATED,
            "unit": op.house.unit.name,
            "key_version": owner.version,
            "sealed_key": key.sealed,
            "point": key.point,
            "serial_number": serial_number,
            "certificate": certified.certificate,
            "certificate_ends_at": ends_at(certified.certificate),
            "metadata": labels,
            "puk_digest": digest,
            "sealed_puk": seal(op.keyring, _context(owner), puk.encode()),
            "time_creation": int(op.now.timestamp()),
            "replaces": replaces,
        },
    )
    if made is None:
        raise TssConflict
    return _with_puk(grant, made, puk.encode())


def _context(owner: KeyOwner) -> bytes:
    return f"puk\n{owner.organization_id}\n{owner.env}\n{owner.tss_id}".encode()


def _unsealed(grant: Grant, tss_id: UUID, sealed_puk: bytes) -> bytes:
    owner = KeyOwner(grant.organization_id, grant.env, tss_id)
    try:
        return unseal(grant.op.keyring, _context(owner), sealed_puk)
    except CannotUnseal as error:
        log.error("tss.cannot_unseal_puk", tss_id=str(tss_id), reason=str(error))
        raise SigningUnitUnavailable from error


def _with_puk(grant: Grant, row: Row, puk: bytes) -> NewTss:
    grant.op.holds_secret = True
    return NewTss(admin_puk=puk.decode(), **structs.asdict(shown(grant, row)))


async def change_tss(grant: Grant, tss_id: UUID, patch: TssPatch) -> Tss:
    """Lead a TSS into its next state, which is signed; the state it is in changes labels alone."""
    held = await hold_tss(grant, tss_id)
    rules.check_usable(held.state)
    changed: dict[str, object] = {"metadata": merged(held.metadata, patch.metadata)}
    wanted = TssState(patch.state)
    if wanted is not held.state:
        changed |= await _lead(grant, held, wanted, patch.description)
    elif changed["metadata"] == held.metadata:
        return shown(grant, await get_tss(grant, tss_id))
    event = TssUpdated(tss_id=tss_id, state=patch.state)
    updated = await queries.update_tss(grant, event, tss_id, changed)
    if updated is None:
        raise TssNotFound
    return shown(grant, updated)


async def _lead(
    grant: Grant, held: Row, wanted: TssState, description: str | None
) -> dict[str, object]:
    rules.check_change(held.state, wanted)
    changed: dict[str, object] = {"state": wanted, "sealed_puk": None}
    if wanted is not TssState.UNINITIALIZED:
        changed["admin_until"] = check_session(grant, held)
    name = description or default_description(held.id)
    if wanted is TssState.INITIALIZED:
        changed["description"] = name
    if wanted is TssState.DISABLED:
        changed["admin_until"] = None
    time = signing_time(grant, held)
    await journalize(grant, held, rules.logs_of_change(wanted, name, time))
    return changed | {_TIMES[wanted]: time}


def check_session(grant: Grant, held: Row) -> int:
    """Refuse without an admin session; return until when this use of it prolongs it."""
    now = int(grant.op.now.timestamp())
    if held.admin_until is None or held.admin_until <= now:
        raise AdminSessionMissing
    return now + rules.SESSION_SECONDS


async def label_tss(grant: Grant, tss_id: UUID, metadata: LooseMetadata) -> dict[str, str]:
    """Merge metadata into those of a TSS."""
    held = await hold_tss(grant, tss_id)
    labels = merged(held.metadata, metadata)
    if labels != held.metadata:
        event = TssUpdated(tss_id=tss_id, state=held.state)
        await queries.update_tss(grant, event, tss_id, {"metadata": labels})
    return labels
