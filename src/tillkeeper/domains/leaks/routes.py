"""/keys/leaked, for whoever finds a secret."""

from typing import Any

from litestar import Request, Router, post
from litestar.params import JSONBody

from tillkeeper.access.guard import PUBLIC, agent_of, door_of
from tillkeeper.access.refusals import public_refusals
from tillkeeper.domains.leaks import actions
from tillkeeper.domains.leaks.wire import LeakReceipt, LeakReport


@post(
    "/leaked",
    operation_id="reportLeakedKey",
    summary="Report a secret that you have found, or a text with several",
    description="Whoever it belongs to is told, and where they want it so, the key is disabled. "
    "The answer does not tell whether the secret works or whose it is.",
    status_code=200,
    opt=PUBLIC,
    responses=public_refusals(),
)
async def report_leaked_key(
    request: Request[Any, Any, Any], data: JSONBody[LeakReport]
) -> LeakReceipt:
    state = request.scope["state"]
    return await actions.report_leaked(
        door_of(request).house,
        data,
        operation_id=state.get("request_id", ""),
        address=state.get("address"),
        agent=agent_of(request),
    )


router = Router("/keys", route_handlers=[report_leaked_key], tags=["API keys"])
