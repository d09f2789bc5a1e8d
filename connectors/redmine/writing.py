"""Writes: a comment that can be found again by its mark, and changes to an issue; both are read back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from connectors.redmine.projects import Projects
from connectors.redmine.rest import Rest, Row, row_of
from syncd.sdk import Command, ConnectorError, Outcome, OutcomeUnknownError, Receipt, RejectedError

# Notes are a MySQL TEXT of 65,535 bytes on older servers. With room for the mark.
MAX_BYTES: Final = 60_000
_TARGET: Final = re.compile(r"#?([1-9][0-9]{0,17})")
_COMMENT_KEYS: Final = frozenset({"notes", "private_notes"})


def _id_of(name: str) -> Callable[[Row], Any]:
    return lambda row: (row.get(name) or {}).get("id")


def _plain(name: str) -> Callable[[Row], Any]:
    return lambda row: row.get(name)


# How what was sent under a key shows in the issue.
_SHOWN: Final[Mapping[str, Callable[[Row], Any]]] = {
    "tracker_id": _id_of("tracker"),
    "status_id": _id_of("status"),
    "priority_id": _id_of("priority"),
    "category_id": _id_of("category"),
    "assigned_to_id": _id_of("assigned_to"),
    "fixed_version_id": _id_of("fixed_version"),
    "parent_issue_id": _id_of("parent"),
    **{
        name: _plain(name)
        for name in ("subject", "description", "start_date", "due_date", "done_ratio", "estimated_hours", "is_private")
    },
}


def write(rest: Rest, projects: Projects, command: Command) -> Receipt:
    """Carry `command` out once."""
    match command.operation:
        case "create_comment":
            return _create_comment(rest, projects, command)
        case "update_issue":
            return _update_issue(rest, projects, command)
    raise RejectedError(f"{command.operation!r} is not an operation of 'redmine'")


def find(rest: Rest, command: Command) -> Receipt | None:
    """Look through the journals of the command's issue for our mark, the newest first."""
    number, mark = _target(command), mark_of(command.idempotency_key)
    row = row_of(rest.get(f"issues/{number}.json", {"include": "journals"}), "issue")
    rest.me()  # a key that is not known is shown the issue without private notes
    for journal in reversed(row.get("journals") or []):
        if mark in (journal.get("notes") or ""):
            return _of_journal(rest, number, journal["id"], Outcome.UNCHANGED)
    return None


def mark_of(key: str) -> str:
    """Return the comment in the comment, which Textile and CommonMark do not show; the key cannot end it early."""
    return f"<!-- syncd:{quote(key, safe=':/._~ ')} -->"


def _create_comment(rest: Rest, projects: Projects, command: Command) -> Receipt:
    number, notes = _target(command), command.payload.get("notes")
    if not isinstance(notes, str) or not notes.strip():
        raise RejectedError("create_comment: the payload has no text under `notes`")
    _refuse_unknown(command, _COMMENT_KEYS)
    _issue(rest, projects, command)
    marked = f"{notes.rstrip()}\n\n{mark_of(command.idempotency_key)}"
    rest.put(f"issues/{number}.json", {"issue": {**command.payload, "notes": marked}})
    found = _read_back(command, lambda: find(rest, command))
    if found is None:
        raise RejectedError(f"create_comment #{number}: Redmine dropped the note; our role there lacks Add notes")
    return _of_journal(rest, number, int(found.remote_id.rpartition("/")[2]), Outcome.CREATED)


def _update_issue(rest: Rest, projects: Projects, command: Command) -> Receipt:
    number, payload = _target(command), command.payload
    if not payload:
        raise RejectedError("update_issue: the payload is empty")
    _refuse_unknown(command, _SHOWN.keys() | {"custom_fields"})
    if not list(_differences(payload, _issue(rest, projects, command))):
        return _of_issue(rest, number, Outcome.UNCHANGED)
    rest.put(f"issues/{number}.json", {"issue": dict(payload)})
    row = _read_back(command, lambda: row_of(rest.get(f"issues/{number}.json"), "issue"))
    if dropped := list(_differences(payload, row)):
        raise RejectedError(
            f"update_issue #{number}: Redmine ignored {', '.join(dropped)}; the workflow, the tracker or the rights of "
            "our role do not allow it"
        )
    return _of_issue(rest, number, Outcome.UPDATED)


def _read_back(command: Command, read: Callable[[], Any]) -> Any:
    """Read what a write came to: its own answer is empty. Without it nothing is known."""
    try:
        return read()
    except ConnectorError as err:
        raise OutcomeUnknownError(f"{command.operation}: written, but what came of it cannot be read ({err})") from err


def _issue(rest: Rest, projects: Projects, command: Command) -> Row:
    """Return the target as it is; one in a project that the connection is not for is refused.

    The key is asked for first: without one, a server may let anybody comment.
    """
    rest.me()
    row = row_of(_answer(rest, command), "issue")
    if projects.names and row["project"]["id"] not in {projects.row(name)["id"] for name in projects.names}:
        raise RejectedError(
            f"{command.operation}: issue {row['id']} is in {row['project'].get('name')!r}, which is not among the "
            f"connection's config.projects ({', '.join(projects.names)})"
        )
    return row


def _answer(rest: Rest, command: Command) -> Any:
    try:
        return rest.get(f"issues/{_target(command)}.json")
    except ConnectorError as err:
        if err.status != 404:
            raise
        raise RejectedError(f"{command.operation}: there is no issue {_target(command)}", status=404) from err


def _differences(payload: Mapping[str, Any], row: Row) -> Iterator[str]:
    """Yield the keys whose value in the issue is not the one that was sent: Redmine drops what is not allowed."""
    for name, sent in payload.items():
        if name != "custom_fields":
            if not _is_same(sent, _SHOWN[name](row)):
                yield name
            continue
        found = {str(entry["id"]): entry.get("value") for entry in row.get("custom_fields") or []}
        for entry in sent:
            if not _is_same(entry.get("value"), found.get(str(entry.get("id")))):
                yield f"custom field {entry.get('id')}"


def _is_same(sent: Any, found: Any) -> bool:
    """Compare what was sent with what is shown; 3, 3.0 and "3" are one, and so are null and nothing."""
    if isinstance(sent, list) or isinstance(found, list):
        return sorted(map(str, sent or [])) == sorted(map(str, found or []))
    if isinstance(sent, str) and isinstance(found, str):
        return sent.replace("\r\n", "\n") == found.replace("\r\n", "\n")
    try:
        return float(sent) == float(found)  # true and "1" too: custom fields of yes and no
    except (TypeError, ValueError):
        return (sent or "") == (found or "")


def _refuse_unknown(command: Command, known: Any) -> None:
    if unknown := sorted(command.payload.keys() - known):
        raise RejectedError(
            f"{command.operation}: {', '.join(unknown)} cannot be set; Redmine takes {', '.join(sorted(known))}"
        )


def _target(command: Command) -> str:
    found = _TARGET.fullmatch(command.target_id or "")
    if not found:
        raise RejectedError(f"{command.operation}: target {command.target_id!r} is not the number of an issue")
    return found[1]


def _of_issue(rest: Rest, number: str, outcome: Outcome) -> Receipt:
    return Receipt(number, outcome, url=f"{rest.url}/issues/{number}")


def _of_journal(rest: Rest, number: str, journal: int, outcome: Outcome) -> Receipt:
    return Receipt(f"journals/{journal}", outcome, url=f"{rest.url}/issues/{number}#change-{journal}")
