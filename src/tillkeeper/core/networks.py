"""Addresses and networks of clients, in one spelling."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks behind commas, such as `10.0.0.0/8, ::1`; raise ValueError for others."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def canonical_address(text: str) -> str | None:
    """Return an address in its shortest form, IPv4 within IPv6 as IPv4; None for what is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def is_within(address: str, networks: tuple[Network, ...]) -> bool:
    """Tell whether one of the networks holds the address."""
    found = ip_address(address)
    return any(found in network for network in networks)


def network_of(address: str) -> str:
    """Return what one client can be taken for: an IPv4 address, the /64 of an IPv6 one."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found)
