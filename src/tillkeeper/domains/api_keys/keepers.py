"""Writing to the keepers of a key: the people who may do something about it."""

from collections.abc import Callable
from uuid import UUID

from tillkeeper.access.policy import Grant
from tillkeeper.core.mail import language_of
from tillkeeper.domains.api_keys import keeper_queries as queries
from tillkeeper.domains.api_keys.keeper_queries import Subject
from tillkeeper.domains.mail.actions import post
from tillkeeper.domains.mail.letters import Letter


async def write_to_keepers(
    grant: Grant, key_id: UUID, letter_of: Callable[[Subject], Letter]
) -> None:
    """Write to whoever looks after a key, in the transaction of what happened to it.

    What happened is recorded once, and so the letter is written once. It names nothing but the
    key and its organization: a reader there must not learn of anybody above.
    """
    subject = await queries.find_subject(grant, key_id)
    if subject is None:
        return
    letter = letter_of(subject)
    for keeper in await queries.list_keepers(grant, key_id):
        await post(
            grant.op,
            keeper.email,
            letter,
            language_of(keeper.country_code),
            organization_id=grant.organization_id,
            keeper_id=keeper.id,
        )
