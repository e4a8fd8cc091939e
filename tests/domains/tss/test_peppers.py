"""A pepper goes when no TSS needs it any more, and not before."""

from uuid import uuid4

from tillkeeper.access.peppers import count_pepper_needs
from tillkeeper.core.env import Env
from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import KeyOwner
from tillkeeper.domains.signing.sealing import pepper_of
from tillkeeper.domains.signing.software import SoftwareUnit
from tills import Till
from world import World


async def needs(world: World, version: int) -> int:
    return next(n.count for n in await count_pepper_needs(world.house, version) if n.need == "TSS")


async def test_a_tss_needs_the_pepper_that_its_key_is_sealed_under(world: World) -> None:
    before = await needs(world, 1), await needs(world, 7)
    await Till(world.shop_live).open()
    assert (await needs(world, 1), await needs(world, 7)) == (before[0] + 1, before[1])


async def test_a_unit_that_takes_up_another_pepper_signs_with_both() -> None:
    old = Keyring({1: b"pepper" * 6})
    unit, owner = SoftwareUnit(old), KeyOwner(uuid4(), Env.LIVE, uuid4())
    before = await unit.generate(owner)
    unit.take_up(Keyring({**old.peppers, 2: b"fresh!" * 6}, activated=2))
    after = await unit.generate(owner)
    assert (pepper_of(before.sealed), pepper_of(after.sealed)) == (1, 2)
    for key in (before, after):
        assert len(await unit.sign(owner, key.sealed, b"signed")) == 64
