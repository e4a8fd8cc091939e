"""What can be done to clients: register, deregister, label."""

from uuid import UUID

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import (
    ClientConflict,
    ClientLimitReached,
    ClientNotFound,
    ClientReplaced,
    ClientUnknown,
    IllegalClientSerial,
)
from tillkeeper.core.sign_wire import API_VERSION, LooseMetadata, merged, text_of
from tillkeeper.core.status import ClientState
from tillkeeper.domains.clients import queries, rules
from tillkeeper.domains.clients.events import ClientCreated, ClientUpdated
from tillkeeper.domains.clients.queries import Row
from tillkeeper.domains.clients.wire import Client, ClientCreate, ClientPatch
from tillkeeper.domains.signing import system_logs
from tillkeeper.domains.tss.actions import check_session, get_tss, hold_tss
from tillkeeper.domains.tss.journal import journalize
from tillkeeper.domains.tss.queries import Row as Tss
from tillkeeper.domains.tss.rules import check_initialized
from tillkeeper.domains.tss.wire import MOST_CLIENTS


async def create_client(
    grant: Grant, tss_id: UUID, client_id: UUID, wanted: ClientCreate
) -> Client:
    """Register a client with an initialized TSS; the same one again is what it is by now."""
    serial_number, labels = text_of(wanted.serial_number), merged({}, wanted.metadata)
    held = await hold_tss(grant, tss_id)
    check_initialized(held.state)
    held.admin_until = check_session(grant, held)
    rules.check_serial(serial_number)
    found = await queries.find_client(grant, client_id)
    if found is not None:
        is_other = (found.tss_id, found.serial_number) != (tss_id, serial_number)
        if is_other or wanted.replaces not in (None, found.replaces):
            raise ClientConflict
        return shown(grant, found)
    if await queries.is_serial_taken(grant, tss_id, serial_number):
        raise IllegalClientSerial("Another client of this TSS has this serial number")
    if wanted.replaces is not None:
        await _check_replaceable(grant, wanted.replaces)
    await _register(grant, held, serial_number)
    row = {
        **grant.scope,
        "id": client_id,
        "tss_id": tss_id,
        "state": ClientState.REGISTERED,
        "serial_number": serial_number,
        "metadata": labels,
        "time_creation": int(grant.op.now.timestamp()),
        "replaces": wanted.replaces,
    }
    event = ClientCreated(client_id=client_id, tss_id=tss_id, serial_number=serial_number)
    created = await queries.insert_client(grant, event, row)
    if created is None:
        raise ClientConflict
    return shown(grant, created)


async def _check_replaceable(grant: Grant, client_id: UUID) -> None:
    """Refuse what another client has replaced, and hold it, so that none does meanwhile."""
    found = await queries.find_to_replace(grant, client_id)
    if found is None:
        raise ClientUnknown
    if found.replaced_by is not None:
        raise ClientReplaced


async def _register(grant: Grant, held: Tss, serial_number: str) -> None:
    if held.registered_clients >= MOST_CLIENTS:
        raise ClientLimitReached(MOST_CLIENTS)
    held.registered_clients += 1
    await journalize(grant, held, [system_logs.register_client(serial_number)])


async def change_client(grant: Grant, tss_id: UUID, client_id: UUID, patch: ClientPatch) -> Client:
    """Register or deregister a client, which is signed; the state it is in changes labels alone."""
    held = await hold_tss(grant, tss_id)
    check_initialized(held.state)
    held.admin_until = check_session(grant, held)
    found = await find_client_of(grant, tss_id, client_id)
    labels = merged(found.metadata, patch.metadata)
    if patch.state is not found.state:
        if patch.state is ClientState.REGISTERED:
            await _register(grant, held, found.serial_number)
        else:
            held.registered_clients -= 1
            await journalize(grant, held, [system_logs.deregister_client(found.serial_number)])
    elif labels == found.metadata:
        return shown(grant, found)
    return shown(grant, await _update(grant, found, patch.state, labels))


async def label_client(
    grant: Grant, tss_id: UUID, client_id: UUID, metadata: LooseMetadata
) -> dict[str, str]:
    """Merge metadata into those of a client."""
    await hold_tss(grant, tss_id)
    found = await find_client_of(grant, tss_id, client_id)
    labels = merged(found.metadata, metadata)
    if labels != found.metadata:
        await _update(grant, found, found.state, labels)
    return labels


async def _update(grant: Grant, found: Row, state: ClientState, labels: dict[str, str]) -> Row:
    event = ClientUpdated(client_id=found.id, tss_id=found.tss_id, state=state)
    updated = await queries.update_client(grant, event, state=state, metadata=labels)
    if updated is None:
        raise ClientNotFound
    return updated


async def get_client(grant: Grant, tss_id: UUID, client_id: UUID) -> Row:
    """Return a client of a TSS in sight."""
    await get_tss(grant, tss_id)
    return await find_client_of(grant, tss_id, client_id)


async def find_client_of(grant: Grant, tss_id: UUID, client_id: UUID) -> Row:
    """Return a client of this very TSS."""
    found = await queries.find_client(grant, client_id)
    if found is None or found.tss_id != tss_id:
        raise ClientNotFound
    return found


def shown(grant: Grant, row: Row) -> Client:
    """Return a client as its reader sees it."""
    is_foreign = row.organization_id != grant.reader_id
    return Client(
        id=row.id,
        type="CLIENT",
        env=row.env,
        version=API_VERSION,
        organization_id=row.organization_id if is_foreign else None,
        tss_id=row.tss_id,
        state=row.state,
        serial_number=row.serial_number,
        metadata=row.metadata,
        time_creation=row.time_creation,
        time_update=row.time_update,
        replaces=row.replaces,
        replaced_by=row.replaced_by,
    )
