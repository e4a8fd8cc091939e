"""A client of the Management API: tokens, retries and paging are its own business."""

from tillkeeper.client.client import Client
from tillkeeper.client.problems import ApiProblem, Unreachable

__all__ = ["ApiProblem", "Client", "Unreachable"]
