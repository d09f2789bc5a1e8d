"""Structured logs: JSON outside a terminal, one line an event, secrets scrubbed."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO
from urllib.parse import quote, quote_plus

import structlog

_WORDS: Final = (
    r"(?:secret|passwd|password|passphrase|token|authorization|api[_-]?key|private[_-]?key|cookie|signature)"
)
_SECRET_KEY: Final = re.compile(rf"(?i){_WORDS}|(?:^|[_-])sig(?:$|[_-])")
_SECRET_QUERY: Final = re.compile(
    rf"(?i)((?:[\w-]{{0,40}}{_WORDS}[\w-]{{0,40}}|\bsig)|(?<=[?&;])(?:code|key))=([^&\s\"'#,;)]+)"
)
_SECRET_JSON: Final = re.compile(rf"(?i)([\"'][\w-]{{0,40}}{_WORDS}[\w-]{{0,40}}[\"']\s*:\s*)(\"[^\"]*\"?|'[^']*'?)")
_SECRET_HEADER: Final = re.compile(
    rf"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{{0,40}}{_WORDS}[\w-]{{0,40}}):[^\r\n\"']+"
)
_USERINFO: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^/\s\"'<>]+@")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic|zoho-oauthtoken)\s+(?=[\w.~+/=-]*\d|[\w.~+/=-]{16})[\w.~+/=-]{4,}")
_KNOWN: Final = re.compile(
    r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk_live_)[\w-]{6,}|\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)
# Control characters, line separators, and the marks that turn the direction of text round.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
MASK: Final = "***"
_hidden: Final[dict[str, None]] = {}
_HIDDEN_LIMIT: Final = 4096
_DEEPEST: Final = 20
_LONGEST: Final = 8192  # a log line is no place for a payload
_lock: Final = threading.Lock()


def hide(secret: str) -> None:
    """Remember a secret value, so that it is masked wherever it turns up, a vendor's error text included.

    The form that it has in a URL is masked too. Values under six characters are left alone: they are words.
    """
    if len(secret) < 6:
        return
    with _lock:
        for form in (secret, quote(secret, safe=""), quote_plus(secret)):
            _hidden.pop(form, None)
            _hidden[form] = None
        while len(_hidden) > _HIDDEN_LIMIT:
            _hidden.pop(next(iter(_hidden)))


def scrub(text: str) -> str:
    """Mask secrets in a URL, header or message: known values, query secrets, userinfo and bearer tokens."""
    for secret in sorted((known for known in list(_hidden) if known in text), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _SECRET_HEADER.sub(rf"\1: {MASK}", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _KNOWN.sub(MASK, text)
    text = _SECRET_JSON.sub(rf'\1"{MASK}"', text)
    return _SECRET_QUERY.sub(rf"\1={MASK}", text)


def scrub_record(record: logging.LogRecord) -> bool:
    """Mask secrets in a record of the standard library's logging; a filter that lets everything through."""
    record.msg, record.args = scrub(record.getMessage()), ()
    return True


def one_line(text: str) -> str:
    """Replace control characters by spaces, so that vendor text cannot forge a log line."""
    return _CONTROL.sub(" ", text)


def _scrub_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        many_lines = key == "exception" and isinstance(value, str)
        event[key] = scrub(value) if many_lines else _clean(key, value, 0)
    return event


def _clean(key: str, value: Any, depth: int) -> Any:
    """Return `value` with every text in it scrubbed, whatever it is wrapped in."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if _SECRET_KEY.search(key):
        return MASK
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, bytes):
        return _short(value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {one_line(scrub(str(k))): _clean(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean("", item, depth + 1) for item in value]
    return _short(str(value))


def _short(text: str) -> str:
    return one_line(scrub(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"))


def configure(*, level: str = "info", json: bool | None = None, stream: TextIO | None = None) -> None:
    """Set up structlog once per process; JSON unless `stream` (default stderr) is a terminal."""
    out = stream if stream is not None else sys.stderr
    as_json = json if json is not None else not out.isatty()
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
            if as_json
            else structlog.processors.format_exc_info,
            _scrub_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def get(**facts: Any) -> Any:
    """Return a logger with `facts` bound to every line."""
    return structlog.get_logger(**facts)
