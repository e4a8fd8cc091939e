"""May a request be worked on at all? Asked before its body is read and its credential looked up."""

from datetime import UTC, datetime
from typing import Any

from tillkeeper.access.identity import Credential
from tillkeeper.access.limits import Cell
from tillkeeper.access.operation import Actor, ActorKind, Asked, House
from tillkeeper.access.trail import record_refusal
from tillkeeper.core.errors import RateLimited
from tillkeeper.core.networks import network_of
from tillkeeper.core.rates import Lane

COUNTED = "rate_headers"
"""Where a request that was counted carries the headers that say so."""
_AGENT_AT_MOST = 200


async def admit_stranger(house: House, scope: Any) -> None:  # noqa: ANN401 - ASGI
    """Count a request that nobody answers for against its address; refuse it where that is out."""
    address = scope["state"].get("address")
    await _admit(house, scope, Cell(Lane.ADDRESS, network_of(address) if address else "none"))


async def admit_actor(
    house: House,
    scope: Any,  # noqa: ANN401 - ASGI
    by: Credential,
    *,
    is_bulk: bool,
) -> None:
    """Count a request with a genuine token; refuse it where its actor or organization is out.

    Whether the credential is still alive is asked later: one that is not may not ask for ever.
    The first refusal of a minute is kept in the audit; a flood must not fill it.
    """
    cells = [Cell(Lane.ACTOR, by.sub), Cell(Lane.ORGANIZATION, by.organization_id)]
    if is_bulk:
        cells = [Cell(Lane.BULK, by.organization_id)]
    try:
        await _admit(house, scope, *cells)
    except RateLimited as refusal:
        if refusal.is_first:
            await record_refusal(house, _asked(scope, by), refusal)
        raise


async def _admit(house: House, scope: Any, *cells: Cell) -> None:  # noqa: ANN401 - ASGI
    limits = house.limits
    leases = limits.leases_of(*cells)
    try:
        await limits.spend(house.db, *leases)
    finally:
        # Also where the cells cannot be asked: what was counted once is not counted again.
        scope["state"][COUNTED] = limits.headers(leases)


def told_agent(scope: Any) -> str | None:  # noqa: ANN401 - ASGI
    """Return what the client calls itself, as far as it is worth keeping."""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            agent: str = value.decode("latin-1")[:_AGENT_AT_MOST]
            return agent
    return None


def _asked(scope: Any, by: Credential) -> Asked:  # noqa: ANN401 - ASGI
    actor = Actor(
        kind=ActorKind(by.kind),
        id=by.sub,
        organization_id=by.organization_id,
        env=by.env,
        is_main=False,
        is_administered=False,
        role=None,
        rights=frozenset(),
    )
    state = scope["state"]
    return Asked(
        actor, state["request_id"], datetime.now(UTC), state.get("address"), told_agent(scope)
    )
