"""The authorities of an installation, and the certificates of its TSS."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tillkeeper.access.operation import House
from tillkeeper.access.operator import do_chore
from tillkeeper.access.policy import Grant, require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.core.errors import SigningUnitUnavailable
from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import Algorithm, KeyOwner
from tillkeeper.domains.signing import certificates, names
from tillkeeper.domains.signing.actions import Certified, certify, find_chain
from tillkeeper.domains.signing.messages import serial_number_of
from tillkeeper.domains.signing.private_keys import point_of
from tillkeeper.domains.signing.software import SoftwareUnit
from world import Connection

NOW = datetime.now(UTC).replace(microsecond=0)
COUNT = "SELECT count(*) FROM signing_authorities WHERE env = $1::env"


@pytest.fixture(autouse=True)
async def _no_authorities(owner: Connection) -> None:
    """As an installation begins."""
    await owner.execute("DELETE FROM signing_authorities")


@asynccontextmanager
async def granted(house: House, env: Env, now: datetime = NOW) -> AsyncGenerator[Grant]:
    organization_id = uuid4()
    async with do_chore(house, organization_id, env) as op:
        op.now = now
        yield await require(op, Right.ORGANIZATION_READ, organization_id)


async def make(
    house: House, env: Env = Env.TEST, now: datetime = NOW, algorithm: Algorithm = Algorithm.P256
) -> tuple[bytes, Certified]:
    unit = SoftwareUnit(house.keyring, algorithm)
    async with granted(house, env, now) as grant:
        key = await unit.generate(KeyOwner(grant.organization_id, env, UUID(int=1)))
        return key.point, await certify(grant, key.point)


def load(certified: Certified) -> list[x509.Certificate]:
    chain = certified.chain
    ders = (certified.certificate, chain.issuer_certificate, chain.root_certificate)
    return [x509.load_der_x509_certificate(der) for der in ders]


def common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.mark.parametrize("env", list(Env))
@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_openssl_verifies_the_chain(
    house: House, tmp_path: Path, env: Env, algorithm: Algorithm
) -> None:
    _, certified = await make(house, env, algorithm=algorithm)
    for name, each in zip(("tss", "issuer", "root"), load(certified), strict=True):
        (tmp_path / name).write_bytes(each.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root"]
    command += ["-untrusted", "issuer", "tss"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)  # noqa: ASYNC221, S603 - our own words
    assert done.stdout == b"tss: OK\n", done.stderr


@pytest.mark.parametrize("env", list(Env))
async def test_each_is_named_after_its_own_key_and_says_what_it_is_not(
    house: House, env: Env
) -> None:
    point, certified = await make(house, env)
    for each in load(certified):
        public = each.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        own = serial_number_of(point_of(public))
        assert common_name(each.subject) == own
        assert certificates.file_name(each.public_bytes(Encoding.DER)) == f"{own}_X509.der"
        said = each.subject.rfc4514_string()
        assert f"{env} simulator\\, not certified" in said
    assert common_name(load(certified)[0].subject) == serial_number_of(point)


async def test_only_authorities_may_certify_and_only_a_tss_signs(house: House) -> None:
    _, certified = await make(house)
    tss, issuer, root = load(certified)
    for each in (issuer, root):
        usage = each.extensions.get_extension_for_class(x509.KeyUsage)
        assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (
            True,
            True,
            False,
        )
    usage = tss.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (
        True,
        False,
        True,
    )
    assert not tss.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


async def test_serial_numbers_are_random(house: House) -> None:
    serials = [each.serial_number for _ in range(3) for each in load((await make(house))[1])[:1]]
    assert len(set(serials)) == 3
    assert min(serials).bit_length() > 64


@pytest.mark.parametrize(("env", "years"), [(Env.TEST, 1), (Env.LIVE, 8)])
async def test_a_certificate_is_valid_today_and_for_its_years(
    house: House, env: Env, years: int
) -> None:
    _, certified = await make(house, env)
    for each in load(certified):
        assert each.not_valid_before_utc <= NOW - timedelta(hours=12)
        assert each.not_valid_after_utc >= NOW + timedelta(days=365 * years)
    assert load(certified)[0].not_valid_after_utc == NOW + timedelta(days=365 * years)


async def test_one_authority_serves_every_tss_of_its_env(house: House, owner: Connection) -> None:
    chains = [(await make(house, env))[1].chain for env in (Env.TEST, Env.TEST, Env.LIVE)]
    assert chains[0] == chains[1]
    assert chains[0].issuer_certificate != chains[2].issuer_certificate
    assert chains[0].root_certificate != chains[2].root_certificate
    assert [await owner.fetchval(COUNT, env) for env in Env] == [1, 1]


async def test_two_processes_that_begin_at_once_make_one(house: House, owner: Connection) -> None:
    """ON CONFLICT … DO NOTHING in `add_signing_authority`: without it one of them fails."""
    async with granted(house, Env.TEST) as first:
        point = (await SoftwareUnit(house.keyring).generate(_someone())).point
        made = await certify(first, point)
        second = asyncio.create_task(make(house))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
        async with asyncio.timeout(0.9):
            # The database rings no bell for those who wait, so it is asked again and again.
            while not await owner.fetchval(waiting, first.tx.get_server_pid()):  # noqa: ASYNC110
                await asyncio.sleep(0)
    _, certified = await second
    assert certified.chain == made.chain
    assert await owner.fetchval(COUNT, Env.TEST) == 1


def _someone() -> KeyOwner:
    return KeyOwner(uuid4(), Env.TEST, uuid4())


async def test_what_is_rolled_back_leaves_no_authority(house: House, owner: Connection) -> None:
    async with granted(house, Env.TEST) as grant:
        await certify(grant, (await house.unit.generate(_someone())).point)
        await grant.tx.execute("ROLLBACK")
    assert await owner.fetchval(COUNT, Env.TEST) == 0


async def test_nobody_outlives_whoever_vouches_for_them(house: House, owner: Connection) -> None:
    """Year by year: each new TSS ends before its issuer, each issuer before its root."""
    roots = set()
    for year in range(0, 40, 4):
        _, certified = await make(house, Env.LIVE, NOW + timedelta(days=365 * year))
        tss, issuer, root = load(certified)
        assert tss.not_valid_after_utc <= issuer.not_valid_after_utc <= root.not_valid_after_utc
        assert tss.not_valid_before_utc >= issuer.not_valid_before_utc >= root.not_valid_before_utc
        roots.add(certified.chain.root_certificate)
    assert await owner.fetchval(COUNT, Env.LIVE) == 4
    assert len(roots) == 2


async def test_older_tss_keep_their_chain(house: House) -> None:
    _, first = await make(house, Env.LIVE)
    _, second = await make(house, Env.LIVE, NOW + timedelta(days=365 * 12))
    async with granted(house, Env.LIVE) as grant:
        for each in (first, second):
            assert await find_chain(grant.tx, each.certificate) == each.chain
    assert first.chain != second.chain


async def test_a_rotated_pepper_makes_another_issuer_under_the_same_root(house: House) -> None:
    old = house.keyring.peppers[1]
    both = replace(house, keyring=Keyring({1: old, 2: b"2" * 32}))
    alone = replace(house, keyring=Keyring({2: b"2" * 32}))
    chains = [(await make(each))[1].chain for each in (house, both, both, alone)]
    assert chains[1] == chains[2] == chains[3]
    assert chains[0].issuer_certificate != chains[1].issuer_certificate
    assert chains[0].root_certificate == chains[1].root_certificate
    assert (await make(house))[1].chain == chains[0], "a process of before still certifies"


async def test_a_lost_pepper_refuses_instead_of_making_another_authority(
    house: House, owner: Connection
) -> None:
    await make(house)
    with pytest.raises(SigningUnitUnavailable):
        await make(replace(house, keyring=Keyring({1: b"another" * 5})))
    assert await owner.fetchval(COUNT, Env.TEST) == 1


async def test_test_holds_no_key_of_live(house: House, owner: Connection) -> None:
    """The door looks at the env that was entered; the seal would not open in another either."""
    await make(house, Env.LIVE)
    await owner.execute("UPDATE signing_authorities SET env = 'TEST'")
    with pytest.raises(SigningUnitUnavailable):
        await make(house, Env.TEST)
    stored = await owner.fetchval("SELECT root_key || issuer_key FROM signing_authorities")
    assert b"pepper" not in stored


def test_every_name_says_that_it_is_a_simulator() -> None:
    tss_id = UUID(int=7)
    info = names.info_csv('Till "1"', "software").decode()
    assert info.startswith('"description:","Till ""1""","manufacturer:","Tillkeeper (simulator, ')
    assert '"version:","Tillkeeper software unit ' in info
    assert not info.endswith("\n")
    for said in (
        info,
        names.MANUFACTURER,
        names.unit_version("pkcs11"),
        names.default_description(tss_id),
        names.BSI_CERTIFICATION_ID.replace("-", " "),
    ):
        assert "simulator" in said.lower()
        assert "not certified" in said.lower()
    assert len(names.default_description(tss_id)) <= 100
