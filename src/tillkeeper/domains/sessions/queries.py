"""The doors that turn a credential into an identity, before anyone has entered."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Integer, LargeBinary, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, INET, TIMESTAMP

from tillkeeper.access.identity import Credential
from tillkeeper.access.queries import Entered, enter
from tillkeeper.core.env import Env
from tillkeeper.core.ids import mint_row_id
from tillkeeper.db.pool import Tx
from tillkeeper.schema import ENV
from tillkeeper.sql import execute, one_or_none


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from."""

    operation_id: str
    address: str | None
    agent: str | None


class Login(Struct, kw_only=True):
    """An enabled key whose secret was right."""

    id: UUID
    organization_id: UUID
    env: Env
    generation: int
    """Which of the key's secrets it was: a retiring one is a generation older."""
    pepper_version: int | None
    """Under which pepper that secret is stored; None: that was not kept yet."""


class Person(Struct, kw_only=True):
    """Somebody with this address; whether the password is right is still to be seen."""

    id: UUID
    password_digest: str | None


class Membership(Struct):
    """An organization that the person may enter."""

    organization_id: UUID


_FIND_LOGIN = one_or_none(
    select(
        func.find_login(
            bindparam("key", type_=Text),
            bindparam("digests", type_=ARRAY(LargeBinary)),
            bindparam("address", type_=INET),
        ).table_valued(*Login.__struct_fields__)
    ),
    Login,
)
_RENEW_SECRET = execute(
    select(
        func.renew_secret(
            bindparam("organization_id", type_=Uuid),
            bindparam("env", type_=ENV),
            bindparam("key_id", type_=Uuid),
            bindparam("digests", type_=ARRAY(LargeBinary)),
            bindparam("digest", type_=LargeBinary),
            bindparam("version", type_=Integer),
        )
    )
)
_RENEW_PASSWORD = execute(
    select(
        func.renew_password(
            bindparam("person_id", type_=Uuid),
            bindparam("old_digest", type_=Text),
            bindparam("new_digest", type_=Text),
        )
    )
)
_FIND_PERSON = one_or_none(
    select(func.find_person(bindparam("email", type_=Text)).table_valued("id", "password_digest")),
    Person,
)
_FIND_MEMBERSHIP = one_or_none(
    select(
        func.find_membership(
            bindparam("person_id", type_=Uuid),
            bindparam("organization_id", type_=Uuid),
            bindparam("env", type_=ENV),
        ).table_valued("organization_id")
    ),
    Membership,
)
_RECORD_REFUSED_LOGIN = execute(
    select(
        func.record_refused_login(
            bindparam("key", type_=Text),
            bindparam("email", type_=Text),
            bindparam("row_id", type_=Uuid),
            bindparam("now", type_=TIMESTAMP(timezone=True)),
            bindparam("operation_id", type_=Text),
            bindparam("address", type_=Text),
            bindparam("agent", type_=Text),
        )
    )
)


async def find_login(
    tx: Tx, *, key: str, digests: list[bytes], address: str | None
) -> Login | None:
    return await _FIND_LOGIN(tx, key=key, digests=digests, address=address)


async def renew_secret(
    tx: Tx, login: Login, *, digests: list[bytes], digest: bytes, version: int
) -> None:
    """Store the secret that has just logged in under another pepper, if it is still the key's."""
    await _RENEW_SECRET(
        tx,
        organization_id=login.organization_id,
        env=login.env,
        key_id=login.id,
        digests=digests,
        digest=digest,
        version=version,
    )


async def renew_password(tx: Tx, person: Person, new_digest: str) -> None:
    """Store the password that has just logged in anew, if it is still the person's."""
    await _RENEW_PASSWORD(
        tx, person_id=person.id, old_digest=person.password_digest, new_digest=new_digest
    )


async def find_person(tx: Tx, *, email: str) -> Person | None:
    return await _FIND_PERSON(tx, email=email)


async def find_membership(
    tx: Tx, *, person_id: UUID, organization_id: UUID | None, env: Env
) -> Membership | None:
    values = {"person_id": person_id, "organization_id": organization_id, "env": env}
    return await _FIND_MEMBERSHIP(tx, **values)


async def find_alive(tx: Tx, credential: Credential, address: str | None) -> Entered | None:
    """Find out whether what a token names may still enter."""
    return await enter(
        tx,
        credential,
        address=address,
        target=None,
        opening="narrow",
        claim=None,
        wanted_fingerprint=None,
    )


async def record_refused_login(
    tx: Tx, origin: Origin, *, key: str | None, email: str | None, now: datetime
) -> None:
    """Keep a failed login in the audit of whom it was tried for, if there is such a one."""
    await _RECORD_REFUSED_LOGIN(
        tx, key=key, email=email, row_id=mint_row_id(), now=now, **asdict(origin)
    )
