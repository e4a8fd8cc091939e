"""An embedded PostgreSQL: the binaries of a wheel under our own supervision, Linux only."""

from tillkeeper.db.embedded.account import EmbeddedRefusal
from tillkeeper.db.embedded.server import Embedded, Server, attach, start

__all__ = ["Embedded", "EmbeddedRefusal", "Server", "attach", "start"]
