"""Entity tags: what a representation is, in 22 characters."""

import hashlib
from base64 import urlsafe_b64encode

from msgspec import json, to_builtins

from tillkeeper.core.wire import Reply

_BYTES = 16


def etag_of(reply: Reply, encoded: bytes | None = None) -> str:
    """Return the tag of a resource as this reader sees it, without what changes by being used.

    Readers who see different fields have different tags. `encoded` saves encoding it again.
    """
    if apart := type(reply).apart:
        kept = {name: value for name, value in to_builtins(reply).items() if name not in apart}
        encoded = json.encode(kept)
    elif encoded is None:
        encoded = json.encode(reply)
    digest = hashlib.sha256(encoded).digest()[:_BYTES]
    return f'"{urlsafe_b64encode(digest).decode().rstrip("=")}"'


def parse_etags(header: str) -> frozenset[str] | None:
    """Return the tags of an If-Match or If-None-Match; None stands for `*`, which is any."""
    if header.strip() == "*":
        return None
    return frozenset(tag.strip().removeprefix("W/") for tag in header.split(","))
