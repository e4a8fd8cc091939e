"""/auth, under both prefixes: one token for all products."""

from typing import Any

from litestar import Request, Router, post
from litestar.params import JSONBody

from tillkeeper.access.guard import PUBLIC, agent_of, door_of
from tillkeeper.access.refusals import public_refusals
from tillkeeper.domains.sessions import actions
from tillkeeper.domains.sessions.queries import Origin
from tillkeeper.domains.sessions.wire import Credentials, Session


@post(
    operation_id="authenticate",
    summary="Trade a key, a refresh token or a password for a pair of tokens",
    status_code=200,
    opt=PUBLIC,
    responses=public_refusals(),
)
async def authenticate(request: Request[Any, Any, Any], data: JSONBody[Credentials]) -> Session:
    door, state = door_of(request), request.scope["state"]
    origin = Origin(state.get("request_id", ""), state.get("address"), agent_of(request))
    return await actions.authenticate(door.house, door.signer, data, origin)


router = Router("/auth", route_handlers=[authenticate], tags=["Authentication"])
