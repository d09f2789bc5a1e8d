"""Slack's Web API dialect: reads by query, writes by JSON, errors inside a 200, lists by cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

from syncd.sdk import (
    ApiClient,
    AuthError,
    BearerAuth,
    ConnectorContext,
    ConnectorError,
    ContractError,
    ErrorTable,
    Json,
    OutcomeUnknownError,
    RateLimitedError,
    Reply,
    TransientError,
)
from syncd.sdk.paging import Slice, tokens

PAGE_SIZE: Final = 200  # Slack's advice
LARGEST_PAGE: Final = 999
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}

# Source: docs.slack.dev, chat.postMessage, chat.update, conversations.history and rate limits, read 2026-11-21.
# They arrive in a 200 body. What is not here is about the one call: a changed API on a read, a bad payload on a write
# (no_text, msg_too_long, msg_blocks_too_long, invalid_blocks, metadata_too_large, message_not_found, …).
CODES: Final[Mapping[str, type[ConnectorError]]] = {
    "not_authed": AuthError,
    "invalid_auth": AuthError,
    "account_inactive": AuthError,
    "token_revoked": AuthError,
    "token_expired": AuthError,
    "no_permission": AuthError,
    "missing_scope": AuthError,  # `needed` names it
    "ekm_access_denied": AuthError,
    # A connection has one channel: without it nothing of the connection works until a person has mended that.
    "channel_not_found": AuthError,  # also what a private channel answers that we have not been invited to
    "not_in_channel": AuthError,
    "is_archived": AuthError,
    "restricted_action": AuthError,
    "restricted_action_read_only_channel": AuthError,
    "restricted_action_thread_only_channel": AuthError,
    "restricted_action_non_threadable_channel": AuthError,
    "messages_tab_disabled": AuthError,
    "ratelimited": RateLimitedError,  # 429 with Retry-After
    "rate_limited": RateLimitedError,
    "message_limit_exceeded": RateLimitedError,
    "fatal_error": TransientError,  # of a write: it may have been carried out in part
    "internal_error": TransientError,
    "service_unavailable": TransientError,
    "request_timeout": TransientError,
}
_WAY_OUT: Final[Mapping[str, str]] = {
    "channel_not_found": "; check config.channel, and invite the app if the channel is private",
    "not_in_channel": "; invite the app into the channel",
    "is_archived": "; restore the channel or name another under config.channel",
}


class Web:
    """Calls the Web API for one connection. `read_token` replaces the token where messages are read."""

    def __init__(self, base_url: str, token: str, context: ConnectorContext, *, read_token: str | None = None) -> None:
        self._api = ApiClient(base_url, context, auth=BearerAuth(token), errors=ERRORS)
        self._reader = self._api
        if read_token:
            self._reader = ApiClient(base_url, context, auth=BearerAuth(read_token), errors=ERRORS)

    def close(self) -> None:
        """Close the sockets."""
        self._api.close()
        self._reader.close()

    def get(self, method: str, params: Mapping[str, Any] | None = None) -> Reply:
        """Call a method that changes nothing."""
        return self._api.get(method, params)

    def look(self, channel: str) -> None:
        """Ask for one message, to see whether the channel can be read."""
        self._reader.get("conversations.history", {"channel": channel, "limit": 1}).member("messages")

    def pages(self, method: str, params: Mapping[str, Any], *, size: int = PAGE_SIZE) -> Iterator[Slice]:
        """Yield the messages of a list by cursor; a cursor gone stale starts the list once more from its beginning."""
        asked = {**params, "limit": size}
        try:
            yield from tokens(lambda cursor: self._page(method, asked, cursor))
        except ContractError as err:
            if err.code != "invalid_cursor":
                raise
            yield from tokens(lambda cursor: self._page(method, asked, cursor))

    def post(self, method: str, body: Json, *, idempotent: bool = False) -> Reply:
        """Write; `idempotent` for what may be sent twice."""
        if idempotent:
            return self._api.post(method, body, idempotent=True)
        with _in_doubt():
            return self._api.post(method, body)

    def post_form(self, method: str, fields: Mapping[str, str]) -> Reply:
        """Write once as a form, as Slack's own clients do for files."""
        with _in_doubt():
            return self._api.request("POST", method, content=urlencode(fields).encode(), headers=_FORM)

    def _page(self, method: str, params: Mapping[str, Any], cursor: str | None) -> Slice:
        reply = self._reader.get(method, {**params, "cursor": cursor})
        messages = reply.member("messages")
        if not isinstance(messages, list) or not all(isinstance(m, dict) and _is_ts(m.get("ts")) for m in messages):
            raise ContractError(f"{method}: the messages are not a list of objects with a ts", status=reply.status)
        following = ((reply.json.get("response_metadata") or {}).get("next_cursor")) or None
        return Slice(messages, last=following is None, next=following)


@contextmanager
def _in_doubt() -> Iterator[None]:
    """What Slack calls an error of its own may have taken effect all the same."""
    try:
        yield
    except TransientError as err:
        if err.code is None:
            raise
        text = f"{err}; it may have been carried out all the same"
        raise OutcomeUnknownError(text, status=err.status, code=err.code) from err


def _is_ts(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{1,12}\.\d{1,9}", value) is not None


def _code_of(body: Any) -> str | None:
    """Return the code alone: it is a word, whatever else a proxy in between writes there."""
    found = re.match(r"[a-z0-9_]+", str(body.get("error") or ""))
    return found[0] if found else None


def _message_of(body: Any) -> str:
    code = _code_of(body) or ""
    details = (body.get("response_metadata") or {}).get("messages") or []
    told = [f"needs the scope {body['needed']}"] if body.get("needed") else []
    text = "; ".join((*told, *map(str, details))) or str(body.get("error") or "")
    return text + _WAY_OUT.get(code, "")


ERRORS: Final = ErrorTable(
    codes=CODES, code_of=_code_of, message_of=_message_of, has_failed=lambda body: body["ok"] is not True
)
