"""Zoho's errors, translated into what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from syncd.sdk import AuthError, ConnectorError, ErrorTable, RateLimitedError

SCOPE_MISMATCH: Final = "OAUTH_SCOPE_MISMATCH"
PAGE_WALL: Final = "DISCRETE_PAGINATION_LIMIT_EXCEEDED"
GRANT_REFUSED: Final = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE"})
RIGHT_REFUSED: Final = frozenset({SCOPE_MISMATCH, "NO_PERMISSION", "AUTHORIZATION_FAILED", "NOT_SUPPORTED"})

# Source: Zoho CRM API v8 status codes and the error lists of each call, read 2026-11-21. Codes that are not here are
# judged by their HTTP status, because the same code means a bad payload on a write and a changed API on a read.
# NO_PERMISSION is left out on purpose: as a whole answer it comes with 403, inside one element it is about one record.
CODES: Final[Mapping[str, type[ConnectorError]]] = {
    "INVALID_TOKEN": AuthError,  # raised after one renewal has not helped
    "AUTHENTICATION_FAILURE": AuthError,  # sometimes given instead of INVALID_TOKEN
    SCOPE_MISMATCH: AuthError,
    "AUTHORIZATION_FAILED": AuthError,  # status 400: the user may not see deleted records
    "TOO_MANY_REQUESTS": RateLimitedError,  # credits or concurrency; no wait is told
}
_TOLD: Final = (
    "api_name",
    "json_path",
    "param_name",
    "param",
    "permissions",
    "expected_data_type",
    "maximum_length",
    "limit",
    "id",
    "reason",
    "near",
)


def with_right(err: AuthError, needs: str) -> AuthError:
    """Return `err` telling which right would help, where it is about a right and not about the login."""
    if err.code not in RIGHT_REFUSED:
        return err
    return AuthError(f"{err}; {needs}", status=err.status, code=err.code)


def failure_of(body: Any) -> Mapping[str, Any] | None:
    """Return the error in `body`: the body itself, or its first element when that has failed."""
    if not isinstance(body, Mapping):
        return None
    if "code" in body:
        return body
    elements = body.get("data")
    first = elements[0] if isinstance(elements, list) and elements else None
    return first if isinstance(first, Mapping) and first.get("status") == "error" else None


def describe(failure: Mapping[str, Any]) -> str:
    """Return Zoho's text with the details that name the field or the right, never a value that was sent."""
    details = failure.get("details")
    told = {key: details[key] for key in _TOLD if key in details} if isinstance(details, Mapping) else {}
    text = str(failure.get("message", ""))
    return f"{text} ({', '.join(f'{key} {value}' for key, value in told.items())})" if told else text


def _code_of(body: Any) -> str | None:
    failure = failure_of(body)
    return str(failure.get("code")) if failure else None


def _message_of(body: Any) -> str:
    failure = failure_of(body)
    return describe(failure) if failure else ""


def _has_failed(body: Any) -> bool:
    """A 2xx answer (202 mostly) that is one error; answers of several elements are judged one by one."""
    return isinstance(body, Mapping) and body.get("status") == "error" and "code" in body


ERRORS: Final = ErrorTable(codes=CODES, code_of=_code_of, message_of=_message_of, has_failed=_has_failed)
