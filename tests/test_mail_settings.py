"""TILLKEEPER_MAIL: where mail goes, and what is refused before anybody waits for a letter."""

from pathlib import Path

import pytest

from tillkeeper.core.mail import Smtp
from tillkeeper.settings import SettingsRefusal, read_settings


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("console", "console"),
        ("none", "none"),
        ("/var/mail/tills", Path("/var/mail/tills")),
        ("smtp://mail.example", Smtp("mail.example", 587, "upgraded")),
        ("smtp://u:p%40ss@mail.example:25", Smtp("mail.example", 25, "upgraded", "u", "p@ss")),
        ("smtps://mail.example", Smtp("mail.example", 465, "from the start")),
        ("smtp://127.0.0.1:1025", Smtp("127.0.0.1", 1025, "none")),
        ("smtp://[::1]:1025", Smtp("::1", 1025, "none")),
    ],
)
def test_a_route_is_read(text: str, route: object) -> None:
    assert read_settings({"TILLKEEPER_MAIL": text}).mail_route == route


def test_without_a_route_letters_stay_in_the_data_directory() -> None:
    settings = read_settings({"TILLKEEPER_DATA_DIR": "/data"})
    assert settings.mail_route == Path("/data/mailbox")


@pytest.mark.parametrize(
    "text", ["http://mail.example", "smtp://", "smtp://u:s3cret@mail.example:port", "smtps://a/b"]
)
def test_a_wrong_route_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(SettingsRefusal, match="TILLKEEPER_MAIL") as refused:
        read_settings({"TILLKEEPER_MAIL": text})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("text", ["nobody", "Name <>", "a b"])
def test_a_sender_without_an_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsRefusal, match="TILLKEEPER_MAIL_FROM"):
        read_settings({"TILLKEEPER_MAIL_FROM": text})


def test_a_password_is_not_printed() -> None:
    assert "s3cret" not in repr(read_settings({"TILLKEEPER_MAIL": "smtp://u:s3cret@m"}).mail_route)
