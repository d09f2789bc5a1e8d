"""Redmine's REST dialect: the key in its header, lists under a name, and the question whose answers we were given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from syncd.sdk import (
    ApiClient,
    AuthError,
    ConfigError,
    ConnectorContext,
    ContractError,
    ErrorTable,
    Reply,
    hide,
)
from syncd.sdk.paging import offsets
from syncd.sdk.reply import where

PAGE_SIZE: Final = 100  # a larger limit is cut to this without a word
Row = dict[str, Any]

_ME: Final = "users/current.json"


class Rest:
    """Calls one Redmine server for one connection; `url` is its address without a trailing slash."""

    def __init__(self, base_url: str, api_key: str, context: ConnectorContext) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", api_key):
            raise ConfigError(
                f"connections.{context.connection}: the API key is empty or holds a space, a line break or a character "
                "outside ASCII; check the file or variable that it comes from"
            )
        hide(api_key)
        self.url = base_url.rstrip("/")
        self._connection = context.connection
        self._api = ApiClient(base_url, context, errors=ERRORS, headers={"X-Redmine-API-Key": api_key})

    def close(self) -> None:
        """Close the sockets."""
        self._api.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply:
        """Read `path`."""
        return self._api.get(path, params)

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """Write once; left to the engine to repeat. The answer to a success is empty."""
        self._api.request("PUT", path, json=body)

    def me(self, params: Mapping[str, Any] | None = None) -> tuple[Row, Reply]:
        """Return the key's user; AuthError when the server does not know the key.

        Redmine treats a request with an unknown key as one without: it answers with what everybody may see. So this is
        asked after each list, before its rows are taken for all there is.
        """
        try:
            reply = self.get(_ME, params)
        except AuthError as err:
            if err.status != 401:
                raise
            raise AuthError(
                f"{err}. Redmine does not know the key, its user is locked, or the REST web service is switched off "
                "(Administration, Settings, API)",
                status=401,
            ) from err
        return row_of(reply, "user"), reply

    def listed(self, path: str, key: str, params: Mapping[str, Any]) -> Iterator[list[Row]]:
        """Yield the pages of a list that is walked by offset."""

        def fetch(start: int) -> tuple[Sequence[Any], int | None]:
            reply = self.get(path, {**params, "offset": start, "limit": PAGE_SIZE})
            return rows_of(reply, key), count_in(reply, "total_count")

        for part in offsets(fetch, limit=PAGE_SIZE, key=lambda row: row["id"]):
            yield list(part.items)


def rows_of(reply: Reply, key: str) -> list[Row]:
    """Return the rows of a list answer; ContractError when they are not objects with a numeric id."""
    rows = reply.member(key)
    if not isinstance(rows, list):
        raise ContractError(f"{where(reply.url)}: {key} is no list", status=reply.status)
    if not all(type(row) is dict and type(row.get("id")) is int for row in rows):
        raise ContractError(f"{where(reply.url)}: one of {key} has no id", status=reply.status)
    return rows


def row_of(reply: Reply, key: str) -> Row:
    """Return the one object of an answer; ContractError when it is none with a numeric id."""
    row = reply.member(key)
    if type(row) is not dict or type(row.get("id")) is not int:
        raise ContractError(f"{where(reply.url)}: {key} has no id", status=reply.status)
    return row


def count_in(reply: Reply, name: str) -> int | None:
    """Return a whole number beside a list, None when there is none."""
    value = reply.json.get(name)
    return value if type(value) is int else None


def moment(text: Any) -> datetime:
    """Return a row's stamp, aware UTC; ContractError when it is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError) as err:
        raise ContractError(f"{text!r} is no ISO 8601 time") from err


def _message(body: Any) -> str:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return "; ".join(map(str, errors)) if isinstance(errors, list) else ""


# Source: app/controllers/application_controller.rb and app/views/common/error_messages.api.rsb: 422 carries `errors` in
# the language of the key's user, so nothing is told from its text; 401, 403, 404 and 412 are empty.
ERRORS: Final = ErrorTable(message_of=_message)
