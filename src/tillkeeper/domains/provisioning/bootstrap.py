"""The first main organization of an installation, or a further one: the operator's alone."""

from uuid import UUID

from msgspec import Struct

from tillkeeper.access.operation import House
from tillkeeper.access.operator import claim_person, operate
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.core.ids import uuid4
from tillkeeper.core.status import KeyStatus, Role
from tillkeeper.domains.api_keys import actions as api_keys
from tillkeeper.domains.api_keys.wire import ApiKeyCreate
from tillkeeper.domains.organizations import actions as organizations
from tillkeeper.domains.organizations.wire import OrganizationCreate
from tillkeeper.domains.people import actions as people
from tillkeeper.domains.people.wire import UserInvite


class Bootstrapped(Struct, kw_only=True):
    """What `tillkeeper bootstrap --json` prints; scripts rely on the names."""

    organization_id: UUID
    api_key: str
    api_secret: str
    env: Env
    user_id: UUID


async def bootstrap(
    house: House, wanted: OrganizationCreate, owner: UserInvite, env: Env
) -> Bootstrapped:
    """Make a main organization with its owner and first key, all of it or nothing."""
    envs = (Env.TEST,) if env is Env.TEST else (Env.TEST, Env.LIVE)
    organization_id = uuid4()
    async with house.db.lend() as tx:
        owner_id = await claim_person(tx, owner.email)
    async with operate(house, organization_id, env, envs, owner_id) as op:
        grant = await require(op, Right.ORGANIZATION_CREATE, organization_id)
        await organizations.create_first_organization(grant, wanted, list(envs))
        grant = await require(op, Right.USER_INVITE, organization_id)
        await people.invite_user(grant, owner, Role.OWNER)
        grant = await require(op, Right.API_KEY_CREATE, organization_id)
        first = ApiKeyCreate(name="first-key", status=KeyStatus.ENABLED)
        minted = await api_keys.create_api_key(grant, first)
    return Bootstrapped(
        organization_id=organization_id,
        api_key=minted.key,
        api_secret=minted.secret,
        env=env,
        user_id=owner_id,
    )
