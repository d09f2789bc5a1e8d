"""How Worktile answers: errors inside a 200, bodies in several wrappings, times in unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec

from syncd.sdk import AuthError, ErrorTable

# All other codes go by what was asked: a fault of ours in a read, a refusal in a write. No list of them is published.
# Source: github.com/JohnVIP/worktile-comment-board wt/client.py (a client in live use), read 2026-11-21.
_CODES: Final = {
    "1102": AuthError,  # access_token is malformed
    "1103": AuthError,  # access_token is invalid or expired; seen here after one renewal has not helped
}
_LONGEST_ERROR: Final = 8192  # a longer body is a list and no error


def has_failed(body: Any) -> bool:
    """Say whether a 2xx body is an error: `{"ok": false, "error_code": …}`."""
    return isinstance(body, Mapping) and (body.get("ok") is False or bool(body.get("error_code")))


def code_of(body: Any) -> str | None:
    """Return the vendor's code, a number."""
    return str(body["error_code"]) if isinstance(body, Mapping) and body.get("error_code") else None


def message_of(body: Any) -> str:
    """Return the vendor's message; the key is known of the older API only."""
    return str(body.get("error_message") or body.get("message") or "") if isinstance(body, Mapping) else ""


ERRORS: Final = ErrorTable(codes=_CODES, code_of=code_of, message_of=message_of, has_failed=has_failed)


def is_refused(response: httpx.Response) -> bool:
    """Say whether an answer means that the token is no longer good: a 401, more often a code inside a 200."""
    if response.status_code == 401:
        return True
    if len(response.content) > _LONGEST_ERROR:
        return False
    return code_of(decoded(response.content)) in _CODES


def decoded(content: bytes) -> Any:
    """Return a JSON body, None for anything else: errors may be HTML pages."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def unwrapped(body: Any) -> Any:
    """Return what an answer is about: itself, or what is inside of `data` and `data.value`."""
    inner = body.get("data", body) if isinstance(body, Mapping) else body
    return inner["value"] if isinstance(inner, Mapping) and isinstance(inner.get("value"), Mapping) else inner


def moment(value: Any) -> datetime | None:
    """Return unix seconds as aware UTC; None for anything that is no such time, and for 0, which means none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not value:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
