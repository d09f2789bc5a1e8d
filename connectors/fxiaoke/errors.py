"""Fxiaoke's errors, translated into what to do next. Nearly all of them come inside a 200."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from syncd.sdk import AuthError, ConnectorError, ErrorTable, RateLimitedError, Reply, TransientError

TOKEN_REFUSED: Final = frozenset({"20005", "20016"})
SYSTEM_BUSY: Final = frozenset({"-1", "-2", "50009"})
NO_ACCESS: Final = frozenset({"15003", "20014", "20020", "20021", "20022", "20023"})
DAY_USED_UP: Final = "30002"
NO_PACK: Final = "30003"
WINDOW_SECONDS: Final = 20.0
_FREE_OF_RESET_TIME: Final = 3600.0
_CHINA: Final = timezone(timedelta(hours=8))

# Source: developer.fxiaoke.com/openapi_v2 and the old wiki (artiId 27), return codes, read through public digests of
# September 2026. A code that is not here is about this one call: a changed API on a read, a bad payload on a write.
CODES: Final[Mapping[str, type[ConnectorError]]] = {
    "20005": AuthError,  # no token; raised after one renewal has not helped
    "20016": AuthError,  # token not valid
    "20017": AuthError,  # documented as unknown corpId, observed where a call shows no token at all
    "20006": AuthError,  # wrong app id or secret
    "20015": AuthError,  # wrong permanent code
    "11013": AuthError,  # the permanent code has no such form
    "11014": AuthError,  # nor has the token
    "11015": AuthError,  # nor has the corpId
    "20012": AuthError,  # the acting user is unknown
    **dict.fromkeys(NO_ACCESS, AuthError),
    NO_PACK: AuthError,
    "14001": RateLimitedError,  # 100 calls of one interface in 20 seconds
    "30004": RateLimitedError,  # the same, as other pages name it
    DAY_USED_UP: RateLimitedError,  # until midnight
    **dict.fromkeys(SYSTEM_BUSY, TransientError),
}
_WAYS_OUT: Final[Mapping[str, str]] = {
    **dict.fromkeys(NO_ACCESS, "start the app, and let the tenant authorise it for this interface"),
    NO_PACK: "the tenant has to buy an OpenAPI quota pack",
    DAY_USED_UP: "the day's calls are used up; another quota pack adds 100,000 a day",
    "20012": "acting_user is not an employee of this tenant",
    "20016": "the token is refused, though it is new",
}


def code_of(body: Any) -> str | None:
    """Return the code of an answer; AttributeError and KeyError when it is none of Fxiaoke's."""
    code = body.get("errorCode")
    return None if code is None else str(code)


def told_by(code: str | None, message: Any) -> str:
    """Return Fxiaoke's words with the way out where one is known; the words alone decide nothing."""
    way_out = _WAYS_OUT.get(code or "")
    return f"{message} ({way_out})" if way_out else str(message)


def wait_for(code: str | None, at: datetime | None) -> float:
    """Return the seconds to wait after a refusal at `at`, the vendor's time; Fxiaoke tells none.

    The day's quota comes back at 00:00; that this is China's midnight is inferred.
    """
    if code != DAY_USED_UP:
        return WINDOW_SECONDS
    if at is None:
        return _FREE_OF_RESET_TIME
    here = at.astimezone(_CHINA)
    midnight = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - here).total_seconds()


def _message_of(body: Any) -> str:
    return told_by(code_of(body), body.get("errorMessage"))


def _has_failed(body: Any) -> bool:
    return str(body["errorCode"]) != "0"


def _retry_after(reply: Reply) -> float | None:
    """Read our own waits; a header, should there ever be one, wins."""
    if "retry-after" in reply.headers:
        return None
    try:
        code = code_of(reply.json)
    except (AttributeError, TransientError):  # a proxy's 429
        code = None
    return wait_for(code, reply.date)


ERRORS: Final = ErrorTable(
    codes=CODES, code_of=code_of, message_of=_message_of, has_failed=_has_failed, retry_after_of=_retry_after
)
