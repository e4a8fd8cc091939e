"""What happens to keys whose secret was found."""

from typing import Literal
from uuid import UUID

from tillkeeper.access.trail import Event


class ApiKeyLeaked(Event, frozen=True, tag="api_key.leaked"):
    """Somebody has the secret of this key: the one of today, or one that is retiring."""

    api_key_id: UUID
    secret: Literal["current", "retiring"]


class ApiKeyDisabledAsLeaked(Event, frozen=True, tag="api_key.disabled_as_leaked"):
    api_key_id: UUID
