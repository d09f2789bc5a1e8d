"""One submission over SMTP, driven command by command, so that it is always known how far it has come."""

from __future__ import annotations

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

from connectors.email.config import Security, Server
from connectors.email.message import Mail
from connectors.email.replies import Reply, Step, refusal
from connectors.email.wire import Wire
from syncd.sdk import (
    AddressRefusedError,
    AuthError,
    ConfigError,
    ConnectorContext,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
    hide,
    one_line,
    scrub,
)

_QUIT_SECONDS: Final = 5.0
_LINE_WITH_DOT: Final = re.compile(rb"(?m)^\.")
_MECHANISMS: Final = ("PLAIN", "LOGIN")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for the connect, for each whole reply, for the upload and for the final reply."""

    connect: float
    reply: float
    accept: float


class Session:
    """A logged-in connection to a submission server. A context manager, used once, by one thread.

    `step` is where the submission stands; an error is translated by it.
    """

    def __init__(
        self, server: Server, password: str | None, tls: ssl.SSLContext, patience: Patience, context: ConnectorContext
    ) -> None:
        self.step = Step.CONNECT
        self._server = server
        self._password = password
        self._tls = tls
        self._patience = patience
        self._context = context
        self._wire = Wire(patience.reply)

    def __enter__(self) -> Self:
        try:
            with self._translated():
                self._open()
        except BaseException:
            self._wire.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Say goodbye, unless that would be heard as part of a message; the answer changes nothing."""
        with suppress(OSError):
            if self._wire.sock is not None and self.step is not Step.CONTENT:
                self._wire.patience = _QUIT_SECONDS
                self._wire.docmd("QUIT")
        self._wire.close()

    @property
    def offers(self) -> dict[str, str]:
        """The server's extensions after login: lower-case name → parameters."""
        return {name: value.strip() for name, value in self._wire.esmtp_features.items()}

    @property
    def size_limit(self) -> int | None:
        """The largest message in bytes that the server takes, None when it does not say (RFC 1870)."""
        size = self.offers.get("size", "")
        return int(size) or None if size.isdigit() else None

    @property
    def tls_version(self) -> str | None:
        """The TLS version in use, None on a plain connection."""
        return self._wire.sock.version() if isinstance(self._wire.sock, ssl.SSLSocket) else None

    def send(self, mail: Mail) -> Reply:
        """Submit `mail` and return the server's acceptance.

        Raises RejectedError, AuthError, RateLimitedError or TransientError when the mail was certainly not accepted,
        OutcomeUnknownError when it may have been.
        """
        self._check_fits(mail)
        self._wire.command_encoding = "utf-8" if mail.needs_utf8 else "ascii"
        with self._translated():
            self._ask(Step.MAIL, f"MAIL FROM:<{mail.sender.address}>{self._mail_options(mail)}")
            self._ask(Step.RCPT, f"RCPT TO:<{mail.recipient.address}>{self._recipient_options()}")
            self._ask(Step.DATA, "DATA", expect=(354,))
            self._upload(mail.content)
            return self._expect(self._wire.answer(self._patience.accept), (250,))

    # -- the way in -------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._refuse_open_passwords()
        sock = self._connected()
        if self._server.security is Security.TLS:
            sock = self._tls.wrap_socket(sock, server_hostname=self._server.host)
        self._wire.attach(sock)
        self.step = Step.GREETING
        self._expect(self._wire.answer(), (220,))
        self._greet()
        if self._server.security is Security.STARTTLS:
            self._start_tls()
            self._greet()
        if self._server.user is not None and self._password is not None:
            self._log_in(self._server.user, self._password)

    def _refuse_open_passwords(self) -> None:
        is_ours = self._context.guard.allows(self._server.host)
        if self._server.security is Security.PLAIN and self._password and not is_ours:
            raise ConfigError(
                f"connections.{self._context.connection}.config.smtp: a password is not sent over smtp:// in clear; "
                "use smtps:// or smtp+starttls://, or name the host under allow_private_hosts if it is yours"
            )

    def _connected(self) -> socket.socket:
        """Connect to the first checked address that answers: the name is resolved once, so nothing can be rebound."""
        last: OSError = ConnectionError("no address")
        for address in self._context.guard.addresses(self._server.host, self._server.port):
            try:
                return socket.create_connection((address, self._server.port), self._patience.connect)
            except OSError as err:
                last = err
        raise last

    def _greet(self) -> None:
        self.step = Step.EHLO
        self._expect(self._wire.greet(), (250,))

    def _start_tls(self) -> None:
        self.step = Step.STARTTLS
        if "starttls" not in self.offers:
            raise AuthError(
                f"{self._server}: does not offer STARTTLS, so nothing was sent; check smtp of "
                f"connections.{self._context.connection}, or whether somebody sits in between"
            )
        self._ask(Step.STARTTLS, "STARTTLS", expect=(220,))
        self._wire.attach(self._tls.wrap_socket(self._wire.taken(), server_hostname=self._server.host))

    def _log_in(self, user: str, password: str) -> None:
        """Log in by PLAIN, else LOGIN; one try only, as each failed one counts towards a lock-out."""
        self.step = Step.AUTH
        offered = self.offers.get("auth", "").upper().split()
        match next((name for name in _MECHANISMS if name in offered), None):
            case "PLAIN":
                self._ask(Step.AUTH, "AUTH PLAIN " + _secret(f"\0{user}\0{password}"), expect=(235,))
            case "LOGIN":
                self._ask(Step.AUTH, "AUTH LOGIN", expect=(334,))
                self._ask(Step.AUTH, _secret(user), expect=(334,))
                self._ask(Step.AUTH, _secret(password), expect=(235,))
            case _:
                raise AuthError(
                    f"{self._server}: offers no login by password ({' '.join(offered) or 'no AUTH'}); check smtp and "
                    f"password of connections.{self._context.connection}"
                )

    # -- one mail ---------------------------------------------------------------------------------------------

    def _check_fits(self, mail: Mail) -> None:
        limit = self.size_limit
        if limit is not None and len(mail.content) > limit:
            raise RejectedError(
                f"{self._server}: the message has {len(mail.content):,} bytes, the server takes {limit:,}; "
                "leave out attachments or images"
            )
        if mail.needs_utf8 and "smtputf8" not in self.offers:
            raise RejectedError(
                f"{self._server}: an address with letters beyond ASCII before the @ needs SMTPUTF8, which the server "
                "does not offer; ask the contact for another address"
            )

    def _mail_options(self, mail: Mail) -> str:
        options = [f"SIZE={len(mail.content)}"] if "size" in self.offers else []
        options += ["BODY=8BITMIME", "SMTPUTF8"] if mail.needs_utf8 else []
        # A bounce then carries the envelope id, by which it can be matched to its command (RFC 3461).
        options += ["RET=HDRS", f"ENVID={mail.envelope_id}"] if "dsn" in self.offers else []
        return "".join(f" {option}" for option in options)

    def _recipient_options(self) -> str:
        return " NOTIFY=FAILURE,DELAY" if "dsn" in self.offers else ""

    def _upload(self, content: bytes) -> None:
        """Send the content, dots doubled, and then the final dot on its own: it alone makes the message count."""
        self.step = Step.CONTENT
        ended = content if content.endswith(b"\r\n") else content + b"\r\n"
        self._wire.upload(_LINE_WITH_DOT.sub(b"..", ended), self._patience.accept)
        try:
            self._wire.upload(b".\r\n", self._patience.reply)
        except ConnectionError:
            raise  # the system took not one byte of it, so the server cannot have seen the end
        except OSError:
            self.step = Step.ACCEPTANCE
            raise
        self.step = Step.ACCEPTANCE

    # -- replies and losses -----------------------------------------------------------------------------------

    def _ask(self, step: Step, command: str, *, expect: tuple[int, ...] = (250, 251)) -> Reply:
        self.step = step
        self._wire.putcmd(command)
        return self._expect(self._wire.answer(), expect)

    def _expect(self, reply: Reply, codes: tuple[int, ...]) -> Reply:
        if reply.code not in codes:
            raise refusal(reply, self.step, str(self._server), self._context.connection)
        return reply

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:  # smtplib's errors are OSErrors too
            self._wire.close()
            raise self._lost(err) from err

    def _lost(self, err: OSError) -> Exception:
        reason = one_line(scrub(str(err)))[:160] or type(err).__name__
        match err:
            case AddressRefusedError():
                return ConfigError(f"connections.{self._context.connection}: {reason}")
            case ssl.SSLCertVerificationError():
                return AuthError(
                    f"{self._server}: its certificate does not prove that it is {self._server.host} ({reason}); "
                    f"have it renewed, or set ca_file of connections.{self._context.connection} for a private authority"
                )
        match self.step:
            case Step.ACCEPTANCE:
                return OutcomeUnknownError(f"{self._server}: the message was sent, but the answer was lost ({reason})")
            case Step.CONNECT:
                return TransientError(f"{self._server}: cannot connect ({reason}); check address, port and network")
            case _:
                return TransientError(f"{self._server}: connection lost at {self.step} ({reason}); nothing was sent")


def _secret(text: str) -> str:
    """Return `text` in base64, and see to it that no log or error shows that either."""
    coded = b64encode(text.encode()).decode("ascii")
    hide(coded)
    return coded
