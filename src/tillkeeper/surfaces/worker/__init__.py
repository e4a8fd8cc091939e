"""What the service does by itself, beside answering."""

from tillkeeper.surfaces.worker.loop import Chore, working

__all__ = ("Chore", "working")
