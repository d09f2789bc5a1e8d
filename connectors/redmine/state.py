"""What an imitated Redmine holds, and how its lists and objects show it (fields as in release 5.0)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.redmine.rest import Row
from syncd.sdk.paging import stamp

PERMISSIONS: Final = frozenset({"view_issues", "add_issues", "edit_issues", "add_issue_notes", "view_private_notes"})
MODULES: Final = ("issue_tracking", "wiki")
STATUSES: Final[tuple[tuple[str, bool], ...]] = (
    ("New", False),
    ("In Progress", False),
    ("Resolved", False),
    ("Feedback", False),
    ("Closed", True),
    ("Rejected", True),
)
_OPTIONAL: Final = ("assigned_to", "category", "fixed_version", "parent")  # absent when unset
_SCATTER: Final = 387_420_489  # a large power of three: fractions of a second that follow no order


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue: `row` as it is shown, without stamps; `updated` is kept finer than it is shown."""

    row: Row
    updated: datetime
    closed: datetime | None = None

    @property
    def id(self) -> int:
        """Its number."""
        return int(self.row["id"])

    @property
    def project(self) -> int:
        """The id of its project."""
        return int(self.row["project"]["id"])


@dataclass(slots=True)
class Book:
    """Everything there is, by id."""

    projects: dict[int, Row] = field(default_factory=dict)
    modules: dict[int, tuple[str, ...]] = field(default_factory=dict)
    versions: dict[int, Row] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    journals: dict[int, tuple[int, Row]] = field(default_factory=dict)
    relations: dict[int, Row] = field(default_factory=dict)
    users: dict[int, Row] = field(default_factory=dict)
    locked: set[int] = field(default_factory=set)
    memberships: dict[int, Row] = field(default_factory=dict)
    statuses: dict[int, Row] = field(default_factory=dict)
    custom_fields: dict[int, Row] = field(default_factory=dict)

    def project(self, name: str) -> Row | None:
        """Return the project with this identifier or number."""
        return next((row for row in self.projects.values() if name in (row["identifier"], str(row["id"]))), None)

    def journals_of(self, issue: int) -> list[Row]:
        """Return the journals of an issue, oldest first."""
        return [row for number, row in self.journals.values() if number == issue]

    def relations_of(self, issue: int) -> list[Row]:
        """Return the relations that start or end at an issue."""
        return [row for row in self.relations.values() if issue in (row["issue_id"], row["issue_to_id"])]

    def drop_issue(self, number: int) -> None:
        """Delete an issue with all that hangs on it."""
        del self.issues[number]
        self.journals = {key: held for key, held in self.journals.items() if held[0] != number}
        for row in self.relations_of(number):
            del self.relations[row["id"]]


def finer(at: datetime, number: int) -> datetime:
    """Return a time within the second `at`: a database keeps fractions that the interface does not show."""
    return at.replace(microsecond=0) + timedelta(microseconds=number * _SCATTER % 1_000_000)


def shown(at: datetime | None) -> str | None:
    """Return a stamp as the interface shows it: whole seconds, UTC."""
    return stamp(at.replace(microsecond=0)) if at else None


def ref(row: Row) -> Row:
    """Return the short form in which other objects name this one."""
    return {"id": row["id"], "name": row["name"]}


def project_row(number: int, identifier: str, name: str, *, at: datetime) -> Row:
    """Return an active public project as lists show it."""
    return {
        "id": number,
        "name": name,
        "identifier": identifier,
        "description": None,
        "status": 1,
        "is_public": True,
        "inherit_members": False,
        "created_on": shown(at),
        "updated_on": shown(at),
    }


def version_row(number: int, project: Row, name: str, *, at: datetime) -> Row:
    """Return an open version without a due date."""
    return {
        "id": number,
        "project": ref(project),
        "name": name,
        "description": "",
        "status": "open",
        "due_date": None,
        "sharing": "none",
        "wiki_page_title": None,
        "created_on": shown(at),
        "updated_on": shown(at),
    }


def user_row(number: int, login: str, first: str, last: str, *, at: datetime) -> Row:
    """Return a user as an administrator's list shows it."""
    return {
        "id": number,
        "login": login,
        "admin": False,
        "firstname": first,
        "lastname": last,
        "mail": f"{login}@agency.example",
        "created_on": shown(at),
        "updated_on": shown(at),
        "last_login_on": None,
        "passwd_changed_on": shown(at),
        "twofa_scheme": None,
    }


def custom_field_row(number: int, name: str) -> Row:
    """Return a text field of issues."""
    return {
        "id": number,
        "name": name,
        "customized_type": "issue",
        "field_format": "string",
        "regexp": "",
        "min_length": None,
        "max_length": None,
        "is_required": False,
        "is_filter": True,
        "searchable": False,
        "multiple": False,
        "default_value": None,
        "visible": True,
        "trackers": [{"id": 1, "name": "Bug"}],
        "roles": [],
    }


def issue_of(number: int, project: Row, subject: str, status: Row, author: Row, *, at: datetime) -> Issue:
    """Return an open issue; what is not set is absent, as Redmine leaves it out."""
    row = {
        "id": number,
        "project": ref(project),
        "tracker": {"id": 1, "name": "Bug"},
        "status": status,
        "priority": {"id": 2, "name": "Normal"},
        "author": {"id": author["id"], "name": f"{author['firstname']} {author['lastname']}"},
        "subject": subject,
        "description": None,
        "start_date": at.date().isoformat(),
        "due_date": None,
        "done_ratio": 0,
        "is_private": False,
        "estimated_hours": None,
        "total_estimated_hours": None,
        "spent_hours": 0.0,
        "total_spent_hours": 0.0,
        "created_on": shown(at),
    }
    return Issue(row, finer(at, number))


def issue_row(issue: Issue, fields: Iterable[Row], *, tells_closed: bool) -> Row:
    """Return an issue as it is shown; servers before 5.0 do not say whether its status is a closed one."""
    status = issue.row["status"] if tells_closed else ref(issue.row["status"])
    values = issue.row.get("custom_fields", {})
    told = [{"id": row["id"], "name": row["name"], "value": values.get(row["id"])} for row in fields]
    custom = {"custom_fields": told} if told else {}
    stamps = {"updated_on": shown(issue.updated), "closed_on": shown(issue.closed)}
    row = {name: value for name, value in issue.row.items() if value is not None or name not in _OPTIONAL}
    return {**row, "status": status, **custom, **stamps}


def journal_row(number: int, user: Row, notes: str, *, at: datetime, details: list[Row] | None = None) -> Row:
    """Return a journal: a comment, changed fields, or both."""
    return {
        "id": number,
        "user": {"id": user["id"], "name": f"{user['firstname']} {user['lastname']}"},
        "notes": notes,
        "created_on": shown(at),
        "private_notes": False,
        "details": details or [],
    }


def touched(issue: Issue, *, at: datetime, **fields: Any) -> Issue:
    """Return an issue with fields changed at a time; one that gets a closed status is closed then."""
    row = {**issue.row, **fields}
    was, is_closed = issue.row["status"]["is_closed"], row["status"]["is_closed"]
    closed = finer(at, issue.id) if is_closed and not was else issue.closed
    return replace(issue, row=row, updated=finer(at, issue.id), closed=closed)
