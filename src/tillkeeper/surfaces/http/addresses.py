"""Whose address a request comes from: the socket's, or what our own proxies say of it."""

from collections.abc import Iterable, Iterator

from litestar.types import HTTPScope

from tillkeeper.core.networks import Network, canonical_address, is_within


def address_of(scope: HTTPScope, proxies: tuple[Network, ...]) -> str | None:
    """Return the client's address in its shortest form; None behind a socket that has none.

    X-Forwarded-For counts only where a trusted proxy hands the request over, and of it only what
    trusted proxies have written: the last address that is not a proxy's. Whatever stands before
    it the client may have made up.
    """
    client = scope["client"]
    address = canonical_address(client[0]) if client else None
    if not proxies:
        return address
    for hop in _hops(scope["headers"]):
        if address is not None and not is_within(address, proxies):
            break
        address = hop
    return address


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield the forwarded addresses, the nearest first; what is no address ends the trust."""
    values = [value for name, value in headers if name == b"x-forwarded-for"]
    parts = b",".join(values).decode("latin-1").split(",") if values else []
    for part in reversed(parts):
        hop = canonical_address(part.strip())
        if hop is None:
            return
        yield hop
