"""From a vendor's answer to the error that says what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from syncd import log
from syncd.errors import (
    AuthError,
    ConnectorError,
    ContractError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from syncd.sdk.reply import Reply, retry_after_seconds, where

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MISREAD: Final = (AttributeError, KeyError, IndexError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """A connector's translation of vendor errors into next actions.

    `codes` maps a vendor code (as text) to an error class and wins over the HTTP status; `code_of` and
    `message_of` find code and message in a decoded body, `has_failed` says whether a 2xx body is an error.
    `retry_after_of` reads a wait in seconds from non-standard headers or bodies. `status_of` may name a class
    from the whole answer; it comes after `codes` and before the HTTP status.
    """

    codes: Mapping[str, type[ConnectorError]] = field(default_factory=dict)
    code_of: Callable[[Any], str | None] = lambda body: None
    message_of: Callable[[Any], str] = lambda body: ""
    has_failed: Callable[[Any], bool] = lambda body: False
    retry_after_of: Callable[[Reply], float | None] = lambda reply: None
    status_of: Callable[[Reply], type[ConnectorError] | None] = lambda reply: None


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer answers: `reads` changes nothing, `repeatable` may be sent twice; `decoded` expects JSON."""

    method: str
    reads: bool
    repeatable: bool
    decoded: bool = True


@dataclass(frozen=True, slots=True)
class Judge:
    """Reads answers by one connector's table, for one connection."""

    table: ErrorTable
    connection: str
    now: Callable[[], datetime]

    def error(self, reply: Reply, question: Question) -> ConnectorError | None:
        """Return the error that `reply` stands for, None when it is a success."""
        if reply.status in _REDIRECTS:
            return self._moved(reply, question)
        if reply.status >= 400:
            return self._failed(reply, question, _json_or_none(reply))
        if reply.status >= 300 or not question.decoded:
            return None
        try:
            body = reply.json
        except TransientError as err:
            return _unreadable(err, question)
        return self._failed(reply, question, body) if self._has_failed(reply, body) else None

    def _has_failed(self, reply: Reply, body: Any) -> bool:
        try:
            return body is not None and self.table.has_failed(body)
        except _MISREAD as err:
            raise ContractError(
                f"{where(reply.url)}: the answer is not of the documented shape ({type(err).__name__})"
            ) from err

    def _moved(self, reply: Reply, question: Question) -> ConnectorError:
        return ContractError(
            f"{question.method} {where(reply.url)}: moved to {where(reply.headers.get('location', '')) or 'nowhere'}; "
            f"set the new address in connections.{self.connection}.config",
            status=reply.status,
        )

    def _failed(self, reply: Reply, question: Question, body: Any) -> ConnectorError:
        found = _told(self.table.code_of, body)
        code = None if found is None else str(found)
        kind = self.table.codes.get(code or "") or self.table.status_of(reply) or by_status(reply, question)
        if kind is TransientError and reply.status >= 500 and not question.repeatable:
            kind = OutcomeUnknownError
        return self._built(kind, reply, question.method, code=code, message=_told(self.table.message_of, body))

    def _built(
        self, kind: type[ConnectorError], reply: Reply, method: str, *, code: str | None, message: Any
    ) -> ConnectorError:
        said = log.one_line(log.scrub(str(message or "")[:2000]))[:300] or "no message"
        text = f"{method} {where(reply.url)}: {reply.status}{f' code {code}' if code else ''}: {said}"
        if issubclass(kind, AuthError):
            text += f"; check the credentials and rights of connections.{self.connection}"
        if issubclass(kind, RateLimitedError):
            wait = self.table.retry_after_of(reply)
            wait = retry_after_seconds(reply, self.now()) if wait is None else max(0.0, wait)
            return kind(text, retry_after=wait, status=reply.status, code=code)
        return kind(text, status=reply.status, code=code)


def by_status(reply: Reply, question: Question) -> type[ConnectorError]:
    """Return the error class of an HTTP status that no table knows."""
    match reply.status:
        case 401 | 403:
            return AuthError
        case 429:
            return RateLimitedError
        case 503 if question.repeatable and "retry-after" in reply.headers:
            return RateLimitedError
        case status if status >= 500 or status in (408, 425):
            return TransientError if question.repeatable else OutcomeUnknownError
        case _:
            return ContractError if question.reads else RejectedError


def _unreadable(err: TransientError, question: Question) -> ConnectorError:
    if question.repeatable:
        return err
    return OutcomeUnknownError(f"{err}; the write may have taken effect", status=err.status)


def _told(reads: Callable[[Any], Any], body: Any) -> Any:
    """Ask a connector's reader; an error body of another shape (a proxy's) tells nothing."""
    try:
        return reads(body)
    except _MISREAD:
        return None


def _json_or_none(reply: Reply) -> Any:
    try:
        return reply.json
    except TransientError:
        return None
