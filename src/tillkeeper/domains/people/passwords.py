"""Setting a password: the operator's alone, at the machine."""

from uuid import UUID

from tillkeeper.access import operator
from tillkeeper.access.operation import House
from tillkeeper.access.operator import operate
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.access.trail import Happened, record_many
from tillkeeper.core.env import Env
from tillkeeper.domains.people.events import UserPasswordSet


async def set_password(house: House, email: str, password: str, operator_id: UUID) -> bool:
    """Store a password for a known address; tell whether the address is known.

    Recorded, as a failed login is, where the person belongs first of all. Who belongs nowhere can
    log in nowhere, and there is nobody to tell.
    """
    home = await operator.find_home(house, email)
    if home is None:
        return False
    digest = await house.passwords.hash(password)
    if home.organization_id is None:
        async with house.db.lend() as tx:
            await operator.set_password(tx, email, digest)
        return True
    async with operate(house, home.organization_id, Env.TEST, (Env.TEST,), operator_id) as op:
        grant = await require(op, Right.USER_INVITE, home.organization_id)
        await operator.set_password(op.tx, email, digest)
        event = UserPasswordSet(user_id=home.id)
        await record_many(grant, [Happened(home.organization_id, event)])
    return True
