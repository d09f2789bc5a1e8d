"""The line of a fake: an HTTP server on loopback that can cut its answers short."""
# ruff: noqa: A002, N815, S105

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec


class Fault(StrEnum):
    """Ways in which a vendor misbehaves."""

    RATE_LIMITED = "rate_limited"  # with `retry_after` seconds, as a header; `as_date` for an HTTP date
    RATE_LIMITED_SILENT = "rate_limited_silent"  # no header
    SERVER_ERROR = "server_error"  # 500, nothing done
    TIMEOUT = "timeout"  # no answer for `seconds`
    RESET = "reset"  # connection reset before anything is done
    LOST_ANSWER = "lost_answer"  # the request is carried out, then the connection is reset
    EXPIRED_TOKEN = "expired_token"  # the vendor's answer to a token that is no longer valid
    FORBIDDEN = "forbidden"  # the credentials lack a right
    MOVED = "moved"  # 301 to the same path under /moved
    GONE = "gone"  # 410
    NOT_FOUND = "not_found"  # 404
    ERROR_IN_200 = "error_in_200"  # the vendor's error envelope in a 200, where the vendor does that
    TRUNCATED = "truncated"  # valid HTTP, JSON cut in the middle
    NOT_JSON = "not_json"  # an HTML page, as a proxy gives it


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler is given: decoded query, JSON or form body, lower-case headers, path groups; `raw` is the body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    groups: tuple[str, ...] = ()
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives back: status, a JSON body (None = empty), extra headers; `raw` replaces the JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


class Server(ThreadingHTTPServer):
    """Remembers the lines that are open, so that stopping cuts them too."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lines: set[socket.socket] = set()
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def run(self) -> None:
        """Answer in threads of its own, until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut the lines that are open."""
        self._stopping = True
        with suppress(OSError):
            socket.create_connection(
                ("127.0.0.1", self.server_address[1]), timeout=1.0
            ).close()  # wakes the thread that accepts
        self._thread.join(5.0)
        self.server_close()
        for line in list(self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                request, address = self.get_request()
            except OSError:  # a client that gave up before its turn, or our own end
                if self._stopping:
                    return
                continue
            if self._stopping:
                self.shutdown_request(request)
                return
            self.process_request(request, address)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._lines.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._lines.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nothing to print."""


def make_handler(
    handle: Callable[[Request], tuple[Answer, Fault | None]], now: Callable[[], datetime]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length) if length else b""
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers,
                _body(raw, headers),
                raw=raw,
            )
            answer, fault = handle(request)
            if fault in (Fault.RESET, Fault.LOST_ANSWER):
                self._cut()
                return
            self._answer(answer, truncated=fault is Fault.TRUNCATED)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

        def _answer(self, answer: Answer, *, truncated: bool) -> None:
            content = answer.raw if answer.raw is not None else b""
            if answer.raw is None and answer.body is not None:
                content = msgspec.json.encode(answer.body)
            if truncated:
                content = content[: len(content) // 2]
            self.send_response(answer.status)
            headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def date_time_string(self, timestamp: float | None = None) -> str:
            """Write the Date header by the fake's clock."""
            return format_datetime(now().astimezone(UTC), usegmt=True)

        def _cut(self) -> None:
            linger = struct.pack("ii", 1, 0)  # reset instead of an orderly close
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent: the fake keeps its own list of calls."""

    return Handler


def _body(raw: bytes, headers: Mapping[str, str]) -> Any:
    if not raw:
        return None
    try:
        if "urlencoded" in headers.get("content-type", ""):
            return dict(parse_qsl(raw.decode()))
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a file; some clients call one a form
        return raw
