"""T11: everything that looks like a token and is none."""

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from uuid import uuid4

import httpx
import pytest
from msgspec import json, structs

from tillkeeper.access.identity import Credential, Signer, issue
from tillkeeper.core.env import Env
from tillkeeper.core.secrets import Keyring
from world import World, said

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def token_of(client: httpx.AsyncClient) -> str:
    return client.headers["authorization"].removeprefix("Bearer ")


async def refused(world: World, tokens: Iterable[str]) -> int:
    """Try each as an access token, and return how many there were: all are refused."""
    number = 0
    for token in tokens:
        headers = {"authorization": f"Bearer {token}"}
        answer = await world.nobody.get("/me", headers=headers)
        assert said(answer) == (401, None), token
        assert answer.headers["www-authenticate"] == "Bearer"
        number += 1
    return number


def credential_of(world: World, character: str = "vendor_test", **other: object) -> Credential:
    name, _, env = character.rpartition("_")
    good = issue(
        kind="key",
        actor_id=world.keys[character]["id"],
        organization_id=world.ids[name],
        env=Env(env.upper()),
        now=int(time.time()),
        seconds=60,
    )
    return structs.replace(good, **other)


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(world: World, header: bytes, payload: bytes, label: str = "access token TEST") -> str:
    """Sign as the service does, whatever the payload says."""
    text = f"{encode(header)}.{encode(payload)}"
    key = world.house.keyring.derive(label, 1)
    return f"{text}.{encode(hmac.digest(key, text.encode(), 'sha256'))}"


def header_of(token: str) -> bytes:
    header = token.partition(".")[0]
    return urlsafe_b64decode(header + "=" * (-len(header) % 4))


async def test_the_tokens_forged_here_would_pass_but_for_what_is_forged(world: World) -> None:
    header, credential = header_of(token_of(world.vendor_test)), credential_of(world)
    token = signed(world, header, json.encode(credential))
    answer = await world.nobody.get("/me", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert token == Signer(world.house.keyring).sign("access", credential)


async def test_a_token_with_any_other_character_is_refused(world: World) -> None:
    good = token_of(world.vendor_test)
    flipped = (
        good[:at] + ALPHABET[(ALPHABET.find(character) + step) % 64] + good[at + 1 :]
        for step in (1, 32)
        for at, character in enumerate(good)
    )
    assert await refused(world, flipped) == 2 * len(good)


async def test_a_token_of_any_other_length_is_refused(world: World) -> None:
    good = token_of(world.vendor_test)
    assert await refused(world, (good[:length] for length in range(1, len(good)))) > 300
    await refused(world, (good[length:] for length in range(1, len(good))))
    await refused(world, (good + more for more in ("A", "=", ".", ".A", "==", "." + good, good)))
    await refused(world, (more + good for more in ("A", ".", "=", good + ".")))
    await refused(world, [good * 3, "A" * 1025, "A" * 100_000, "." * 400])


async def test_no_other_header_is_accepted(world: World) -> None:
    header, payload, signature = token_of(world.vendor_test).split(".")
    others = [
        header_of(token_of(world.vendor_live)),
        b'{"alg":"none"}',
        b'{"alg":"none","typ":"at+jwt","kid":"TEST-1"}',
        b'{"alg":"None","typ":"at+jwt","kid":"TEST-1"}',
        b'{"alg":"HS512","typ":"at+jwt","kid":"TEST-1"}',
        b'{"alg":"RS256","typ":"at+jwt","kid":"TEST-1"}',
        b'{"alg":"HS256","typ":"rt+jwt","kid":"TEST-1"}',
        b'{"alg":"HS256","typ":"JWT","kid":"TEST-1"}',
        b'{"alg":"HS256","typ":"at+jwt","kid":"TEST-2"}',
        b'{"alg":"HS256","typ":"at+jwt","kid":"TEST-0"}',
        b'{"alg":"HS256","typ":"at+jwt","kid":"../../dev/null"}',
        b'{"alg":"HS256","typ":"at+jwt","kid":"TEST-1","jku":"https://example.org"}',
        b'{"typ":"at+jwt","alg":"HS256","kid":"TEST-1"}',
        b'{"alg":"HS256", "typ":"at+jwt","kid":"TEST-1"}',
        b"[]",
        b"",
    ]
    content = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    await refused(world, (f"{encode(other)}.{payload}.{signature}" for other in others))
    await refused(world, (f"{encode(other)}.{payload}." for other in others))
    await refused(world, (signed(world, other, content) for other in others))
    await refused(
        world, [f"{header}.{payload}", f"{header}..{signature}", f".{payload}.{signature}"]
    )


async def test_a_refresh_token_is_no_access_token_and_the_reverse(world: World) -> None:
    key = {name: world.keys["vendor_test"][name] for name in ("api_key", "api_secret")}
    session = (await world.nobody.post("/auth", json=key)).json()
    await refused(world, [session["refresh_token"]])
    answer = await world.nobody.post("/auth", json={"refresh_token": session["access_token"]})
    assert said(answer) == (401, None)
    answer = await world.nobody.post("/auth", json={"refresh_token": session["refresh_token"]})
    assert answer.status_code == 200


async def test_a_refresh_token_that_was_touched_is_refused(world: World) -> None:
    good = Signer(world.house.keyring).sign("refresh", credential_of(world))
    touched = [
        good[:-1],
        good + "A",
        good[1:],
        good.replace(".", "", 1),
        good[:40] + "x" + good[41:],
    ]
    expired = credential_of(world, exp=int(time.time()))
    strange = Signer(Keyring({1: b"another" * 5})).sign("refresh", credential_of(world))
    for token in (*touched, Signer(world.house.keyring).sign("refresh", expired), strange):
        answer = await world.nobody.post("/auth", json={"refresh_token": token})
        assert said(answer) == (401, None), token


async def test_test_and_live_are_signed_with_keys_of_their_own(world: World) -> None:
    test, live = (header_of(token_of(world.clients[f"vendor_{env}"])) for env in ("test", "live"))
    as_live = json.encode(credential_of(world, env=Env.LIVE))
    as_test = json.encode(credential_of(world, env=Env.TEST))
    of_live = json.encode(credential_of(world, "vendor_live"))
    tokens = [
        signed(world, test, as_live),
        signed(world, test, of_live),
        signed(world, live, as_test),
        signed(world, live, of_live),
        signed(world, live, as_test, "access token LIVE"),
        signed(world, test, of_live, "access token LIVE"),
        signed(world, test, as_test, "refresh token TEST"),
    ]
    assert await refused(world, tokens) == len(tokens)


async def test_a_token_ends_on_the_second(world: World) -> None:
    signer, now = Signer(world.house.keyring), int(time.time())
    ends = (now - 1, now, 0, -1, -(2**62))
    await refused(world, (signer.sign("access", credential_of(world, exp=end)) for end in ends))


async def test_a_token_from_the_future_is_refused(world: World) -> None:
    """Instances that share a pepper need not agree on the second: half a minute is forgiven."""
    signer, now = Signer(world.house.keyring), int(time.time())
    ahead = (issued_ahead(world, seconds) for seconds in (33, 60, 3600, 2**40, 2**62))
    await refused(world, (signer.sign("access", each) for each in ahead))
    for seconds in (0, 5, 29):
        token = signer.sign("access", issued_ahead(world, seconds))
        answer = await world.nobody.get("/me", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200, seconds
    refresh = signer.sign("refresh", issued_ahead(world, 3600))
    answer = await world.nobody.post("/auth", json={"refresh_token": refresh})
    assert said(answer) == (401, None)
    assert signer.read("access", signer.sign("access", issued_ahead(world, 0)), now).iat >= now


def issued_ahead(world: World, seconds: int) -> Credential:
    issued = int(time.time()) + seconds
    return credential_of(world, iat=issued, exp=issued + 3600)


async def test_a_payload_is_written_in_one_way_alone(world: World) -> None:
    """What two readers could understand differently was not written by this installation."""
    header = header_of(token_of(world.vendor_test))
    good = json.encode(credential_of(world))
    foreign = str(world.stranger).encode()
    claims = [
        good.replace(b"{", b'{"sub":"' + foreign + b'",', 1),
        good.replace(b"}", b',"organization_id":"' + foreign + b'"}'),
        good.replace(b"}", b',"env":"TEST"}'),
        good.replace(b"}", b',"admin":true}'),
        good.replace(b":", b": "),
        good + b" ",
        good.replace(b'"TEST"', b'"T\\u0045ST"'),
        json.encode(dict(sorted(json.decode(good).items()))),
    ]
    tokens = [signed(world, header, each) for each in claims]
    text = encode(good)
    spellings = [text + "=", text + "==", text[:9] + "*" + text[9:], text[:9] + "\n" + text[9:]]
    loose = [text[:-1] + other for other in ALPHABET if other != text[-1]]
    key = world.house.keyring.derive("access token TEST", 1)
    for payload in (*spellings, *loose):
        start = f"{encode(header)}.{payload}"
        tokens.append(f"{start}.{encode(hmac.digest(key, start.encode(), 'sha256'))}")
    assert await refused(world, tokens) == len(claims) + 4 + 63


async def test_a_token_of_another_installation_is_refused(world: World) -> None:
    for peppers in ({1: b"another" * 5}, {2: b"pepper" * 6}, {1: b"another" * 5, 2: b"pepper" * 6}):
        await refused(world, [Signer(Keyring(peppers)).sign("access", credential_of(world))])


async def test_a_retired_pepper_still_reads_and_a_removed_one_does_not(world: World) -> None:
    old, new = Keyring({1: b"pepper" * 6}), Keyring({1: b"pepper" * 6, 2: b"fresh!" * 6})
    token = Signer(old).sign("access", credential_of(world))
    assert Signer(new).read("access", token, time.time()).env is Env.TEST
    await refused(world, [Signer(new).sign("access", credential_of(world))])


async def test_a_well_signed_token_that_says_something_else_is_refused(world: World) -> None:
    header = header_of(token_of(world.vendor_test))
    good = json.decode(json.encode(credential_of(world)))
    wrong: list[object] = [
        good | {"iss": "somebody"},
        good | {"kind": "operator"},
        good | {"kind": "user"},
        good | {"sub": "vendor"},
        good | {"sub": str(uuid4())},
        good | {"organization_id": str(world.shop)},
        good | {"organization_id": str(world.stranger)},
        good | {"organization_id": None},
        good | {"env": "test"},
        good | {"exp": "never"},
        good | {"exp": 1e300},
        {name: value for name, value in good.items() if name != "exp"},
        {},
        [],
        None,
    ]
    assert await refused(world, (signed(world, header, json.encode(each)) for each in wrong)) == 15
    garbage = [b"", b"{", b"\xff\xfe", b"[" * 500, b"null", b'{"iss":"tillkeeper"']
    await refused(world, (signed(world, header, each) for each in garbage))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Basic {}",
        "Token {}",
        "Bearer: {}",
        "Bearer {} {}",
        "Bearer Bearer {}",
        "{}",
        'Bearer "{}"',
        "Bearer {},",
        "Bearer\t{}",
        "Bearer {}\x00",
        "Bearer \xe4{}",
        "Bearer {}\xa0x",
        "Bearer {}\xa0",
        "Bearer {}\x85",
        "Bearer \x1c{}",
    ],
)
async def test_a_token_stands_alone_behind_bearer(world: World, value: str) -> None:
    header = value.replace("{}", token_of(world.vendor_test)).encode("latin-1")
    answer = await world.nobody.get("/me", headers=[(b"authorization", header)])
    assert said(answer) == (401, None)


async def test_two_authorization_headers_are_refused_even_when_they_agree(world: World) -> None:
    good = f"Bearer {token_of(world.vendor_test)}"
    other = f"Bearer {token_of(world.vendor_live)}"
    for pair in ((good, good), (good, other), (good, ""), ("", good), ("Basic x", good)):
        headers = [("authorization", value) for value in pair]
        for path in ("/me", "/organizations", f"/organizations/{world.shop}"):
            answer = await world.nobody.get(path, headers=headers)
            assert said(answer) == (400, "E_BAD_REQUEST")


async def test_a_token_in_the_query_the_body_or_a_cookie_is_none(world: World) -> None:
    token = token_of(world.vendor_test)
    for answer in (
        await world.nobody.get("/me", params={"access_token": token, "token": token}),
        await world.nobody.get("/me", headers={"cookie": f"access_token={token}"}),
        await world.nobody.get("/me", headers={"x-authorization": f"Bearer {token}"}),
        await world.nobody.post("/organizations", json={"access_token": token}),
    ):
        assert said(answer) == (401, None)
