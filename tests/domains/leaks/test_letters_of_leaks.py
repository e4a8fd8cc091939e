"""Whoever can act on a found secret is written to, once, and reads what became of it."""

import asyncio
from typing import Any

import pytest

from post_office import Letter, MailServer, collect, readers
from tillkeeper.core import secrets
from tillkeeper.domains.leaks.jobs import act_on_leaks
from world import World, hire

WORKS, CLOSED = "funktioniert weiterhin, auch für andere", "öffnet nichts mehr"
OLD_WORKS, OLD_ENDED = "schon ersetzt ist und noch funktioniert", "wurde sofort beendet"


async def report(world: World, secret: str) -> None:
    answer = await world.nobody.post("/keys/leaked", json={"text": f"Look: {secret}!"})
    assert answer.status_code == 200, answer.text


async def told(world: World, server: MailServer, character: str) -> list[Letter]:
    """Report a key's first secret, let the worker have its turn, and empty the mailboxes."""
    await report(world, world.keys[character]["api_secret"])
    await act_on_leaks(world.house)
    return await collect(world, server)


async def decide(world: World, policy: str, organization_id: object) -> None:
    path = f"/organizations/{organization_id}"
    answer = await world.vendor_live.patch(path, json={"leaked_key_policy": policy})
    assert answer.status_code == 200, answer.text


async def rotate(world: World, character: str, seconds: int) -> dict[str, Any]:
    of, _, env = character.partition("_")
    path = f"/organizations/{world.ids[of]}/api-keys/{world.keys[character]['id']}/rotate"
    body = {"overlap_seconds": seconds}
    answer = await world.clients[f"vendor_{env}"].post(path, json=body)
    assert answer.status_code == 200, answer.text
    rotated: dict[str, Any] = answer.json()
    return rotated


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("shop_live", ["shop_owner"]),
        ("shop_test", ["shop_owner"]),
        ("kiosk_live", ["vendor_admin", "vendor_owner"]),
        ("vendor_test", ["vendor_admin", "vendor_owner"]),
        ("stranger_live", []),
        ("foreign_live", []),
    ],
)
async def test_those_are_told_who_look_after_the_key(
    world: World, mail_server: MailServer, character: str, expected: list[str]
) -> None:
    await hire(world, "shop_member", "shop", "member")
    await hire(world, "stranger_billing", "stranger", "billing")
    letters = await told(world, mail_server, character)
    assert await readers(world, letters) == expected


@pytest.mark.parametrize(
    ("policy", "character", "said"),
    [
        (None, "shop_test", CLOSED),
        (None, "shop_live", WORKS),
        ("disable", "shop_live", CLOSED),
        ("report", "shop_test", WORKS),
    ],
)
async def test_a_letter_says_what_became_of_the_key_and_not_who_wished_it(
    world: World, mail_server: MailServer, policy: str | None, character: str, said: str
) -> None:
    if policy is not None:
        await decide(world, policy, world.vendor)
    [letter] = await told(world, mail_server, character)
    key = world.keys[character]
    for text in (said, key["api_key"], "first-key", "Shop"):
        assert text in letter.text
    for text in (key["api_secret"], "Vendor", "127.0.0.1"):
        assert text not in letter.text
    assert letter.subject == "Ein Geheimnis von Shop wurde gefunden"


async def test_a_key_that_was_disabled_before_is_not_said_to_work(
    world: World, mail_server: MailServer
) -> None:
    await decide(world, "report", world.vendor)
    path = f"/organizations/{world.shop}/api-keys/{world.keys['shop_live']['id']}"
    await world.vendor_live.patch(path, json={"status": "disabled"})
    [letter] = await told(world, mail_server, "shop_live")
    assert CLOSED in letter.text


@pytest.mark.parametrize(("policy", "said"), [("disable", OLD_ENDED), ("report", OLD_WORKS)])
async def test_after_a_rotation_a_letter_says_that_it_is_the_old_secret(
    world: World, mail_server: MailServer, policy: str, said: str
) -> None:
    await decide(world, policy, world.shop)
    rotated = await rotate(world, "shop_live", 3600)
    [letter] = await told(world, mail_server, "shop_live")
    assert said in letter.text
    assert rotated["secret"] not in letter.text


async def test_of_a_secret_that_is_nobodys_nothing_is_written(
    world: World, mail_server: MailServer
) -> None:
    await rotate(world, "shop_live", 0)
    await report(world, secrets.mint_secret())
    assert await told(world, mail_server, "shop_live") == []


async def test_within_an_hour_a_second_report_is_written_of_only_if_the_key_is_disabled_by_it(
    world: World, mail_server: MailServer
) -> None:
    await decide(world, "disable", world.shop)
    current = (await rotate(world, "shop_live", 3600))["secret"]
    assert len(await told(world, mail_server, "shop_live")) == 1
    assert await told(world, mail_server, "shop_live") == []
    for expected in ([CLOSED], []):
        await report(world, current)
        await act_on_leaks(world.house)
        letters = await collect(world, mail_server)
        assert [CLOSED for each in letters if CLOSED in each.text] == expected
        assert len(letters) == len(expected)


async def test_workers_that_act_at_once_write_once(world: World, mail_server: MailServer) -> None:
    """Fails without `if is_found or is_ended`: every report would be written of."""
    for character in ("shop_live", "shop_test"):
        for _ in range(5):
            await report(world, world.keys[character]["api_secret"])
            await asyncio.gather(*(act_on_leaks(world.house) for _ in range(4)))
    letters = await collect(world, mail_server)
    assert await readers(world, letters) == ["shop_owner"] * 2
    assert sum(WORKS in letter.text for letter in letters) == 1
