"""What a PUT on an imitated issue changes: keys that our role or the workflow does not allow are dropped silently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from connectors.redmine.rest import Row
from connectors.redmine.state import Book, Issue, ref

_NOTES: Final = frozenset({"notes", "private_notes"})
_PLAIN: Final = ("subject", "description", "start_date", "due_date", "done_ratio", "estimated_hours", "is_private")
_WRITTEN_LINE: Final = re.compile(r"\r\n|\n|\r")  # descriptions are kept with both characters
_DATES: Final = ("start_date", "due_date")


def allowed(sent: Mapping[str, Any], permissions: frozenset[str]) -> Row:
    """Return the part of a payload that a role with `permissions` may set."""
    keeps_notes, keeps_fields = "add_issue_notes" in permissions, "edit_issues" in permissions
    return {key: value for key, value in sent.items() if (keeps_notes if key in _NOTES else keeps_fields)}


def changes(book: Book, issue: Issue, sent: Mapping[str, Any]) -> Row | str:
    """Return the vendor fields that `sent` gives other values, or what is wrong with it."""
    wanted: Row = {name: sent[name] or None for name in _PLAIN if name in sent and name != "is_private"}
    if wanted.get("description"):
        wanted["description"] = _WRITTEN_LINE.sub("\r\n", wanted["description"])
    if "is_private" in sent:
        wanted["is_private"] = bool(sent["is_private"])
    if "done_ratio" in sent:
        wanted["done_ratio"] = int(sent["done_ratio"] or 0)
    if "estimated_hours" in wanted:
        wanted["estimated_hours"] = wanted["total_estimated_hours"] = _hours(wanted["estimated_hours"])
    if sent.get("status_id") in book.statuses:  # one that the workflow does not know is dropped
        wanted["status"] = book.statuses[sent["status_id"]]
    if "fixed_version_id" in sent:
        version = book.versions.get(sent["fixed_version_id"] or 0)
        if sent["fixed_version_id"] and version is None:
            return "Target version is not included in the list"
        wanted["fixed_version"] = ref(version) if version else None
    if "assigned_to_id" in sent:
        user = book.users.get(sent["assigned_to_id"] or 0)
        if sent["assigned_to_id"] and user is None:
            return "Assignee is invalid"
        wanted["assigned_to"] = {"id": user["id"], "name": f"{user['firstname']} {user['lastname']}"} if user else None
    if "custom_fields" in sent:
        values = {entry["id"]: entry.get("value") or "" for entry in sent["custom_fields"]}
        wanted["custom_fields"] = {**issue.row.get("custom_fields", {}), **values}
    return _fault({**issue.row, **wanted}) or {
        name: value for name, value in wanted.items() if value != issue.row.get(name)
    }


def details(issue: Issue, changed: Mapping[str, Any]) -> list[Row]:
    """Return what a journal tells of changed fields: names and values as the database has them."""
    return [
        {"property": "attr", "name": name, "old_value": _told(issue.row.get(name)), "new_value": _told(value)}
        for name, value in changed.items()
        if name != "total_estimated_hours"
    ]


def _fault(row: Row) -> str:
    if not str(row["subject"] or "").strip():
        return "Subject cannot be blank"
    for name in _DATES:
        try:
            date.fromisoformat(row[name] or "2026-01-01")
        except ValueError:
            return f"{name.replace('_', ' ').capitalize()} is not a valid date"
    if row["start_date"] and row["due_date"] and row["due_date"] < row["start_date"]:
        return "Due date must be greater than start date"
    return ""


def _hours(value: Any) -> float | None:
    return float(value) if value else None


def _told(value: Any) -> str | None:
    return str(value["id"] if isinstance(value, dict) and "id" in value else value) if value is not None else None
