"""What can be done to API keys."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from msgspec import UNSET, structs

from tillkeeper.access.policy import Grant
from tillkeeper.access.rights import Right
from tillkeeper.core import secrets
from tillkeeper.core.errors import (
    AccessDenied,
    ApiKeyConflict,
    ApiKeyNotFound,
    ApiKeyNotRotatable,
    OrganizationNotFound,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import KeyReach, KeyStatus
from tillkeeper.core.wire import Done
from tillkeeper.domains.api_keys import queries, rules
from tillkeeper.domains.api_keys.events import (
    ApiKeyCreated,
    ApiKeyDeleted,
    ApiKeyRotated,
    ApiKeySecretExpired,
    ApiKeyUpdated,
)
from tillkeeper.domains.api_keys.wire import (
    ApiKey,
    ApiKeyCreate,
    ApiKeyPatch,
    ApiKeyRotation,
    NewApiKey,
    Reach,
)


async def create_api_key(grant: Grant, wanted: ApiKeyCreate) -> NewApiKey:
    """Mint a key in the granted env and show its secret once.

    With `managed_by_organization_id` the named organization, which must stand above, administers
    the key: whoever stands below that one sees the key and cannot change it.
    """
    await _check_manager(grant, wanted.managed_by_organization_id)
    is_own = _is_own(grant)
    limits = await limits_of_new(grant, wanted.permissions, wanted.reach, is_own=is_own)
    event = ApiKeyCreated(api_key_id=uuid4(), name=wanted.name)
    row, secret = mint_row(grant, wanted, event.api_key_id, limits)
    row |= {
        "managed_by_organization_id": wanted.managed_by_organization_id,
        "created_by_user": grant.op.actor.id,
        "created_by_organization_id": grant.op.actor.organization_id,
    }
    api_key = await queries.insert_api_key(grant, event, row)
    if api_key is None:
        raise ApiKeyConflict(wanted.name)
    return with_secret(grant, api_key, secret)


async def limits_of_new(
    grant: Grant, permissions: list[Right] | None, reach: Reach | None, *, is_own: bool
) -> rules.Limits:
    """Return what a new key is limited to; refuse one that would be above whoever makes it."""
    limits = rules.handed_on(grant.op.actor, permissions, reach, is_own=is_own)
    _check_below(grant, limits, is_own=is_own)
    for organization_id in sorted(limits.listed):
        if not await queries.is_reached(grant, one=grant.organization_id, other=organization_id):
            raise OrganizationNotFound(organization_id)
    return limits


def mint_row(
    grant: Grant, wanted: ApiKeyCreate, key_id: UUID, limits: rules.Limits
) -> tuple[dict[str, Any], str]:
    """Return what is stored of a new key, and the secret that is not."""
    secret, keyring = secrets.mint_secret(), grant.op.keyring
    row = {
        "id": key_id,
        "key": secrets.mint_key_text(grant.env, wanted.name),
        "secret_digest": keyring.digest(secret),
        "pepper_version": keyring.active,
        "name": wanted.name,
        "status": wanted.status,
        "metadata": wanted.metadata,
        "created_at": grant.op.now,
        "expires_at": rules.moment(wanted.expires_at),
        "not_before": rules.moment(wanted.not_before),
        "allowed_ips": rules.networks(wanted.allowed_ips),
        "areas": wanted.areas,
        "vat_number": wanted.vat_number,
    }
    return row | _limiting(limits), secret


def _limiting(limits: rules.Limits) -> dict[str, Any]:
    return {
        "permissions": None if limits.permissions is None else sorted(limits.permissions),
        "reach": limits.reach,
        "reach_organization_ids": sorted(limits.listed)
        if limits.reach is KeyReach.LISTED
        else None,
    }


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
    """Enable, disable, label or limit a key; its tokens follow from the next request on.

    Whoever holds less than the key may only disable it.
    """
    held = await _check_may_touch(grant, key_id)
    given = {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
    if given != {"status": KeyStatus.DISABLED}:
        _check_below(grant, _limits_of(held), is_own=_is_own(grant))
    row = await _changed_columns(grant, held, given)
    if not row:
        return await get_api_key(grant, key_id)
    event = ApiKeyUpdated(api_key_id=key_id, fields=sorted(row))
    updated = await queries.update_api_key(grant, event, row)
    return updated or await get_api_key(grant, key_id)


async def _changed_columns(
    grant: Grant, held: queries.Held, given: dict[str, Any]
) -> dict[str, Any]:
    row = {name: value for name, value in given.items() if name not in ("permissions", "reach")}
    for name in row.keys() & {"expires_at", "not_before"}:
        row[name] = rules.moment(row[name])
    if "allowed_ips" in row:
        row["allowed_ips"] = rules.networks(row["allowed_ips"])
    if given.keys() & {"permissions", "reach"}:
        now = _limits_of(held)
        named = given.get("permissions"), given.get("reach")
        wanted = await limits_of_new(grant, *named, is_own=_is_own(grant))
        if "permissions" not in given:
            wanted = replace(wanted, permissions=now.permissions)
        if "reach" not in given:
            wanted = replace(wanted, reach=now.reach, listed=now.listed)
        row |= _limiting(wanted)
    return row


async def rotate_api_key(grant: Grant, key_id: UUID, rotation: ApiKeyRotation) -> NewApiKey:
    """Give a key another secret; the one of today works on for the overlap, and not past its end.

    Refused for a key that is disabled or over, whose last secret is still retiring, or that holds
    more than whoever asks: a new secret is the key itself.
    """
    held = await _check_may_touch(grant, key_id)
    _check_below(grant, _limits_of(held), is_own=_is_own(grant))
    secret, keyring = secrets.mint_secret(), grant.op.keyring
    digest = keyring.digest(secret)
    event = ApiKeyRotated(api_key_id=key_id, overlap_seconds=rotation.overlap_seconds)
    if not await queries.rotate_api_key(grant, event, digest=digest, version=keyring.active):
        raise ApiKeyNotRotatable
    return with_secret(grant, await get_api_key(grant, key_id), secret)


async def expire_previous_secret(grant: Grant, key_id: UUID) -> ApiKey:
    """End the retiring secret and the tokens it was traded for; where there is none, do nothing."""
    await _check_may_touch(grant, key_id)
    await queries.expire_previous_secret(grant, ApiKeySecretExpired(api_key_id=key_id))
    return await get_api_key(grant, key_id)


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


async def _check_may_touch(grant: Grant, key_id: UUID) -> queries.Held:
    """Refuse to change a key that somebody above administers."""
    found = await queries.lock_held(grant, key_id)
    if found is None:
        raise ApiKeyNotFound(key_id)
    manager = found.managed_by_organization_id
    if manager is None or await queries.is_reached(grant, one=grant.reader_id, other=manager):
        return found
    raise _denied(grant, "This key is managed from elsewhere: you may use it, not change it")


def _check_below(grant: Grant, limits: rules.Limits, *, is_own: bool) -> None:
    """Refuse a key that holds a right or reaches an organization that the actor does not."""
    actor = grant.op.actor
    if right := rules.lacking(actor, limits):
        raise AccessDenied(
            f"This credential does not hold {right}, and may not give it to a key",
            right=right,
            organization_id=grant.organization_id,
            env=grant.env,
        )
    if rules.goes_too_far(actor, limits, is_own=is_own):
        raise _denied(grant, "This credential may not give a key more reach than it has")


def _limits_of(held: queries.Held) -> rules.Limits:
    permissions = None if held.permissions is None else frozenset(held.permissions)
    return rules.Limits(
        permissions, KeyReach(held.reach), frozenset(held.reach_organization_ids or ())
    )


def _is_own(grant: Grant) -> bool:
    return grant.organization_id == grant.op.actor.organization_id


def _denied(grant: Grant, sentence: str) -> AccessDenied:
    return AccessDenied(
        sentence, right=grant.right, organization_id=grant.organization_id, env=grant.env
    )
