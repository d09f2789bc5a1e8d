"""GitHub's REST dialect: headers, error table, conditional requests, repositories that have moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from syncd.sdk import (
    ApiClient,
    BearerAuth,
    ConnectorContext,
    ConnectorError,
    ContractError,
    ErrorTable,
    RateLimitedError,
    Reply,
)
from syncd.sdk.paging import MAX_SLICES
from syncd.sdk.reply import where

PAGE_SIZE: Final = 100
MAX_PAGES: Final = MAX_SLICES
Row = dict[str, Any]

_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_SECONDARY: Final = b"secondary rate limit"
_SECONDARY_SECONDS: Final = 60.0


class Rest:
    """Calls GitHub's REST API for one connection."""

    def __init__(self, base_url: str, token: str, context: ConnectorContext) -> None:
        self._api = ApiClient(base_url, context, auth=BearerAuth(token), errors=ERRORS, headers=_HEADERS)

    def close(self) -> None:
        """Close the sockets."""
        self._api.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, etag: str | None = None) -> Reply:
        """Read `path` or the absolute URL of a Link header; a 304 is an answer where `etag` is given."""
        headers = {"If-None-Match": etag} if etag else None
        query = f"?{urlencode(params)}" if params else ""
        reply = self._api.get(f"{path}{query}", headers=headers)
        if query and "?" not in reply.url:
            # A renamed repository was followed to an address without our query: those are the vendor's defaults
            # (open issues only, thirty of them), so the question is put again at the new address.
            reply = self._api.get(f"{reply.url}{query}", headers=headers)
        return reply

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Write once."""
        return self._api.post(path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Write once; left to the engine to repeat."""
        return self._api.request("PATCH", path, json=body)


def rows_of(reply: Reply, *texts: str) -> list[Row]:
    """Return the rows of a list answer; ContractError when it is no list of objects that all have the `texts`."""
    rows = reply.json
    if not isinstance(rows, list):
        raise ContractError(f"{where(reply.url)}: expected a list, got {type(rows).__name__}", status=reply.status)
    for name in texts:
        if not all(type(row) is dict and type(row.get(name)) is str for row in rows):
            raise ContractError(f"{where(reply.url)}: a row has no {name}", status=reply.status)
    return rows


def moment(text: str) -> datetime:
    """Return a row's stamp, aware UTC; ContractError when it is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as err:
        raise ContractError(f"{text!r} is no ISO 8601 time") from err


def links(reply: Reply) -> dict[str, str]:
    """Return the targets of the Link header by their relation: next, prev, first, last."""
    found = httpx.Response(200, headers=reply.headers).links.values()
    return {link["rel"]: link["url"] for link in found if "rel" in link and "url" in link}


def linked(rest: Rest, reply: Reply) -> Iterator[Reply]:
    """Yield `reply` and every page after it."""
    yield reply
    for _ in range(MAX_PAGES):
        if (url := reply.next_url) is None:
            return
        reply = rest.get(url)
        yield reply
    raise endless()


def endless() -> ContractError:
    """Return the error for a list that runs in circles."""
    return ContractError(f"the list did not end within {MAX_PAGES:,} pages")


def calls_left(reply: Reply) -> int | None:
    """Return how many calls the primary limit leaves, None when GitHub does not say."""
    value = reply.headers.get("x-ratelimit-remaining", "")
    return int(value) if value.isdigit() else None


# Source: "Rate limits for the REST API" and "Best practices for using the REST API" (github/docs): GitHub limits with
# 403 and with 429; what tells a limit from a missing right is the headers and the message.
def _kind(reply: Reply) -> type[ConnectorError] | None:
    if reply.status not in (403, 429):
        return None
    is_limit = reply.status == 429 or "retry-after" in reply.headers or calls_left(reply) == 0 or _is_secondary(reply)
    return RateLimitedError if is_limit else None


def _wait_seconds(reply: Reply) -> float | None:
    if "retry-after" in reply.headers:
        return None  # read by the client, as seconds or as a date
    if calls_left(reply) == 0 and (reset := reply.headers.get("x-ratelimit-reset", "")).isdigit() and reply.date:
        return max(1.0, int(reset) - reply.date.timestamp())  # both by the vendor's clock
    return _SECONDARY_SECONDS if _is_secondary(reply) else None


def _is_secondary(reply: Reply) -> bool:
    return _SECONDARY in reply.content.lower()


def _message(body: Any) -> str:
    if not isinstance(body, Mapping):
        return ""
    details = [_detail(error) for error in body.get("errors") or []]
    return ": ".join(part for part in (str(body.get("message") or ""), ", ".join(details)) if part)


def _detail(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    return " ".join(str(error[key]) for key in ("field", "code", "message") if error.get(key))


ERRORS: Final = ErrorTable(message_of=_message, status_of=_kind, retry_after_of=_wait_seconds)
