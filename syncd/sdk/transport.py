"""The way to the network: every connection through the guard, every byte within the request's time."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

import httpcore
import httpx

from syncd.sdk.guard import AddressGuard, AddressRefusedError

_deadline: Final[ContextVar[float | None]] = ContextVar("deadline", default=None)


class RefusedConnectError(httpcore.ConnectError):
    """The guard refused the address: nothing was connected to."""


@contextmanager
def finish_within(seconds: float) -> Iterator[None]:
    """Let no connect, read or write of this thread go on after `seconds`, however slowly the bytes trickle."""
    mark = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(mark)


def _clipped(timeout: float | None, late: type[Exception]) -> float | None:
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("the answer took too long altogether")
    return left if timeout is None else min(timeout, left)


class _TimedStream(httpcore.NetworkStream):
    """A socket whose timeouts never reach beyond the deadline of the request."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _clipped(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _clipped(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limit = _clipped(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


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
        except AddressRefusedError as err:
            raise RefusedConnectError(str(err)) from err
        except (OSError, ValueError) as err:  # ValueError: a name that no resolver takes
            raise httpcore.ConnectError(str(err)) from err
        last: Exception | None = None
        for address in addresses:
            limit = _clipped(timeout, httpcore.ConnectTimeout)
            try:
                return _TimedStream(self._plain.connect_tcp(address, port, limit, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as err:
                last = err
        raise last or httpcore.ConnectError(f"{host}: no address")

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise httpcore.ConnectError("unix sockets are not allowed")

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)


@cache
def _tls() -> ssl.SSLContext:
    """Return the one set of trusted roots; reading it anew for each connection would take longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def guarded_transport(guard: AddressGuard, *, connections: int = 10) -> httpx.HTTPTransport:
    """Return an httpx transport whose every connection goes through `guard`; environment proxies are ignored."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    transport = httpx.HTTPTransport(limits=limits, trust_env=False, verify=_tls())
    # httpx gives no public way to hand in a network backend; the pool is made here, so nothing has connected yet.
    transport._pool._network_backend = _GuardedBackend(guard)
    return transport
