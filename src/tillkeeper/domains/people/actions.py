"""What can be done to the people of an organization."""

from uuid import UUID

from msgspec import structs

from tillkeeper.access.operator import claim_person
from tillkeeper.access.policy import Grant, check_still_reached
from tillkeeper.core.errors import AccessDenied, LastOwner, UserConflict, UserNotFound
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import Role
from tillkeeper.core.wire import Done
from tillkeeper.domains.people import queries, rules
from tillkeeper.domains.people.events import UserAdded, UserRemoved
from tillkeeper.domains.people.wire import User, UserInvite


async def invite_user(grant: Grant, wanted: UserInvite, role: Role | None = None) -> User:
    """Make somebody a member, known to the service or not; nobody invites above themselves.

    The answer is the same for both, so that it does not tell who has an account.
    """
    role = role or Role(wanted.role)
    if rules.stands_above(role, grant.op.actor.role):
        raise _denied(grant, f"This credential may not invite somebody as {role}")
    user_id = await claim_person(grant.tx, wanted.email)
    user = await queries.insert_user(grant, UserAdded(user_id=user_id, role=role), wanted)
    if user is None:
        raise UserConflict
    # Asked twice in a dry run, the id of an account would be the same, and a new one would not.
    return structs.replace(user, id=uuid4()) if grant.op.is_dry_run else user


async def remove_user(grant: Grant, user_id: UUID) -> Done:
    """End a membership, not the account; the last owner stays, and nobody removes a superior."""
    owners = await queries.lock_owners(grant)
    membership = await queries.find_membership(grant, user_id)
    if membership is None:
        raise UserNotFound(user_id)
    if rules.is_last_owner(membership.role, owners):
        raise LastOwner
    if rules.stands_above(membership.role, grant.op.actor.role):
        raise _denied(grant, f"This credential may not remove an {membership.role}")
    if not await queries.delete_user(grant, UserRemoved(user_id=user_id)):
        raise UserNotFound(user_id)
    await check_still_reached(grant)
    return Done(success=True)


def _denied(grant: Grant, sentence: str) -> AccessDenied:
    return AccessDenied(
        sentence, right=grant.right, organization_id=grant.organization_id, env=grant.env
    )
