"""SSRF guard: which addresses a connection may talk to, checked at connect time on the resolved address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import httpcore
import httpx

Resolve = Callable[[str, int], list[str]]
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_6TO4: Final = ipaddress.ip_network("2002::/16")
# Protocol assignments (a cloud metadata service answers on 192.0.0.192) and 6to4 relays: global for Python, not for us.
_NEVER: Final = tuple(ipaddress.ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24"))


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
    on-premise systems. `resolve` is an argument for tests.
    """

    private_hosts: frozenset[str] = frozenset()
    resolve: Resolve = field(default=resolve_all)

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses to connect to; AddressRefusedError when any of them is special and not allowed."""
        found = self.resolve(host, port)
        if host.lower().strip("[]").rstrip(".") in self.private_hosts:
            return found
        if not found or not all(is_public(address) for address in found):
            raise AddressRefusedError(
                f"{host}: address refused; name the host under allow_private_hosts of the connection if it is yours"
            )
        return found


def is_public(address: str) -> bool:
    """Say whether `address` is an ordinary public one, also when it hides an IPv4 address inside IPv6."""
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    return all(_is_plain_public(inner) for inner in (ip, *_embedded(ip)))


def _is_plain_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(ip, ipaddress.IPv4Address) and any(ip in net for net in _NEVER):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def _embedded(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterable[ipaddress.IPv4Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return
    if ip.ipv4_mapped:
        yield ip.ipv4_mapped
    if ip in _NAT64:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _6TO4 and ip.sixtofour:
        yield ip.sixtofour
    if ip.teredo:
        yield from ip.teredo


class _GuardedBackend(httpcore.NetworkBackend):
    """Resolves once, checks every address, connects to a checked one: no second look-up for a rebind to win."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._guard.addresses(host, port)
        except OSError as err:
            raise httpcore.ConnectError(str(err)) from err
        last: Exception | None = None
        for address in addresses:
            try:
                return self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as err:
                last = err
        raise last or httpcore.ConnectError(f"{host}: no address")

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise httpcore.ConnectError("unix sockets are not allowed")

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)


def guarded_transport(guard: AddressGuard, *, connections: int = 10) -> httpx.HTTPTransport:
    """Return an httpx transport whose every connection goes through `guard`; environment proxies are ignored."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    transport = httpx.HTTPTransport(limits=limits, trust_env=False)
    # httpx gives no public way to hand in a network backend; the pool is made here, so nothing has connected yet.
    transport._pool._network_backend = _GuardedBackend(guard)
    return transport
