"""What can be done to API keys."""

from typing import Any
from uuid import UUID

from msgspec import UNSET, structs

from tillkeeper.access.policy import Grant
from tillkeeper.core import secrets
from tillkeeper.core.errors import (
    AccessDenied,
    ApiKeyConflict,
    ApiKeyNotFound,
    OrganizationNotFound,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.wire import Done
from tillkeeper.domains.api_keys import queries
from tillkeeper.domains.api_keys.events import ApiKeyCreated, ApiKeyDeleted, ApiKeyUpdated
from tillkeeper.domains.api_keys.wire import ApiKey, ApiKeyCreate, ApiKeyPatch, NewApiKey


async def create_api_key(grant: Grant, wanted: ApiKeyCreate) -> NewApiKey:
    """Mint a key in the granted env and show its secret once.

    With `managed_by_organization_id` the named organization, which must stand above, administers
    the key: whoever stands below that one sees the key and cannot change it.
    """
    await _check_manager(grant, wanted.managed_by_organization_id)
    event = ApiKeyCreated(api_key_id=uuid4(), name=wanted.name)
    row, secret = mint_row(grant, wanted, event.api_key_id)
    row |= {
        "managed_by_organization_id": wanted.managed_by_organization_id,
        "created_by_user": grant.op.actor.id,
        "created_by_organization_id": grant.op.actor.organization_id,
    }
    api_key = await queries.insert_api_key(grant, event, row)
    if api_key is None:
        raise ApiKeyConflict(wanted.name)
    return with_secret(grant, api_key, secret)


def mint_row(grant: Grant, wanted: ApiKeyCreate, key_id: UUID) -> tuple[dict[str, Any], str]:
    """Return what is stored of a new key, and the secret that is not."""
    secret = secrets.mint_secret()
    row = {
        "id": key_id,
        "key": secrets.mint_key_text(grant.env, wanted.name),
        "secret_digest": grant.op.keyring.digest(secret),
        "name": wanted.name,
        "status": wanted.status,
        "metadata": wanted.metadata,
        "created_at": grant.op.now,
    }
    return row, secret


def with_secret(grant: Grant, api_key: ApiKey, secret: str) -> NewApiKey:
    """Return the one answer that shows the secret."""
    return NewApiKey(secret=grant.op.shown_once(secret), **structs.asdict(api_key))


async def get_api_key(grant: Grant, key_id: UUID) -> ApiKey:
    """Return a key of the granted organization and env."""
    api_key = await queries.find_api_key(grant, key_id)
    if api_key is None:
        raise ApiKeyNotFound(key_id)
    return api_key


async def update_api_key(grant: Grant, key_id: UUID, patch: ApiKeyPatch) -> ApiKey:
    """Enable, disable or label a key; its tokens follow its status from the next request on."""
    await _check_may_touch(grant, key_id)
    row = {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
    if not row:
        return await get_api_key(grant, key_id)
    event = ApiKeyUpdated(api_key_id=key_id, fields=sorted(row))
    updated = await queries.update_api_key(grant, event, row)
    return updated or await get_api_key(grant, key_id)


async def delete_api_key(grant: Grant, key_id: UUID) -> Done:
    """Delete a key; tokens it was traded for are refused from the next request on."""
    await _check_may_touch(grant, key_id)
    if not await queries.delete_api_key(grant, ApiKeyDeleted(api_key_id=key_id)):
        raise ApiKeyNotFound(key_id)
    return Done(success=True)


async def check_manager_of_new(grant: Grant, manager: UUID) -> None:
    """Refuse a manager that would not stand above the key of a new organization below the grant."""
    if manager != grant.organization_id:
        await _check_manager(grant, manager)


async def _check_manager(grant: Grant, manager: UUID | None) -> None:
    """Refuse a manager that does not stand above the key, or that the actor does not reach."""
    if manager is None:
        return
    stands_above = manager != grant.organization_id and await queries.is_reached(
        grant, one=manager, other=grant.organization_id
    )
    if not stands_above or not await queries.is_reached(grant, one=grant.reader_id, other=manager):
        raise OrganizationNotFound(manager)


async def _check_may_touch(grant: Grant, key_id: UUID) -> None:
    """Refuse to change a key that somebody above administers."""
    found = await queries.find_managed(grant, key_id)
    if found is None:
        raise ApiKeyNotFound(key_id)
    manager = found.managed_by_organization_id
    if manager is None or await queries.is_reached(grant, one=grant.reader_id, other=manager):
        return
    raise AccessDenied(
        "This key is managed from elsewhere: you may use it, not change it",
        right=grant.right,
        organization_id=grant.organization_id,
        env=grant.env,
    )
