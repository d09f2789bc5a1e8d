"""Structured logs: JSON outside a terminal, one line an event, secrets scrubbed."""

from __future__ import annotations

import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

_SECRET_KEY: Final = re.compile(
    r"(?i)(secret|password|passwd|token|authorization|api[_-]?key|private[_-]?key|cookie|sig)"
)
_SECRET_QUERY: Final = re.compile(
    r"(?i)([?&;]|\b)((?:[\w-]*(?:secret|password|token|api[_-]?key|sig)[\w-]*|code|key))=([^&\s\"'#]+)"
)
_USERINFO: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@]+@")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic|zoho-oauthtoken)\s+[\w.~+/=-]{4,}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
MASK: Final = "***"
_hidden: Final[dict[str, None]] = {}
_HIDDEN_LIMIT: Final = 4096


def hide(secret: str) -> None:
    """Remember a secret value, so that it is masked wherever it turns up, a vendor's error text included."""
    if len(secret) >= 6:
        _hidden[secret] = None
        if len(_hidden) > _HIDDEN_LIMIT:
            _hidden.pop(next(iter(_hidden)))


def scrub(text: str) -> str:
    """Mask secrets in a URL, header or message: known values, query secrets, userinfo and bearer tokens."""
    for secret in list(_hidden):
        if secret in text:
            text = text.replace(secret, MASK)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _SECRET_QUERY.sub(rf"\1\2={MASK}", text)


def one_line(text: str) -> str:
    """Replace control characters by spaces, so that vendor text cannot forge a log line."""
    return _CONTROL.sub(" ", text)


def _scrub_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if _SECRET_KEY.search(key) and not isinstance(value, (int, float, bool)):
            event[key] = MASK
        elif isinstance(value, str):
            event[key] = one_line(scrub(value)) if key != "exception" else scrub(value)
    return event


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
