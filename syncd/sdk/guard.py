"""SSRF guard: which addresses a connection may talk to, checked at connect time on the resolved address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

Resolve = Callable[[str, int], list[str]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_6TO4: Final = ipaddress.ip_network("2002::/16")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
_METADATA: Final = frozenset({"169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"})
# Global for some versions of Python, not for us: protocol assignments (a cloud metadata service answers on
# 192.0.0.192), 6to4 relays, local-use NAT64, site-local, documentation, segment routing.
_NEVER: Final = tuple(
    ipaddress.ip_network(net)
    for net in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "fec0::/10", "3fff::/20", "5f00::/16")
)


class AddressRefusedError(OSError):
    """The address is not allowed; the text is the same whatever stands behind it."""


def resolve_all(host: str, port: int) -> list[str]:
    """Return every address of `host`, in the resolver's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Refuses loopback, private, link-local, metadata and other special addresses.

    `private_hosts` are the host names (or literal addresses) that a connection allows by name, for
    on-premise systems. Such a name may lead to a private or loopback address; to a link-local one (where clouds
    keep their metadata) only when the address itself is named. `resolve` is an argument for tests.
    """

    private_hosts: frozenset[str] = frozenset()
    resolve: Resolve = field(default=resolve_all)

    def allows(self, host: str) -> bool:
        """Say whether the connection names `host` as one of its own."""
        return _plain(host) in {_plain(name) for name in self.private_hosts}

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses to connect to; AddressRefusedError when any of them is special and not allowed."""
        found = self.resolve(host, port)
        named = self.allows(host)
        if not found or not all(is_public(a) or (named and (self.allows(a) or _is_inside(a))) for a in found):
            raise AddressRefusedError(
                f"{host}: address refused; name the host under allow_private_hosts of the connection if it is yours"
            )
        return found


def is_public(address: str) -> bool:
    """Say whether `address` is an ordinary public one, also when it hides an IPv4 address inside IPv6."""
    ip = _parsed(address)
    if ip is None:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip in _NAT64):
        return all(map(_is_plain_public, _embedded(ip)))  # only a way to write, or to reach, the IPv4 address
    return all(_is_plain_public(inner) for inner in (ip, *_embedded(ip)))


def _plain(host: str) -> str:
    return host.lower().strip("[]").rstrip(".")


def _parsed(address: str) -> _Address | None:
    try:
        return ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return None


def _is_inside(address: str) -> bool:
    """Say whether `address` may be a machine of the house: private or loopback, shared, unique local."""
    ip = _parsed(address)
    if ip is None or ip.is_multicast or ip.is_unspecified:
        return False
    return not any(inner.is_link_local or str(inner) in _METADATA for inner in (ip, *_embedded(ip)))


def _is_plain_public(ip: _Address) -> bool:
    if str(ip) in _METADATA or any(ip in net for net in _NEVER if net.version == ip.version):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def _embedded(ip: _Address) -> Iterable[ipaddress.IPv4Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return
    if ip.ipv4_mapped:
        yield ip.ipv4_mapped
    if ip in _NAT64 or (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _6TO4 and ip.sixtofour:
        yield ip.sixtofour
    if ip.teredo:
        yield from ip.teredo
