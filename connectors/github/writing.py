"""Writes: a comment that can be found again by its mark, and changes to an issue."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from connectors.github.rest import PAGE_SIZE, Rest, Row, linked, links, rows_of
from syncd.sdk import Command, Outcome, Receipt, RejectedError, Reply

# GitHub refuses a body of more than 65,536 characters. Counted in bytes, and with room for the mark.
MAX_BYTES: Final = 65_000
_TARGET: Final = re.compile(r"([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)/issues/[1-9][0-9]*")
# GitHub drops these without a word when the token has no push right.
_NEEDS_PUSH: Final[Mapping[str, Callable[[Row], Any]]] = {
    "labels": lambda row: {label if isinstance(label, str) else label["name"] for label in row["labels"]},
    "assignees": lambda row: {user["login"] for user in row["assignees"]},
    "milestone": lambda row: (row["milestone"] or {}).get("number"),
}


def write(rest: Rest, command: Command, repositories: Sequence[str]) -> Receipt:
    """Carry `command` out once."""
    match command.operation:
        case "create_comment":
            return _create_comment(rest, command, _target(command, repositories))
        case "update_issue":
            return _update_issue(rest, command, _target(command, repositories))
    raise RejectedError(f"{command.operation!r} is not an operation of 'github'")


def find(rest: Rest, command: Command, repositories: Sequence[str]) -> Receipt | None:
    """Look through the comments of the command's issue for our mark, the newest first."""
    mark = mark_of(command.idempotency_key)
    for reply in _newest_first(rest, f"repos/{_target(command, repositories)}/comments"):
        for row in reversed(rows_of(reply)):
            if mark in (row.get("body") or ""):
                return _receipt(row, Outcome.UNCHANGED)
    return None


def mark_of(key: str) -> str:
    """Return the comment in the comment that nobody sees; the key cannot end it early."""
    return f"<!-- syncd:{quote(key, safe=':/._~ ')} -->"


def _create_comment(rest: Rest, command: Command, target: str) -> Receipt:
    body = command.payload.get("body")
    if not isinstance(body, str) or not body.strip():
        raise RejectedError("create_comment: the payload has no text under `body`")
    marked = f"{body.rstrip()}\n\n{mark_of(command.idempotency_key)}"
    return _receipt(rest.post(f"repos/{target}/comments", {**command.payload, "body": marked}).json, Outcome.CREATED)


def _update_issue(rest: Rest, command: Command, target: str) -> Receipt:
    if not command.payload:
        raise RejectedError("update_issue: the payload is empty")
    row = rest.patch(f"repos/{target}", command.payload).json
    if dropped := [name for name in _NEEDS_PUSH if name in command.payload and _is_dropped(name, command.payload, row)]:
        raise RejectedError(f"update_issue {target}: GitHub ignored {', '.join(dropped)}; the token needs push rights")
    return _receipt(row, Outcome.UPDATED)


def _is_dropped(name: str, payload: Mapping[str, Any], row: Row) -> bool:
    sent, found = payload[name], _NEEDS_PUSH[name](row)
    if not isinstance(found, set):
        return bool(sent != found)
    return {text.lower() for text in sent or ()} != {text.lower() for text in found}


def _target(command: Command, repositories: Sequence[str]) -> str:
    """Return the issue's id; a repository that the connection is not for is refused, whatever the token may do."""
    found = _TARGET.fullmatch(command.target_id or "")
    if not found:
        raise RejectedError(
            f"{command.operation}: target {command.target_id!r} is not of the form owner/repo/issues/12"
        )
    if found[1].lower() not in {name.lower() for name in repositories}:
        raise RejectedError(
            f"{command.operation}: {found[1]} is not among the connection's config.repositories "
            f"({', '.join(repositories)})"
        )
    return found[0]


def _newest_first(rest: Rest, path: str) -> Iterator[Reply]:
    """Walk a list that grows at its end backwards: a comment deleted meanwhile shows rows twice and hides none."""
    first = rest.get(path, {"per_page": PAGE_SIZE})
    last = links(first).get("last")
    reply = rest.get(last) if last else first
    if not last or not rows_of(reply):  # one page, no such link, or the last page has vanished meanwhile
        yield from linked(rest, first)
        return
    yield from linked(rest, reply)
    while previous := links(reply).get("prev"):
        reply = rest.get(previous)
        yield reply


def _receipt(row: Row, outcome: Outcome) -> Receipt:
    return Receipt(row["url"].partition("/repos/")[2], outcome, url=row.get("html_url"))
