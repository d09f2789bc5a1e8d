"""What a server's refusal means for us: reply code and enhanced status to the error that says what happens next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from syncd.sdk import (
    AuthError,
    ConnectorError,
    ContractError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
    one_line,
    scrub,
)

# Servers tell no waiting time, and a greylist opens after minutes (inferred): the first step of our own schedule.
RETRY_SECONDS: Final = 60.0
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_TOO_BIG: Final = frozenset({"5.3.4", "5.2.3"})  # RFC 3463
_SYNTAX: Final = frozenset({500, 501, 502, 503, 504, 555})  # RFC 5321 section 4.2.2: ours to mend, for this message
_LOGIN: Final = frozenset({530, 534, 535})  # RFC 4954 section 6
_NO_PASSWORDS: Final = "5.7.30"  # Exchange Online refuses password logins, Exchange Team announcement, 2026


class Step(StrEnum):
    """How far a submission has come."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    CONTENT = "content"
    ACCEPTANCE = "acceptance"  # the final dot is out: from here on a lost answer is an unknown outcome


_BEFORE_MAIL: Final = (Step.CONNECT, Step.GREETING, Step.EHLO, Step.STARTTLS, Step.AUTH)


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's reply: three-digit code (anything else when it was none), text on one line, scrubbed."""

    code: int
    text: str

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 3463), "" when there is none."""
        found = _STATUS.match(self.text)
        return found[0] if found else ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


def reply_of(code: int, text: bytes) -> Reply:
    """Return smtplib's answer as a Reply."""
    return Reply(code, one_line(scrub(text.decode("utf-8", "replace")))[:300])


def refusal(reply: Reply, step: Step, server: str, connection: str) -> ConnectorError:
    """Return the error for a reply that is not the one that `step` asks for."""
    kind = _kind(reply, step)
    text = f"{server}: {step} answered {reply}"
    if kind is RateLimitedError:
        return RateLimitedError(text, retry_after=RETRY_SECONDS, status=reply.code, code=reply.status or None)
    if kind is AuthError:
        text += f"; {_way_out(reply, step)} of connections.{connection}"
    if kind is ContractError:
        text += "; that is not the reply that SMTP has for it"
    if kind is OutcomeUnknownError:
        text += "; the message was sent, and this does not say whether it was accepted"
    return kind(text, status=reply.code, code=reply.status or None)


def _kind(reply: Reply, step: Step) -> type[ConnectorError]:
    if 400 <= reply.code < 500:
        return RateLimitedError if _asks_to_wait(reply) else TransientError
    if step in _BEFORE_MAIL:
        return AuthError  # whatever it is, it would meet the next message too: pause the connection
    if not 500 <= reply.code < 600:
        return OutcomeUnknownError if step is Step.ACCEPTANCE else ContractError
    if reply.code in _LOGIN or reply.status == _NO_PASSWORDS:
        return AuthError
    if step is Step.MAIL and not _is_about_the_message(reply):
        return AuthError  # the sender is refused, so the next message would be too
    return RejectedError


def _asks_to_wait(reply: Reply) -> bool:
    return reply.code in (450, 452) or (reply.code in (421, 451) and reply.status.startswith("4.7."))


def _is_about_the_message(reply: Reply) -> bool:
    return reply.code == 552 or reply.code in _SYNTAX or reply.status in _TOO_BIG


def _way_out(reply: Reply, step: Step) -> str:
    if reply.status == _NO_PASSWORDS:
        return "the server takes no passwords any more: use another server or a relay; see smtp"
    if not 500 <= reply.code < 600:
        return "that is not SMTP: check scheme, host and port in smtp"
    if step in (Step.GREETING, Step.EHLO, Step.STARTTLS):
        return "the server does not serve us: check smtp, and whether it lets this network in, with the postmaster"
    if step is Step.MAIL and reply.code not in _LOGIN:
        return "the server does not let this user send as `from` (or `bounces_to`): check from, user and password"
    return "check user and password (some providers want an app password or an authorisation code)"
