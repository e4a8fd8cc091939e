"""Rate limits on the way out: their headers on every answer, and what nobody has counted yet."""

from collections.abc import Awaitable, Callable

from litestar.types import HTTPScope, Message, Send

from tillkeeper.access.admission import COUNTED, admit_stranger
from tillkeeper.access.operation import House
from tillkeeper.core.errors import Refusal

Refuse = Callable[[HTTPScope, Send, Refusal], Awaitable[None]]
_PREFIXES = ("api/v0", "api/v2")


def counting(house: House, scope: HTTPScope, send: Send, refuse: Refuse) -> Send:
    """Return a send that counts what was answered before anybody was recognised.

    A broken request, an unknown path, a wrong token: they are answered without the database, and
    count against the address. Where that is out, the answer is another one.
    """
    if not scope["path"].lstrip("/").startswith(_PREFIXES):
        return send
    is_replaced = False

    async def counted(message: Message) -> None:
        nonlocal is_replaced
        if is_replaced:
            return
        if message["type"] == "http.response.start" and COUNTED not in scope["state"]:
            try:
                await admit_stranger(house, scope)
            except Refusal as refusal:
                is_replaced = True
                await refuse(scope, send, refusal)
                return
        await send(message)

    return counted
