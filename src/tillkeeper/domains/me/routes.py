"""/me."""

from litestar import Router, get

from tillkeeper.access.guard import Op
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import refusals
from tillkeeper.access.rights import Right
from tillkeeper.domains.me.wire import Me, MyActor, MyOrganization, MyReach
from tillkeeper.domains.organizations import queries

_COUNTED_TO = 1000


@get(
    operation_id="retrieveMe",
    summary="Who am I, where, and what may I do",
    responses=refusals(),
)
async def retrieve_me(op: Op) -> Me:
    grant = await require(op, Right.ORGANIZATION_READ, op.actor.organization_id)
    own = await queries.get_organization(grant)
    number = await queries.count_reached(grant, most=_COUNTED_TO + 1)
    return Me(
        type="ME",
        actor=MyActor(id=op.actor.id, kind=op.actor.kind.value, role=op.actor.role),
        organization=MyOrganization(id=own.id, type=own.type, envs=own.envs, name=own.name),
        env=op.actor.env,
        rights=sorted(op.actor.rights),
        reach=MyReach(
            organizations=min(number, _COUNTED_TO), is_counted_to_the_end=number <= _COUNTED_TO
        ),
    )


router = Router("/me", route_handlers=[retrieve_me], tags=["Me"])
