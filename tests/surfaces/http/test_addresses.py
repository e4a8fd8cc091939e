"""Whose address a request comes from, as the log of a key's use will show it."""

import pytest

from tillkeeper.core.networks import parse_networks
from tillkeeper.settings import SettingsRefusal, read_settings
from tillkeeper.surfaces.http.addresses import address_of

PROXIES = "10.0.0.0/8, ::1"


def address(client: str | None, *forwarded: str, proxies: str = PROXIES) -> str | None:
    scope = {
        "client": (client, 1234) if client else None,
        "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
    }
    return address_of(scope, parse_networks(proxies))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.1, 10.0.0.2",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6, nonsense, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("::1", ("2001:DB8:0::1",), "2001:db8::1"),
        ("::ffff:10.0.0.1", ("::ffff:198.51.100.1",), "198.51.100.1"),
        (None, ("198.51.100.1",), "198.51.100.1"),
        ("fe80::1%eth0", (), "fe80::1"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(
    client: str | None, forwarded: tuple[str, ...], expected: str
) -> None:
    assert address(client, *forwarded) == expected


def test_without_trusted_proxies_a_forwarded_address_is_ignored() -> None:
    assert address("10.0.0.1", "198.51.100.1", proxies="") == "10.0.0.1"
    assert address(None, "198.51.100.1", proxies="") is None


def test_a_network_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsRefusal, match="TILLKEEPER_TRUSTED_PROXIES"):
        read_settings({"TILLKEEPER_TRUSTED_PROXIES": "10.0.0.1/8"})
