"""A till on every unit and curve that settings can choose."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

import tokens
from journals import journal_of
from leaks import serve
from tillkeeper.core.signing_units import Algorithm, SigningUnit
from tillkeeper.domains.signing.pkcs11 import Pkcs11Unit
from tillkeeper.domains.signing.software import SoftwareUnit
from tills import Till
from world import World, client_of

needs_softhsm = pytest.mark.skipif(
    not tokens.is_to_be_had(), reason="needs SoftHSM2: apt-get install softhsm2"
)


@pytest.fixture(params=["software", pytest.param("pkcs11", marks=needs_softhsm)])
async def unit(request: pytest.FixtureRequest, world: World) -> AsyncGenerator[SigningUnit]:
    made: SigningUnit = SoftwareUnit(world.house.keyring)
    if request.param == "pkcs11":
        made = Pkcs11Unit(request.getfixturevalue("token"))
    yield made
    await made.close()


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_a_till_runs_on_every_unit_and_curve(
    world: World, unit: SigningUnit, algorithm: Algorithm
) -> None:
    unit.algorithm = algorithm
    app = serve(world.app, replace(world.house, unit=unit))
    async with client_of(app) as client:
        client.headers["authorization"] = world.shop_test.headers["authorization"]
        till = await Till(client).open()
        sales = await asyncio.gather(*(till.sell() for _ in range(8)))
        assert sorted(sold["number"] for sold in sales) == list(range(1, 9))
        assert {sold["signature"]["algorithm"] for sold in sales} == {algorithm}
        assert sales[0]["qr_code_data"].split(";")[8] == algorithm
        await till.lead("DISABLED")
    assert len(await journal_of(world.owner, till.tss_id)) == 27
