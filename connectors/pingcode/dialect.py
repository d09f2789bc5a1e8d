"""How PingCode says no, and how it says how late it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from syncd.sdk import AuthError, ErrorTable, RateLimitedError, Reply

# Only codes whose consequence does not depend on the call. All others go by the HTTP status, which is 400 for
# nearly everything: a refusal in a write, a fault of ours in a read. 100000 (internal error) stays out on purpose:
# after a write it means "unknown", after a read "try again".
# Source: https://open.pingcode.com (error codes as seen live in August 2026)
_CODES: Final = {
    "100024": AuthError,  # wrong client_id or client_secret, with HTTP 400
    "100038": RateLimitedError,
}
NOT_FOUND: Final = frozenset({"100051", "100317"})  # comment, work item; with HTTP 400
_WAIT_HEADERS: Final = ("x-ratelimit-retry-after", "x-pc-retry-after")  # public cloud, private deployments


def code_of(body: Any) -> str | None:
    """Return the vendor's code, a string of digits."""
    return str(body["code"]) if isinstance(body, Mapping) and "code" in body else None


def _message_of(body: Any) -> str:
    return str(body.get("message", "")) if isinstance(body, Mapping) else ""


def _wait_of(reply: Reply) -> float | None:
    for name in _WAIT_HEADERS:
        try:
            return max(0.0, float(reply.headers.get(name, "")))
        except ValueError:
            continue
    return None


ERRORS: Final = ErrorTable(codes=_CODES, code_of=code_of, message_of=_message_of, retry_after_of=_wait_of)


def moment(value: Any) -> datetime | None:
    """Return unix seconds as aware UTC; None for anything that is no such time."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def is_set(flag: Any) -> bool:
    """Read `is_deleted` and its like: 0/1, in some places a boolean."""
    return flag in (1, True)
