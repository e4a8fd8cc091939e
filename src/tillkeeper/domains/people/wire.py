"""People on the wire."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillkeeper.core.env import Env
from tillkeeper.core.status import Role
from tillkeeper.core.wire import Email, Line, Reply, Request


class InvitedRole(StrEnum):
    """An owner is not invited: ownership is handed over."""

    ADMIN = "admin"
    BILLING = "billing"
    MEMBER = "member"


class UserInvite(Request, kw_only=True):
    """Deployed clients send the names as null where they do not know them."""

    email: Email
    first_name: Line | None = None
    last_name: Line | None = None
    role: InvitedRole = InvitedRole.MEMBER


class User(Reply, kw_only=True):
    id: UUID
    type: Literal["USER"]
    envs: list[Env]
    email: str
    first_name: str | None = None
    last_name: str | None = None
    role: Role


class UserList(Reply, kw_only=True):
    data: list[User]
    count: int
    type: Literal["USER_LIST"]


class OrderBy(StrEnum):
    EMAIL = "email"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
