"""ApiClient on real sockets: a server that trickles, stalls or floods holds a thread for a bounded time."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from syncd.errors import ContractError, OutcomeUnknownError, TransientError
from syncd.sdk import AddressGuard, ApiClient, ConnectorContext

Serve = Callable[[socket.socket, threading.Event], None]
GUARD = AddressGuard(private_hosts=frozenset({"127.0.0.1"}))


@contextmanager
def server(serve: Serve) -> Iterator[str]:
    """Run `serve` on each connection until the test ends."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def handle(line: socket.socket) -> None:
        with line, suppress(OSError):
            serve(line, stop)

    def accept() -> None:
        while not stop.is_set():
            line, _ = listener.accept()
            threads.append(threading.Thread(target=handle, args=(line,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    port = listener.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        socket.create_connection(("127.0.0.1", port)).close()
        for thread in [acceptor, *threads]:
            thread.join(5.0)
        listener.close()


def client(url: str, **options: float) -> ApiClient:
    context = ConnectorContext(guard=GUARD, wait=lambda seconds: None)
    return ApiClient(url, context, attempts=1, **options)  # type: ignore[arg-type]


def trickle(prefix: bytes, drop: bytes) -> Serve:
    def serve(line: socket.socket, stop: threading.Event) -> None:
        line.recv(65536)
        line.sendall(prefix)
        while not stop.wait(0.01):
            line.sendall(drop)

    return serve


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GZIPPED = gzip.compress(b"0" * 1_000_000)


@pytest.mark.parametrize(
    ("prefix", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (HEAD, b"X-More: 1\r\n"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n" + GZIPPED[:10], b"\x00"),
    ],
    ids=["status", "one header", "many headers", "body", "chunks", "gzip"],
)
def test_trickling_server_is_left_in_time(prefix: bytes, drop: bytes) -> None:
    with server(trickle(prefix, drop)) as url:
        api = client(url, total_seconds=0.3, read_seconds=60.0)
        started = time.monotonic()

        with pytest.raises((TransientError, ContractError)):
            api.get("/x")

        assert time.monotonic() - started < 10.0
        api.close()


def test_trickling_answer_to_a_write_is_unknown() -> None:
    with server(trickle(HEAD + b"Content-Length: 1000000\r\n\r\n", b" ")) as url:
        api = client(url, total_seconds=0.2)

        with pytest.raises(OutcomeUnknownError, match="the answer was lost"):
            api.post("/x", {})

        api.close()


def test_silent_server_is_left_after_the_read_timeout() -> None:
    with server(lambda line, stop: stop.wait(5.0) and None) as url:
        api = client(url, read_seconds=0.1)

        with pytest.raises(TransientError, match="no whole answer"):
            api.get("/x")

        api.close()


def test_server_that_takes_no_body_is_left_in_time() -> None:
    with server(lambda line, stop: stop.wait(5.0) and None) as url:
        api = client(url, total_seconds=0.3)

        with pytest.raises(OutcomeUnknownError):
            api.post("/x", {"text": "x" * 30_000_000})

        api.close()


def test_flood_is_cut_at_the_cap() -> None:
    sent = [0]

    def flood(line: socket.socket, stop: threading.Event) -> None:
        line.recv(65536)
        line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"1" * 0x10000 + b"\r\n"
        while not stop.is_set():
            line.sendall(chunk)
            sent[0] += 0x10000

    with server(flood) as url:
        api = client(url, max_bytes=200_000)

        with pytest.raises(ContractError, match="over 200,000 bytes"):
            api.get("/x")

        api.close()
    assert sent[0] < 20_000_000


def test_gzip_bomb_is_cut_at_the_cap() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)

    def serve(line: socket.socket, stop: threading.Event) -> None:
        line.recv(65536)
        line.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
        stop.wait(5.0)

    with server(serve) as url:
        api = client(url, max_bytes=1_000_000)

        with pytest.raises(ContractError, match="over 1,000,000 bytes"):
            api.get("/x")

        api.close()


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"\x00\x01\x02", b"SSH-2.0-OpenSSH\r\n", HEAD + b"Content-Length: -1\r\n\r\n", HEAD + b"\r\n" * 3 + b"{"],
    ids=["nothing", "binary", "ssh", "bad length", "cut json"],
)
def test_rubbish_is_a_passing_error_and_never_a_success(rubbish: bytes) -> None:
    def serve(line: socket.socket, stop: threading.Event) -> None:
        line.recv(65536)
        line.sendall(rubbish)

    with server(serve) as url:
        api = client(url)

        with pytest.raises(TransientError, match=r"127\.0\.0\.1"):
            api.get("/x")

        api.close()


def test_closed_port_says_what_cannot_be_reached() -> None:
    with server(lambda line, stop: None) as url:
        pass
    api = client(url)

    with pytest.raises(TransientError, match=r"cannot reach 127\.0\.0\.1:\d+ .*; check address and network"):
        api.get("/x")

    api.close()


def test_one_slow_answer_does_not_hold_the_others() -> None:
    def serve(line: socket.socket, stop: threading.Event) -> None:
        asked = line.recv(65536)
        if b"/slow" in asked:
            stop.wait(5.0)
            return
        line.sendall(HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")

    with server(serve) as url:
        api = client(url)
        slow = threading.Thread(target=_read_slowly, args=(api,), daemon=True)
        slow.start()

        for _ in range(10):
            api.get("/fast")

        assert slow.is_alive()
    slow.join(5.0)
    api.close()


def _read_slowly(api: ApiClient) -> None:
    with suppress(TransientError):
        api.get("/slow")
