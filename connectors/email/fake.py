"""A submission server on loopback: keeps what it was given, and can be told to refuse, stall, cut the line or lie."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final, Self

from aiosmtpd.smtp import Envelope

from connectors.email.dialogue import CUT, CUT_SHORT, NEEDS_LOGIN, SILENCE, Dialogue, Planned, Runner
from syncd.sdk.fake import Fault

ACCEPTED: Final = "250 2.0.0 Ok: queued as {number:08X}"

# Where in the dialogue a fault strikes, and how. DONE is after the message was stored.
_FAULTS: Final[Mapping[Fault, tuple[str, str]]] = {
    Fault.RATE_LIMITED: ("RCPT", "451 4.7.1 Greylisted, please try again later"),
    Fault.RATE_LIMITED_SILENT: ("MAIL", "450 Requested action not taken: try again later"),
    Fault.SERVER_ERROR: ("MAIL", "451 4.3.0 Error: queue file write error"),
    Fault.TIMEOUT: ("MAIL", SILENCE),
    Fault.RESET: ("MAIL", CUT),
    Fault.LOST_ANSWER: ("DONE", CUT),
    Fault.TRUNCATED: ("DONE", CUT_SHORT),
    Fault.EXPIRED_TOKEN: ("AUTH", "535 5.7.8 Error: authentication failed"),
    Fault.FORBIDDEN: ("AUTH", "550 5.7.30 Basic authentication is not supported for Client Submission."),
    Fault.GONE: ("RCPT", "550 5.1.1 User unknown"),
    Fault.NOT_FOUND: ("RCPT", "550 5.1.1 User unknown"),
    Fault.MOVED: ("RCPT", "551 5.1.6 User not local"),
    Fault.NOT_JSON: ("EHLO", "HTTP/1.1 400 Bad Request"),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the server has taken: envelope, who was logged in, over TLS or not, the bytes as they came."""

    mail_from: str
    recipients: tuple[str, ...]
    user: str | None
    encrypted: bool
    received_at: datetime
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.raw, policy=policy.default)


class Fake:
    """An SMTP server for tests, the lab and the demo. A context manager; `url` is its address while it runs.

    `accounts` (user → password) makes login required. `starttls` or `tls` (implicit) is a server-side SSL context.
    `size_limit` in bytes. `messages` are what arrived, `unknown_recipients` addresses that are refused,
    `calls` the commands seen in order. After a stop it can be started again and still holds its messages.
    """

    def __init__(
        self,
        *,
        accounts: Mapping[str, str] | None = None,
        starttls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        size_limit: int = 25_000_000,
        mechanisms: str = "PLAIN LOGIN",
        smtputf8: bool = True,
    ) -> None:
        self.accounts = dict(accounts or {})
        self.starttls = starttls
        self.tls = tls
        self.size_limit = size_limit
        self.mechanisms = mechanisms
        self.smtputf8 = smtputf8
        self.messages: list[Sent] = []
        self.unknown_recipients: set[str] = set()
        self.calls: list[str] = []
        self.refused: list[str] = []
        self._planned: list[Planned] = []
        self._clock: datetime | None = None
        self._lock = threading.Lock()
        self._runner: Runner | None = None

    # -- life -------------------------------------------------------------------------------------------------

    def start(self, port: int = 0) -> str:
        """Listen on loopback (`port` 0 = any free one) and return the address."""
        self._runner = Runner(lambda loop: Dialogue(self, loop), port, self.tls)
        return self.url

    def stop(self) -> None:
        """Stop listening, cut open connections and wait until the thread has ended."""
        runner, self._runner = self._runner, None
        if runner:
            runner.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port while the fake runs."""
        if self._runner is None:
            raise RuntimeError("the fake is not running")
        return self._runner.port

    @property
    def url(self) -> str:
        """The address while the fake runs, as `smtp:` of a connection takes it (without a user)."""
        scheme = "smtps" if self.tls else "smtp+starttls" if self.starttls else "smtp"
        return f"{scheme}://127.0.0.1:{self.port}"

    # -- clock ------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the fake's time: real, or what `set_clock` said."""
        return self._clock or datetime.now(UTC)

    def set_clock(self, at: datetime | None) -> None:
        """Stop the fake's clock at `at` (aware); None lets it run with the machine's."""
        self._clock = at

    def advance(self, by: timedelta) -> None:
        """Move a stopped clock forward."""
        self._clock = self.now() + by

    # -- what arrived -----------------------------------------------------------------------------------------

    def count(self, path: str = "", method: str | None = None) -> int:
        """Return how many messages went to addresses that match `path`; with `method`, how many such commands came."""
        if method is not None:
            return self.calls.count(method)
        return sum(1 for sent in self.messages if any(re.search(path, address) for address in sent.recipients))

    @property
    def writes(self) -> int:
        """How many messages were taken."""
        return len(self.messages)

    # -- misbehaviour -----------------------------------------------------------------------------------------

    def misbehave(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        times: int = 1,
        after: int = 0,
        seconds: float = 5.0,
        **_: object,
    ) -> None:
        """Strike the next `times` messages (after letting `after` through) with `fault`.

        `method` moves it to another step: GREETING, EHLO, AUTH, MAIL, RCPT, DATA, CONTENT (in the middle of the
        message) or DONE (stored). What only an HTTP fake knows, such as `retry_after`, is ignored: SMTP tells no time.
        """
        if fault not in _FAULTS:
            raise ValueError(f"{fault} is not a fault of a mail server")
        step, reply = _FAULTS[fault]
        if step == "AUTH" and not self.accounts:
            step, reply = "MAIL", NEEDS_LOGIN
        self.answer(method or step, reply, times=times, after=after, seconds=seconds)

    def answer(self, step: str, reply: str, *, times: int = 1, after: int = 0, seconds: float = 0.0) -> None:
        """Give `reply`, such as "552 5.3.4 Message too big", at `step` of the next `times` messages."""
        with self._lock:
            self._planned.append(Planned(step, reply, times, after, seconds))

    def behave(self) -> None:
        """Forget all planned faults."""
        with self._lock:
            self._planned.clear()

    # -- called by the dialogue -------------------------------------------------------------------------------

    def plan_for(self, step: str) -> Planned | None:
        """Note the step and return the fault that is planned for it, if any."""
        with self._lock:
            self.calls.append(step)
            for planned in self._planned:
                if planned.step != step or planned.left <= 0:
                    continue
                if planned.after > 0:
                    planned.after -= 1
                    continue
                planned.left -= 1
                return planned
        return None

    def take(self, envelope: Envelope, *, user: str | None, encrypted: bool) -> str:
        """Store a message and return the acceptance."""
        with self._lock:
            self.messages.append(
                Sent(
                    mail_from=envelope.mail_from or "",
                    recipients=tuple(envelope.rcpt_tos),
                    user=user,
                    encrypted=encrypted,
                    received_at=self.now(),
                    raw=bytes(envelope.original_content or b""),
                )
            )
            return ACCEPTED.format(number=len(self.messages))
