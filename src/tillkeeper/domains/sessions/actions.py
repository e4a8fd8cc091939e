"""Opening a session: every way of being wrong answers the same."""

from datetime import UTC, datetime

from tillkeeper.access.identity import Credential, Signer, issue
from tillkeeper.access.limits import Cell
from tillkeeper.access.operation import House
from tillkeeper.core.addresses import compact_email
from tillkeeper.core.env import Env
from tillkeeper.core.errors import Overloaded, Unauthorized
from tillkeeper.core.rates import Lane
from tillkeeper.core.secrets import looks_minted
from tillkeeper.domains.sessions import queries
from tillkeeper.domains.sessions.queries import Login, Origin, Person
from tillkeeper.domains.sessions.wire import Claims, Credentials, Session
from tillkeeper.logs import log


async def authenticate(
    house: House, signer: Signer, offered: Credentials, origin: Origin
) -> Session:
    """Trade a credential for a pair of tokens; a failure is audited where it was aimed at.

    Failures count on the key or mail address that they were tried with, known or not. A key's right
    secret is never refused for them, because it cannot be guessed; a password waits, unhashed.

    The pair is a fresh one on each call. The refresh token does not rotate: it is bound to its
    credential, whose state is read at every use, and ends by itself.
    """
    now = datetime.now(UTC)
    found = await _identify(house, signer, offered, now, origin.address)
    if found is None:
        if offered.api_key is not None:
            failures = house.limits.leases_of(Cell(Lane.LOGIN, offered.api_key))
            await house.limits.spend(house.db, *failures)
        async with house.db.lend() as tx:
            await queries.record_refused_login(
                tx,
                origin,
                key=offered.api_key,
                email=compact_email(offered.email) if offered.email else None,
                now=now,
            )
        raise Unauthorized
    return _session(house, signer, found)


async def _identify(
    house: House, signer: Signer, offered: Credentials, now: datetime, address: str | None
) -> Credential | None:
    if offered.refresh_token is not None:
        return await _of_refresh_token(house, signer, offered.refresh_token, now, address)
    if offered.api_key is not None and offered.api_secret is not None:
        return await _of_key(house, offered.api_key, offered.api_secret, now, address)
    return await _of_person(house, offered, now)


async def _of_key(
    house: House, key: str, secret: str, now: datetime, address: str | None
) -> Credential | None:
    if not looks_minted(secret):
        return None
    keyring = house.keyring
    async with house.db.lend() as tx:
        digests = keyring.digests(secret)
        login = await queries.find_login(tx, key=key, digests=digests, address=address)
    if login is None:
        return None
    if keyring.is_newer(login.pepper_version):
        await _renew_secret(house, login, digests, keyring.digest(secret), keyring.active)
    return issue(
        kind="key",
        actor_id=login.id,
        organization_id=login.organization_id,
        env=login.env,
        now=int(now.timestamp()),
        seconds=house.access_token_seconds,
        generation=login.generation,
    )


async def _of_person(house: House, offered: Credentials, now: datetime) -> Credential | None:
    """Check the password first and whole, so that nothing before it tells who exists.

    It counts as a failure until it is known to be right: of guesses at once none is left out.
    """
    email = compact_email(offered.email or "")
    guesses = house.limits.leases_of(Cell(Lane.LOGIN, email))
    await house.limits.spend(house.db, *guesses)
    async with house.db.lend() as tx:
        person = await queries.find_person(tx, email=email)
    stored = person.password_digest if person else None
    if not await house.passwords.verify(stored, offered.password or "") or person is None:
        return None
    if stored is not None and house.passwords.is_outdated(stored):
        await _renew_password(house, person, offered.password or "")
    env = offered.env or offered.environment or Env.TEST
    async with house.db.lend() as tx:
        membership = await queries.find_membership(
            tx, person_id=person.id, organization_id=offered.organization_id, env=env
        )
    if membership is None:
        return None
    for guess in guesses:
        guess.left += 1
    return issue(
        kind="user",
        actor_id=person.id,
        organization_id=membership.organization_id,
        env=env,
        now=int(now.timestamp()),
        seconds=house.access_token_seconds,
    )


async def _renew_secret(
    house: House, login: Login, digests: list[bytes], digest: bytes, version: int
) -> None:
    """Store it under the active pepper. Where that fails the login stands: the next one tries."""
    try:
        async with house.db.lend() as tx:
            await queries.renew_secret(tx, login, digests=digests, digest=digest, version=version)
    except Overloaded:
        log.warning("secret.not_renewed")


async def _renew_password(house: House, person: Person, password: str) -> None:
    """Hash it anew under the active pepper. Where that fails the login stands."""
    try:
        new_digest = await house.passwords.hash(password)
        async with house.db.lend() as tx:
            await queries.renew_password(tx, person, new_digest)
    except Overloaded:
        log.warning("password.not_renewed")


async def _of_refresh_token(
    house: House, signer: Signer, token: str, now: datetime, address: str | None
) -> Credential | None:
    try:
        named = signer.read("refresh", token, now.timestamp())
    except Unauthorized:
        return None
    async with house.db.lend() as tx:
        if await queries.find_alive(tx, named, address) is None:
            return None
    return issue(
        kind=named.kind,
        actor_id=named.sub,
        organization_id=named.organization_id,
        env=named.env,
        now=int(now.timestamp()),
        seconds=house.access_token_seconds,
        generation=named.generation,
    )


def _session(house: House, signer: Signer, access: Credential) -> Session:
    refresh = issue(
        kind=access.kind,
        actor_id=access.sub,
        organization_id=access.organization_id,
        env=access.env,
        now=access.iat,
        seconds=house.refresh_token_seconds,
        generation=access.generation,
    )
    return Session(
        access_token=signer.sign("access", access),
        access_token_claims=Claims(
            env=access.env,
            organization_id=access.organization_id,
            user_id=access.sub if access.kind == "user" else None,
        ),
        access_token_expires_in=house.access_token_seconds,
        access_token_expires_at=access.exp,
        refresh_token=signer.sign("refresh", refresh),
        refresh_token_expires_in=house.refresh_token_seconds,
        refresh_token_expires_at=refresh.exp,
    )
