"""T11: tokens and cursors changed in every way there is, and in thousands of random ones."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable, Iterator
from random import Random
from typing import NamedTuple

import pytest

from amounts import AMOUNTS, record_figure
from asgi import Answered, call
from world import World

RANDOM = Random(11)  # noqa: S311 - the same mutations every time
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


def flipped(good: bytes) -> Iterator[bytes]:
    """Each bit the other way round."""
    for at in range(len(good)):
        for bit in range(8):
            yield good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]


def cut(good: bytes) -> Iterator[bytes]:
    """Every length but its own, from both ends; and without any one byte."""
    for at in range(1, len(good)):
        yield from (good[:at], good[at:])
    yield from (good[:at] + good[at + 1 :] for at in range(len(good)))


def extended(good: bytes) -> Iterator[bytes]:
    """Any byte more at either end (a header's value begins and ends where its spaces do)."""
    for byte in set(range(256)) - {0x20}:
        yield from (good + bytes([byte]), bytes([byte]) + good)
    yield from (good + good, good + b"." + good, good * 40, good + b"A" * 100_000)


def reordered(good: bytes) -> Iterator[bytes]:
    """Its parts in any other order, twice, or left away."""
    parts = good.split(b".")
    for one in range(len(parts)):
        for other in range(len(parts)):
            if one != other:
                yield b".".join(parts[other] if at == one else p for at, p in enumerate(parts))
        yield b".".join(parts[:one] + parts[one + 1 :])
        yield b".".join([*parts[:one], b"", *parts[one + 1 :]])


def spelt_otherwise(good: bytes) -> Iterator[bytes]:
    """The same bytes in another base64: padded, in the other alphabet, with loose last bits."""
    yield from (good + b"=", good + b"==", good.replace(b"-", b"+").replace(b"_", b"/") + b"=")
    raw = urlsafe_b64decode(good.rpartition(b".")[2] + b"==")
    for byte in (b"\n", b"*", b"%", b" "):
        yield good[:9] + byte + good[9:]
    for last in ALPHABET[:64]:
        loose = good[:-1] + bytes([last])
        if urlsafe_b64decode(loose.rpartition(b".")[2] + b"==") == raw and loose != good:
            yield loose


def scrambled(goods: list[bytes]) -> Iterator[bytes]:
    """At random: bytes replaced, moved, doubled, dropped, or taken from another token."""
    while True:
        changed = bytearray(RANDOM.choice(goods))
        for _ in range(RANDOM.randint(1, 4)):
            at, to = RANDOM.randrange(len(changed)), RANDOM.randrange(len(changed))
            match RANDOM.randrange(5):
                case 0:
                    changed[at] = RANDOM.choice(ALPHABET)
                case 1:
                    del changed[min(at, to) : max(at, to)]
                case 2:
                    changed[at:at] = changed[min(at, to) : max(at, to)]
                case 3:
                    changed[at:] = RANDOM.choice(goods)[at:]
                case _:
                    changed[at], changed[to] = changed[to], changed[at]
            changed = changed or bytearray(b"A")
        if changed.strip(b" ") not in goods:
            yield bytes(changed)


MUTATIONS: tuple[Callable[[bytes], Iterator[bytes]], ...] = (
    flipped,
    cut,
    extended,
    reordered,
    spelt_otherwise,
)


class Tried(NamedTuple):
    """How many were tried, and those that were not refused as they should be."""

    number: int
    wrong: list[str]


async def offer(world: World, tokens: Iterator[bytes], good: list[bytes], most: int) -> Tried:
    """Offer each as an access token."""
    number, wrong = 0, []
    for token in tokens:
        if number == most:
            break
        if token in good:
            continue
        number += 1
        raw = [(b"authorization", b"Bearer " + token)]
        answer = await call(world.app, "GET", "/api/v0/me", raw=raw)
        if answer.said != (401, None):
            wrong.append(f"{answer.said}: {token!r}")
    return Tried(number, wrong)


async def sessions(world: World) -> AsyncGenerator[bytes]:
    """Tokens that work, as /auth gave them: of both envs and two vendors."""
    for character in ("vendor_test", "vendor_live", "stranger_test", "shop_live"):
        key = world.keys[character]
        body = {name: key[name] for name in ("api_key", "api_secret")}
        answer = await call(world.app, "POST", "/api/v0/auth", body=body)
        yield answer.body["access_token"].encode()


@pytest.mark.timeout(1800)
async def test_no_changed_token_is_one(world: World) -> None:
    good = [token async for token in sessions(world)]
    for token in good:
        raw = [(b"authorization", b"Bearer " + token)]
        assert (await call(world.app, "GET", "/api/v0/me", raw=raw)).status == 200
    tried = [await offer(world, change(good[0]), good, 10**9) for change in MUTATIONS]
    tried.append(await offer(world, scrambled(good), good, AMOUNTS.token_mutations))
    number, wrong = sum(each.number for each in tried), [w for each in tried for w in each.wrong]
    assert min(each.number for each in tried) > 5
    record_figure("Tokens: changed ones that were accepted", f"{number} changed tokens", len(wrong))
    assert not wrong, "\n".join(wrong[:20])


LISTS = {
    "organizations": "/api/v0/organizations",
    "audit": "/api/v0/organizations/{vendor}/audit-log",
    "reach": "/api/v0/me/reach",
}


async def page(world: World, client: str, path: str, cursor: str, query: str = "") -> Answered:
    token = world.clients[client].headers["authorization"].removeprefix("Bearer ")
    query = f"limit=1&cursor={cursor}{query}"
    return await call(world.app, "GET", path.format(**world.ids), token=token, query=query)


async def cursors(world: World, client: str) -> dict[str, str]:
    """The cursor that each list of theirs hands out."""
    found = {}
    for name, path in LISTS.items():
        own = path.replace("{vendor}", "{" + client.partition("_")[0] + "}")
        answer = await page(world, client, own, "")
        found[name] = answer.body["next_cursor"]
    return found


def is_refused(answer: Answered) -> bool:
    """Whether it says that the cursor is none, or that the query could not be read at all."""
    if answer.status != 400:
        return False
    details = answer.body.get("details", [{}])
    return answer.said[1] == "E_BAD_REQUEST" or details[0].get("field") == "params.cursor"


@pytest.fixture
async def busy(world: World) -> World:
    """Everybody's lists have a second page."""
    for client in ("vendor_test", "vendor_live", "stranger_test"):
        for number in range(2):
            of = world.ids[client.partition("_")[0]]
            body = {"name": f"key-{number}", "status": "enabled"}
            answer = await world.clients[client].post(f"/organizations/{of}/api-keys", json=body)
            assert answer.status_code == 200
    return world


async def test_a_cursor_opens_its_own_list_for_its_own_reader_alone(busy: World) -> None:
    """Another vendor's, another env's, of another list, with another filter or order."""
    handed = {c: await cursors(busy, c) for c in ("vendor_test", "vendor_live", "stranger_test")}
    own = handed["vendor_test"]
    number = 0
    for name, path in LISTS.items():
        assert (await page(busy, "vendor_test", path, own[name])).status == 200
        foreign = [handed[other][name] for other in ("vendor_live", "stranger_test")]
        beside = [own[other] for other in LISTS if other != name]
        for cursor in (*foreign, *beside):
            number += 1
            assert is_refused(await page(busy, "vendor_test", path, cursor)), (name, cursor)
    asked = {
        "organizations": ("&env=LIVE", "&external_id=x", "&type=ORGANIZATION", "&order=desc"),
        "audit": ("&order=asc", "&event=api_key.created", "&since=1", "&outcome=done"),
    }
    for name, queries in asked.items():
        for query in queries:
            answer = await page(busy, "vendor_test", LISTS[name], own[name], query)
            assert is_refused(answer), (name, query)
    shop = LISTS["audit"].replace("vendor", "shop")
    assert is_refused(await page(busy, "vendor_test", shop, own["audit"]))
    assert number == 12


@pytest.mark.timeout(1800)
async def test_no_changed_cursor_is_one(busy: World) -> None:
    good = (await cursors(busy, "vendor_test"))["organizations"].encode()
    other = (await cursors(busy, "stranger_test"))["organizations"].encode()
    every = (each for change in MUTATIONS for each in change(good))
    drawn = scrambled([good, other])
    changed = [each for each in every if each not in (b"", good)]
    changed += [next(drawn) for _ in range(AMOUNTS.token_mutations // 10)]
    changed += [urlsafe_b64encode(RANDOM.randbytes(size)) for size in range(1, 60)]
    wrong = []
    for cursor in changed:
        text = "".join(f"%{byte:02x}" for byte in cursor)
        answer = await page(busy, "vendor_test", LISTS["organizations"], text)
        if not is_refused(answer):
            wrong.append(f"{answer.said}: {cursor!r}")
    figure = f"{len(changed)} changed cursors"
    record_figure("Cursors: changed ones that were accepted", figure, len(wrong))
    assert not wrong, "\n".join(wrong[:20])
