"""`tillkeeper keys check` finds what is ours, and nothing that only looks like it."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tillkeeper.core import secrets
from tillkeeper.core.env import Env
from tillkeeper.surfaces.cli.main import tillkeeper

DOCUMENT = Path(__file__).parents[3] / "docs/keys.md"
AROUND = ("{}", "secret={}\n", '{{"api_secret":"{}"}}', "https://till.example/?s={}&x=1", "({}).")


def check(text: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(tillkeeper, ["keys", "check", text], input=stdin)


@pytest.mark.parametrize("around", AROUND)
def test_every_minted_secret_is_found_whatever_stands_around_it(around: str) -> None:
    for _ in range(50):
        secret = secrets.mint_secret()
        found = check(around.format(secret))
        assert (found.exit_code, found.output.count("secret ")) == (0, 1)
        assert secret not in found.output


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("env", Env)
def test_every_minted_key_is_found_with_its_env(env: Env, around: str) -> None:
    for name in ("abc", "till-1", "x" * 30):
        key = secrets.mint_key_text(env, name)
        found = check(around.format(key))
        assert found.exit_code == 0
        assert f"key {key} ({env})" in found.output


def test_a_secret_with_one_wrong_character_is_none() -> None:
    secret = secrets.mint_secret()
    for place, character in enumerate(secret):
        other = "a" if character != "a" else "b"
        assert check(secret[:place] + other + secret[place + 1 :]).exit_code == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "x" * 43,
        "f" * 64,
        "test_short_till-1",
        "prod_0123456789abcdefghijklmno_till-1",
        "contest_0123456789abcdefghijklmno_till-1",
        "test_0123456789abcdefghijklmno_ab",
    ],
)
def test_what_is_not_ours_is_not_named(text: str) -> None:
    assert (check(text).exit_code, check(text).output) == (1, "")


def test_a_secret_within_a_longer_word_is_none() -> None:
    secret = secrets.mint_secret()
    assert check(f"x{secret}").exit_code == check(f"{secret}x").exit_code == 1


def test_standard_input_is_read_with_lines_and_columns_even_where_it_is_no_text() -> None:
    key, secret = secrets.mint_key_text(Env.LIVE, "till-1"), secrets.mint_secret()
    found = check("-", b"\xff\xfe\n" + f"a {key} {secret}\n".encode())
    places = [line.partition(" ")[0] for line in found.output.splitlines()]
    assert (found.exit_code, places) == (0, ["2:3:", f"2:{4 + len(key)}:"])
    assert check("-", "").exit_code == 1


def test_the_published_expressions_are_those_in_use() -> None:
    text = DOCUMENT.read_text("utf-8")
    rows = dict(re.findall(r"^\| (key|secret) \| `(.+)` \|$", text, re.MULTILINE))
    assert {name: each.replace("\\|", "|") for name, each in rows.items()} == {
        "key": secrets.KEY_PATTERN.pattern,
        "secret": secrets.SECRET_PATTERN.pattern,
    }
