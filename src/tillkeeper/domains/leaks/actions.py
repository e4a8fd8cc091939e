"""Taking in what somebody has found."""

from datetime import UTC, datetime
from itertools import islice

from tillkeeper.access.operation import House
from tillkeeper.core.secrets import find_minted
from tillkeeper.domains.leaks import queries
from tillkeeper.domains.leaks.wire import LeakReceipt, LeakReport

_MOST_SECRETS = 100


async def report_leaked(
    house: House, report: LeakReport, *, operation_id: str, address: str | None, agent: str | None
) -> LeakReceipt:
    """Put the digests of all secrets in a text on the worker's list, a hundred at the most.

    Whose they are is asked later: the work and the answer are the same for every secret.
    """
    found = dict.fromkeys(each.text for each in find_minted(report.text) if each.kind == "secret")
    secrets = list(islice(found, _MOST_SECRETS))
    digests = [digest for secret in secrets for digest in house.keyring.digests(secret)]
    async with house.db.lend() as tx:
        await queries.report_leaks(
            tx,
            digests=digests,
            now=datetime.now(UTC),
            operation_id=operation_id,
            address=address,
            agent=agent,
        )
    return LeakReceipt(recognized=len(secrets), type="LEAK_RECEIPT")
