"""Who am I, on the wire."""

from typing import Literal
from uuid import UUID

from tillkeeper.core.env import Env
from tillkeeper.core.status import OrganizationType, Role
from tillkeeper.core.wire import Reply


class MyActor(Reply, kw_only=True):
    id: UUID
    kind: Literal["key", "user", "operator", "system"]
    role: Role | None = None


class MyOrganization(Reply, kw_only=True):
    id: UUID
    type: OrganizationType
    envs: list[Env]
    name: str


class MyReach(Reply, kw_only=True):
    """How many organizations the rights flow down to, the own one among them."""

    organizations: int
    is_counted_to_the_end: bool


class Me(Reply, kw_only=True):
    type: Literal["ME"]
    actor: MyActor
    organization: MyOrganization
    env: Env
    rights: list[str]
    reach: MyReach
