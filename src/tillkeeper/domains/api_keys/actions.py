"""What can be done to API keys."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from msgspec import UNSET, structs

from tillkeeper.access.operation import ActorKind
from tillkeeper.access.policy import Grant, check_still_reached
from tillkeeper.core import secrets
from tillkeeper.core.errors import (
    AccessDenied,
    ApiKeyConflict,
    ApiKeyNotFound,
    ApiKeyNotRotatable,
    OrganizationNotFound,
    SchemaViolation,
)
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import KeyReach, KeyStatus
from tillkeeper.core.wire import Done
from tillkeeper.domains.api_keys import changes, queries, rules
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
)


async def create_api_key(grant: Grant, wanted: ApiKeyCreate) -> NewApiKey:
    """Mint a key in the granted env and show its secret once.

    With `managed_by_organization_id` the named organization, which must stand above, administers
    the key: whoever stands below that one sees the key and cannot change it.
    """
    await _check_manager(grant, wanted.managed_by_organization_id)
    limits = await limits_of_new(
        grant, await bounds_of(grant), rules.wanted_of(wanted), is_own=_is_own(grant)
    )
    check_begins_in_time(wanted.not_before, limits)
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
    await check_still_reached(grant)
    return with_secret(grant, api_key, secret)


async def bounds_of(grant: Grant) -> rules.Bounds:
    """Return when the credential that speaks ends, and from where it works."""
    own = None
    if grant.op.actor.kind is ActorKind.KEY:
        own = await queries.find_own_limits(grant)
    if own is None:
        return rules.Bounds()
    ips = own.allowed_ips
    return rules.Bounds(own.expires_at, None if ips is None else tuple(ips))


async def limits_of_new(
    grant: Grant, bounds: rules.Bounds, wanted: rules.Wanted, *, is_own: bool
) -> rules.Limits:
    """Return what a new key is limited to; refuse one that would be above whoever makes it.

    What it is to reach its organization must reach in the env of the key.
    """
    limits = rules.handed_on(grant.op.actor, bounds, wanted, is_own=is_own)
    _check_below(grant, bounds, limits, is_own=is_own)
    for organization_id in sorted(limits.listed):
        if not await queries.is_in_reach(grant, organization_id):
            raise OrganizationNotFound(organization_id)
    return limits


def check_begins_in_time(not_before: int | None, limits: rules.Limits) -> None:
    """Refuse a key that would end, as its maker does, before it begins."""
    begins = rules.moment(not_before)
    if begins and limits.expires_at and limits.expires_at <= begins:
        raise SchemaViolation(
            "body.not_before", "should be earlier than the end of the credential that makes the key"
        )


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
        "not_before": rules.moment(wanted.not_before),
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
        "expires_at": limits.expires_at,
        "allowed_ips": None if limits.allowed_ips is None else list(limits.allowed_ips),
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
    bounds = await bounds_of(grant)
    given = {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
    if given != {"status": KeyStatus.DISABLED}:
        _check_below(grant, bounds, _limits_of(held), is_own=_is_own(grant))
    row = await _changed_columns(grant, bounds, held, given)
    if not row:
        return await get_api_key(grant, key_id)
    event = ApiKeyUpdated(api_key_id=key_id, fields=sorted(row))
    updated = await queries.update_api_key(grant, event, row)
    return updated or await get_api_key(grant, key_id)


_BOUNDED = ("permissions", "reach", "expires_at", "allowed_ips")


async def _changed_columns(
    grant: Grant, bounds: rules.Bounds, held: queries.Held, given: dict[str, Any]
) -> dict[str, Any]:
    """Return what changes; a limit that is taken away ends at the one of whoever takes it."""
    row = {name: value for name, value in given.items() if name not in _BOUNDED}
    if "not_before" in row:
        row["not_before"] = rules.moment(row["not_before"])
    named = {name: given[name] for name in _BOUNDED if name in given}
    if not named:
        return row
    wanted = await limits_of_new(grant, bounds, rules.Wanted(**named), is_own=_is_own(grant))
    if "reach" not in given:
        now = _limits_of(held)
        wanted = replace(wanted, reach=now.reach, listed=now.listed)
    columns = named.keys() | ({"reach_organization_ids"} if "reach" in named else set())
    return row | {name: value for name, value in _limiting(wanted).items() if name in columns}


async def rotate_api_key(grant: Grant, key_id: UUID, rotation: ApiKeyRotation) -> NewApiKey:
    """Give a key another secret; the one of today works on for the overlap, and not past its end.

    Refused for a key that is disabled or over, whose last secret is still retiring, or that holds
    more than whoever asks: a new secret is the key itself.
    """
    held = await _check_may_touch(grant, key_id)
    _check_below(grant, await bounds_of(grant), _limits_of(held), is_own=_is_own(grant))
    secret, keyring = secrets.mint_secret(), grant.op.keyring
    digest = keyring.digest(secret)
    event = ApiKeyRotated(api_key_id=key_id, overlap_seconds=rotation.overlap_seconds)
    if not await changes.rotate_api_key(grant, event, digest=digest, version=keyring.active):
        raise ApiKeyNotRotatable
    return with_secret(grant, await get_api_key(grant, key_id), secret)


async def expire_previous_secret(grant: Grant, key_id: UUID) -> ApiKey:
    """End the retiring secret and the tokens it was traded for; where there is none, do nothing."""
    await _check_may_touch(grant, key_id)
    await changes.expire_previous_secret(grant, ApiKeySecretExpired(api_key_id=key_id))
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
    """Lock a key; refuse to change one that somebody above administers."""
    found = await queries.lock_held(grant, key_id)
    if found is None:
        raise ApiKeyNotFound(key_id)
    await check_still_reached(grant)
    manager = found.managed_by_organization_id
    if manager is None or await queries.is_reached(grant, one=grant.reader_id, other=manager):
        return found
    raise _denied(grant, "This key is managed from elsewhere: you may use it, not change it")


def _check_below(grant: Grant, bounds: rules.Bounds, limits: rules.Limits, *, is_own: bool) -> None:
    """Refuse a key that may do, reach or last more than the actor, or be used from elsewhere."""
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
    if rules.outlives(bounds, limits):
        raise _denied(
            grant, "This credential ends, and a key that it makes or changes ends by then"
        )
    if rules.is_open_wider(bounds, limits):
        raise _denied(grant, "This credential works from `allowed_ips` alone, as its keys must")


def _limits_of(held: queries.Held) -> rules.Limits:
    permissions = None if held.permissions is None else frozenset(held.permissions)
    return rules.Limits(
        permissions,
        KeyReach(held.reach),
        frozenset(held.reach_organization_ids or ()),
        held.expires_at,
        None if held.allowed_ips is None else tuple(held.allowed_ips),
    )


def _is_own(grant: Grant) -> bool:
    return grant.organization_id == grant.op.actor.organization_id


def _denied(grant: Grant, sentence: str) -> AccessDenied:
    return AccessDenied(
        sentence, right=grant.right, organization_id=grant.organization_id, env=grant.env
    )
