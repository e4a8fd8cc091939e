"""What the service does to organizations by itself."""

from uuid import UUID

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.domains.organizations import changes, queries
from tillkeeper.domains.organizations.events import OrganizationDeleted

_AT_ONCE = 100


async def purge(house: House) -> int:
    """Delete organizations whose day has come, each in a transaction of its own.

    What has been restored, protected or built upon since then stays. Any number of processes may
    do it at once: each organization is deleted and recorded by one.
    """
    async with house.db.lend() as tx:
        due = await queries.list_due_purges(tx, most=_AT_ONCE)
    return sum([await _purge(house, organization_id) for organization_id in due])


async def _purge(house: House, organization_id: UUID) -> bool:
    async with do_chore(house, organization_id, Env.TEST) as op:
        grant = await require(op, Right.ORGANIZATION_DELETE, organization_id)
        if (await queries.find_needed(grant)).has_children:
            return False
        event = OrganizationDeleted(organization_id=organization_id)
        return await changes.purge_organization(grant, event)
