"""Every signing unit keeps the same promises, whatever it is made of."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import tokens
from simulated import simulate
from tillkeeper.core.env import Env
from tillkeeper.core.errors import SigningUnitUnavailable
from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import Algorithm, KeyOwner, SigningUnit
from tillkeeper.domains.signing.pkcs11 import Pkcs11Unit, Token
from tillkeeper.domains.signing.software import SoftwareUnit
from tillkeeper.surfaces.cli.tse_export import verify_export

needs_softhsm = pytest.mark.skipif(
    not tokens.is_to_be_had(), reason="needs SoftHSM2: apt-get install softhsm2"
)
CURVES = {Algorithm.P256: ec.SECP256R1(), Algorithm.P384: ec.SECP384R1()}
DIGESTS = {Algorithm.P256: hashes.SHA256(), Algorithm.P384: hashes.SHA384()}
DATA = b"what is signed"


@pytest.fixture(params=["software", pytest.param("pkcs11", marks=needs_softhsm)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(Algorithm))
async def unit(
    request: pytest.FixtureRequest, kind: str, keyring: Keyring
) -> AsyncGenerator[SigningUnit]:
    made: SigningUnit
    if kind == "software":
        made = SoftwareUnit(keyring, request.param)
    else:
        made = Pkcs11Unit(request.getfixturevalue("token"), request.param)
    yield made
    await made.close()


def someone(**changes: object) -> KeyOwner:
    return KeyOwner(uuid4(), Env.TEST, uuid4())._replace(**changes)  # type: ignore[arg-type]


def verify(algorithm: Algorithm, point: bytes, signature: bytes, data: bytes) -> None:
    size = algorithm.size_bytes
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[algorithm], point)
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(DIGESTS[algorithm]))


async def refused(work: Awaitable[object]) -> None:
    with pytest.raises(SigningUnitUnavailable) as caught:
        await work
    assert (caught.value.status, caught.value.retry_after_seconds) == (503, 5)


async def test_what_a_unit_signs_verifies_with_the_point(unit: SigningUnit) -> None:
    owner = someone()
    key = await unit.generate(owner)
    size = unit.algorithm.size_bytes
    assert (len(key.point), key.point[0]) == (2 * size + 1, 4)
    assert Algorithm.of_point(key.point) is unit.algorithm
    for _ in range(3):
        signature = await unit.sign(owner, key.sealed, DATA)
        assert len(signature) == 2 * size
        verify(unit.algorithm, key.point, signature, DATA)
        with pytest.raises(InvalidSignature):
            verify(unit.algorithm, key.point, signature, DATA + b"!")


async def test_a_key_signs_for_its_owner_and_nobody_else(unit: SigningUnit) -> None:
    """Each of the four names is a wall. The key was just used, so a cache must not open it."""
    owner = someone()
    key = await unit.generate(owner)
    await unit.sign(owner, key.sealed, DATA)
    for other in (
        owner._replace(organization_id=uuid4()),
        owner._replace(env=Env.LIVE),
        owner._replace(tss_id=uuid4()),
        owner._replace(version=2),
    ):
        await refused(unit.sign(other, key.sealed, DATA))
    verify(unit.algorithm, key.point, await unit.sign(owner, key.sealed, DATA), DATA)


async def test_no_two_keys_are_the_same(unit: SigningUnit) -> None:
    owner = someone()
    keys = [await unit.generate(owner) for _ in range(3)]
    assert len({key.point for key in keys}) == len({key.sealed for key in keys}) == 3
    for key in keys:
        verify(unit.algorithm, key.point, await unit.sign(owner, key.sealed, DATA), DATA)


async def test_what_was_changed_does_not_sign(unit: SigningUnit) -> None:
    owner = someone()
    key = await unit.generate(owner)
    for at in range(0, len(key.sealed), 5):
        changed = bytearray(key.sealed)
        changed[at] ^= 1
        await refused(unit.sign(owner, bytes(changed), DATA))
    await refused(unit.sign(owner, b"", DATA))


async def test_a_key_of_another_process_is_found(unit: SigningUnit, keyring: Keyring) -> None:
    owner = someone()
    key = await unit.generate(owner)
    other = (
        SoftwareUnit(keyring) if isinstance(unit, SoftwareUnit) else Pkcs11Unit(unit._token)  # type: ignore[attr-defined]  # noqa: SLF001 - the same token
    )
    signature = await other.sign(owner, key.sealed, DATA)
    verify(unit.algorithm, key.point, signature, DATA)
    await other.close()


async def test_tills_that_sign_at_once_do_not_mix(unit: SigningUnit) -> None:
    owners = [someone() for _ in range(8)]
    keys = [await unit.generate(owner) for owner in owners]
    work = [(each, f"{n} {each}".encode()) for each in range(8) for n in range(8)]
    signatures = await asyncio.gather(
        *(unit.sign(owners[each], keys[each].sealed, data) for each, data in work)
    )
    for (each, data), signature in zip(work, signatures, strict=True):
        verify(unit.algorithm, keys[each].point, signature, data)


async def test_an_export_that_a_unit_has_signed_verifies(unit: SigningUnit, tmp_path: Path) -> None:
    tse = await simulate(unit=unit)
    await tse.trade(2)
    assert verify_export(await tse.export(tmp_path / "export.tar")).transactions == 2


async def test_destroying_twice_is_no_refusal(unit: SigningUnit) -> None:
    owner = someone()
    key = await unit.generate(owner)
    await unit.sign(owner, key.sealed, DATA)
    await unit.destroy(owner, key.sealed)
    await unit.destroy(owner, key.sealed)


async def test_a_rotated_pepper_leaves_old_keys_at_work() -> None:
    owner, first, second = someone(), b"1" * 32, b"2" * 32
    key = await SoftwareUnit(Keyring({1: first})).generate(owner)
    both = SoftwareUnit(Keyring({1: first, 2: second}))
    verify(Algorithm.P256, key.point, await both.sign(owner, key.sealed, DATA), DATA)
    younger = await both.generate(owner)
    alone = SoftwareUnit(Keyring({2: second}))
    verify(Algorithm.P256, younger.point, await alone.sign(owner, younger.sealed, DATA), DATA)
    await refused(alone.sign(owner, key.sealed, DATA))
    await refused(SoftwareUnit(Keyring({1: second})).sign(owner, key.sealed, DATA))


async def test_the_private_key_is_not_in_what_is_stored(keyring: Keyring) -> None:
    owner = someone()
    unit = SoftwareUnit(keyring)
    key = await unit.generate(owner)
    private = unit._key(owner, key.sealed)  # noqa: SLF001 - to look for it
    secret = private.private_numbers().private_value.to_bytes(32, "big")
    assert secret not in key.sealed
    assert b"pepper" not in key.sealed


async def test_open_keys_are_bounded(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tillkeeper.domains.signing.software._OPEN_AT_MOST", 2)
    unit, owners = SoftwareUnit(keyring), [someone() for _ in range(3)]
    keys = [await unit.generate(owner) for owner in owners]
    for owner, key in [*zip(owners, keys, strict=True)] * 2:
        verify(Algorithm.P256, key.point, await unit.sign(owner, key.sealed, DATA), DATA)
        assert len(unit._open) <= 2  # noqa: SLF001 - what is bounded


@needs_softhsm
async def test_a_destroyed_key_is_gone_from_its_token(token: Token) -> None:
    unit, owner = Pkcs11Unit(token), someone()
    key, kept = await unit.generate(owner), await unit.generate(owner)
    await unit.destroy(owner, key.sealed)
    await refused(unit.sign(owner, key.sealed, DATA))
    verify(Algorithm.P256, kept.point, await unit.sign(owner, kept.sealed, DATA), DATA)
    await unit.close()


@needs_softhsm
async def test_a_lost_session_is_opened_again(token: Token) -> None:
    unit, owner = Pkcs11Unit(token), someone()
    key = await unit.generate(owner)
    await unit.sign(owner, key.sealed, DATA)
    assert unit._session is not None  # noqa: SLF001 - what a token that was away does to it
    unit._session.close()  # noqa: SLF001
    verify(Algorithm.P256, key.point, await unit.sign(owner, key.sealed, DATA), DATA)
    await unit.close()


@needs_softhsm
@pytest.mark.parametrize("wrong", [{"label": "another"}, {"module": "/nowhere.so"}])
async def test_a_token_that_is_not_there_is_unavailable(
    token: Token, wrong: dict[str, str]
) -> None:
    unit = Pkcs11Unit(replace(token, **wrong))
    await refused(unit.generate(someone()))
    await unit.close()


def test_nothing_that_is_printed_shows_the_pin() -> None:
    assert "1234" not in repr(Token("module", "label", "1234"))


@needs_softhsm
async def test_a_wrong_pin_is_tried_once(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token counts wrong PINs and locks itself; without `_is_pin_refused` each call is a try."""
    unit = Pkcs11Unit(replace(token, pin="wrong"))
    await refused(unit.generate(someone()))
    monkeypatch.setattr(unit, "_token", token)
    await refused(unit.generate(someone()))
    await unit.close()
