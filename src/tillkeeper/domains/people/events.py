"""What happens to the people of an organization. Addresses stay out of the trail."""

from uuid import UUID

from tillkeeper.access.trail import Event
from tillkeeper.core.status import Role


class UserAdded(Event, frozen=True, tag="user.added"):
    user_id: UUID
    role: Role


class UserPasswordSet(Event, frozen=True, tag="user.password_set"):
    user_id: UUID


class UserRemoved(Event, frozen=True, tag="user.removed"):
    user_id: UUID
