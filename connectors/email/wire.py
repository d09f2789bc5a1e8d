"""smtplib on a socket of our own, with deadlines: a server that trickles or never ends cannot hold a thread."""

from __future__ import annotations

import io
import smtplib
import socket
import time
from typing import TYPE_CHECKING, Final

from connectors.email.replies import Reply, reply_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_CHUNK: Final = 64 * 1024
_MAX_REPLY_BYTES: Final = 64 * 1024


class Wire(smtplib.SMTP):
    """smtplib on a socket that is connected already, with a deadline and a size limit for every whole reply."""

    def __init__(self, patience: float) -> None:
        super().__init__(local_hostname="localhost")
        self.patience = patience
        self._reader: _Reader | None = None

    def attach(self, sock: socket.socket) -> None:
        """Talk over `sock` from now on; whatever was learned or buffered before is forgotten (RFC 3207)."""
        self.sock = sock
        self._reader = _Reader(sock)
        self.file = io.BufferedReader(self._reader)
        self.esmtp_features = {}
        # An address literal needs no look-up and tells nothing about the machine's name (RFC 5321 section 4.1.4).
        host = str(sock.getsockname()[0]).partition("%")[0]
        self.local_hostname = f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    def taken(self) -> socket.socket:
        """Hand the socket over, to be wrapped."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        self.file = None
        self.sock.settimeout(self.patience)
        return self.sock

    def greet(self) -> Reply:
        """Say EHLO and remember what the server offers."""
        return reply_of(*self.ehlo())

    def answer(self, seconds: float | None = None) -> Reply:
        """Read one whole reply within `seconds`."""
        usual, self.patience = self.patience, seconds or self.patience
        try:
            return reply_of(*self.getreply())
        finally:
            self.patience = usual

    def getreply(self) -> tuple[int, bytes]:
        """Read one whole reply, against the deadline."""
        if self._reader is not None:
            self._reader.allow(self.patience, _MAX_REPLY_BYTES)
        return super().getreply()

    def send(self, s: ReadableBuffer | str) -> None:
        """Send a command; the socket may still hold what was left of the last reply's time."""
        if self.sock is not None:
            self.sock.settimeout(self.patience)
        super().send(s)

    def upload(self, content: bytes, seconds: float) -> None:
        """Send bytes within `seconds`, whatever pace the other side reads at."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        deadline = time.monotonic() + seconds
        for start in range(0, len(content), _CHUNK):
            self.sock.settimeout(_left(deadline))
            self.sock.sendall(content[start : start + _CHUNK])


class _Reader(io.RawIOBase):
    """Reads a socket until a deadline and a number of bytes: a server that trickles cannot hold a thread."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = 0.0
        self._bytes_left = 0

    def allow(self, seconds: float, size: int) -> None:
        """Start a new allowance."""
        self._deadline = time.monotonic() + seconds
        self._bytes_left = size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what is there, at most the allowance."""
        if self._bytes_left <= 0:
            raise ConnectionError("the reply has no end")
        self._sock.settimeout(_left(self._deadline))
        size = self._sock.recv_into(memoryview(buffer)[: self._bytes_left])
        self._bytes_left -= size
        return size


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
