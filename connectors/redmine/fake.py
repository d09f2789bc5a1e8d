"""Redmine's REST API imitated on loopback: what the connector uses of it, with state, as release 5.0 answers.

Stricter than Redmine in one thing: it refuses parameters that it does not know, which Redmine ignores.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from connectors.redmine import edits, query, state
from connectors.redmine.rest import Row
from connectors.redmine.state import Book, Issue
from syncd.sdk.fake import Answer, FakeServer, Request, route

_PAGE: Final = frozenset({"offset", "limit"})
_INCLUDE: Final = frozenset({"include"})
_ROLE: Final = 4


class Fake(FakeServer):
    """An imitated Redmine; `key` is the key of `me`, an administrator unless `restrict` says otherwise.

    Nobody needs to log in to see public projects, as on a new server: an unknown key is shown those. `login_required`
    changes that. `tells_closed=False` is a server before 5.0.
    """

    key = "f" * 40

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.is_admin = True
        self.permissions = state.PERMISSIONS
        self.login_required = False
        self.tells_closed = True
        self._ids = itertools.count(1)
        self._known = True
        self.me = self.add_user("syncd", "Sync", "Daemon")
        for name, is_closed in state.STATUSES:
            self.add_status(name, is_closed=is_closed)

    # -- content ----------------------------------------------------------------------------------------------

    def restrict(self, *permissions: str) -> None:
        """Make our user an ordinary one whose role has `permissions`."""
        self.is_admin = False
        self.permissions = frozenset(permissions)

    def add_user(self, login: str, first: str, last: str, *, at: datetime | None = None) -> Row:
        """Add an active user."""
        return self._put(self.book.users, lambda n: state.user_row(n, login, first, last, at=at or self.now()))

    def add_status(self, name: str, *, is_closed: bool = False) -> Row:
        """Add a status of issues."""
        return self._put(self.book.statuses, lambda n: {"id": n, "name": name, "is_closed": is_closed})

    def add_custom_field(self, name: str) -> Row:
        """Add a text field that all issues have."""
        return self._put(self.book.custom_fields, lambda n: state.custom_field_row(n, name))

    def add_project(self, identifier: str, name: str, *, at: datetime | None = None, **fields: Any) -> Row:
        """Add a project; `fields` are vendor fields such as `status`."""
        at = at or self.now()
        row = self._put(self.book.projects, lambda n: state.project_row(n, identifier, name, at=at) | fields)
        self.book.modules[row["id"]] = state.MODULES
        return row

    def add_member(self, project: Row, user: Row) -> Row:
        """Give a user our one role in a project."""
        name = f"{user['firstname']} {user['lastname']}"
        roles = [{"id": _ROLE, "name": "Developer"}]
        told = {"project": state.ref(project), "user": {"id": user["id"], "name": name}, "roles": roles}
        return self._put(self.book.memberships, lambda n: {"id": n, **told})

    def add_version(self, project: Row, name: str, *, at: datetime | None = None, **fields: Any) -> Row:
        """Add a version; `fields` are vendor fields such as `due_date`."""
        at = at or self.now()
        return self._put(self.book.versions, lambda n: state.version_row(n, project, name, at=at) | fields)

    def add_issue(self, project: Row, subject: str, *, at: datetime | None = None, **fields: Any) -> Row:
        """Add an issue; `fields` are vendor fields, `status` the name of one, `custom_fields` values by field id."""
        with self.lock:
            at, number = at or self.now(), next(self._ids)
            status = self._status(fields.pop("status", "New"))
            issue = state.issue_of(number, project, subject, status, self.me, at=at)
            closed = issue.updated if status["is_closed"] else None
            self.book.issues[number] = Issue({**issue.row, **fields}, issue.updated, closed)
            return self.issue_row(number)

    def change_issue(self, number: int, *, at: datetime | None = None, **fields: Any) -> None:
        """Change vendor fields of an issue; `status` is the name of one."""
        with self.lock:
            if "status" in fields:
                fields["status"] = self._status(fields["status"])
            self.book.issues[number] = state.touched(self.book.issues[number], at=at or self.now(), **fields)

    def add_journal(
        self, number: int, notes: str, *, at: datetime | None = None, details: list[Row] | None = None
    ) -> Row:
        """Comment on an issue, or note what was changed; the issue counts as changed."""
        with self.lock:
            at = at or self.now()
            row = state.journal_row(next(self._ids), self.me, notes, at=at, details=details)
            self.book.journals[row["id"]] = (number, row)
            issue = self.book.issues[number]
            self.book.issues[number] = state.touched(issue, at=max(at, issue.updated))
            return row

    def edit_journal(self, number: int, notes: str) -> None:
        """Change the text of a comment: its issue does not count as changed."""
        with self.lock:
            issue, row = self.book.journals[number]
            self.book.journals[number] = (issue, {**row, "notes": notes})

    def add_relation(self, start: int, end: int, kind: str = "blocks") -> Row:
        """Relate two issues; neither counts as changed."""
        ends = {"issue_id": start, "issue_to_id": end}
        return self._put(self.book.relations, lambda n: {"id": n, **ends, "relation_type": kind, "delay": None})

    def issue_row(self, number: int) -> Row:
        """Return an issue as it is shown."""
        fields = self.book.custom_fields.values()
        return state.issue_row(self.book.issues[number], fields, tells_closed=self.tells_closed)

    def _put(self, table: dict[int, Row], make: Callable[[int], Row]) -> Row:
        with self.lock:
            number = next(self._ids)
            table[number] = make(number)
            return table[number]

    def _status(self, name: str) -> Row:
        return next(row for row in self.book.statuses.values() if row["name"] == name)

    # -- Redmine's dialect ------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> Answer | None:
        """Let everybody in; who comes without our key is a stranger."""
        self._known = request.headers.get("x-redmine-api-key") == self.key
        return self.expired() if self.login_required and not self._known else None

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """Return a refusal: only those of a payload say why."""
        return Answer(status, {"errors": [message]} if status in (400, 422) else None)

    def rate_limited(self, headers: Mapping[str, str]) -> Answer:
        """Return what a proxy in front of Redmine says; Redmine itself has no limits."""
        return Answer(429, None, headers)

    def _within(self, request: Request, serve: Callable[[Row], Answer]) -> Answer:
        """Serve something of the project that the path names."""
        return self._of_project(request.groups[0], serve)

    def _of_project(self, name: str, serve: Callable[[Row], Answer]) -> Answer:
        row = self.book.project(name)
        if row is None:
            return self.error(404, "")
        if not self._sees(row) or state.MODULES[0] not in self.book.modules[row["id"]]:
            return self.forbidden()
        return serve(row)

    def _sees(self, project: Row) -> bool:
        if project["status"] == 9:
            return False
        return project["is_public"] or (self._known and (self.is_admin or project["id"] in self._mine()))

    def _mine(self) -> set[int]:
        return {row["project"]["id"] for row in self.book.memberships.values() if row["user"]["id"] == self.me["id"]}

    def _paged(self, request: Request, key: str, rows: list[Row]) -> Answer:
        offset, limit = query.window(request.query)
        meta = {"total_count": len(rows), "offset": offset, "limit": limit}
        return Answer(200, {key: rows[offset : offset + limit], **meta})

    # -- reading ----------------------------------------------------------------------------------------------

    @route("GET", r"/users/current\.json", params=_INCLUDE)
    def _current(self, request: Request) -> Answer:
        if not self._known:
            return self.expired()
        told = {**self.me, "admin": self.is_admin, "api_key": self.key}
        if request.query.get("include") == "memberships":
            mine = [row for row in self.book.memberships.values() if row["user"]["id"] == self.me["id"]]
            told["memberships"] = [{key: row[key] for key in ("id", "project", "roles")} for row in mine]
        return Answer(200, {"user": told})

    @route("GET", r"/users\.json", params=_PAGE | {"status"})
    def _users(self, request: Request) -> Answer:
        if not (self._known and self.is_admin):
            return self.forbidden() if self._known else self.expired()
        locked = request.query.get("status", "1") == "3"
        rows = [row for row in self.book.users.values() if (row["id"] in self.book.locked) is locked]
        return self._paged(request, "users", sorted(rows, key=lambda row: row["login"]))

    @route("GET", r"/custom_fields\.json")
    def _custom_fields(self, request: Request) -> Answer:
        if not (self._known and self.is_admin):
            return self.forbidden() if self._known else self.expired()
        return Answer(200, {"custom_fields": list(self.book.custom_fields.values())})

    @route("GET", r"/issue_statuses\.json")
    def _statuses(self, request: Request) -> Answer:
        return Answer(200, {"issue_statuses": list(self.book.statuses.values())})

    @route("GET", rf"/roles/{_ROLE}\.json")
    def _role(self, request: Request) -> Answer:
        told = {"id": _ROLE, "name": "Developer", "permissions": sorted(self.permissions)}
        return Answer(200, {"role": told})

    @route("GET", r"/projects\.json", params=_PAGE | _INCLUDE | {"status", "sort"})
    def _projects(self, request: Request) -> Answer:
        wanted = request.query.get("status", "1").split("|")
        rows = [row for row in self.book.projects.values() if str(row["status"]) in wanted and self._sees(row)]
        return self._paged(request, "projects", [self._with_modules(request, row) for row in rows])

    @route("GET", r"/projects/([a-z0-9_-]+)\.json", params=_INCLUDE)
    def _project(self, request: Request) -> Answer:
        row = self.book.project(request.groups[0])
        if row is None:
            return self.error(404, "")
        if not self._sees(row):
            return self.forbidden()
        return Answer(200, {"project": self._with_modules(request, {**row, "homepage": ""})})

    def _with_modules(self, request: Request, row: Row) -> Row:
        if request.query.get("include") != "enabled_modules":
            return row
        modules = [{"id": number, "name": name} for number, name in enumerate(self.book.modules[row["id"]], 1)]
        return {**row, "enabled_modules": modules}

    @route("GET", r"/projects/([a-z0-9_-]+)/versions\.json")
    def _versions(self, request: Request) -> Answer:
        def listed(project: Row) -> Answer:
            shared = [
                row
                for row in self.book.versions.values()
                if row["project"]["id"] == project["id"] or row["sharing"] == "system"
            ]
            return Answer(200, {"versions": shared, "total_count": len(shared)})

        return self._within(request, listed)

    @route("GET", r"/projects/([a-z0-9_-]+)/memberships\.json", params=_PAGE)
    def _memberships(self, request: Request) -> Answer:
        def listed(project: Row) -> Answer:
            rows = [row for row in self.book.memberships.values() if row["project"]["id"] == project["id"]]
            return self._paged(request, "memberships", rows)

        return self._within(request, listed)

    @route("GET", r"/issues\.json", params=query.PARAMETERS | _PAGE | _INCLUDE)
    def _issues(self, request: Request) -> Answer:
        def listed(project: Row) -> Answer:
            found = query.select(self.book, request.query, project)
            if found is None:
                return self.error(422, "Updated is invalid")
            answer = self._paged(request, "issues", [issue.row for issue in found])
            return Answer(200, {**answer.body, "issues": [self._listed(request, row) for row in answer.body["issues"]]})

        return self._of_project(request.query.get("project_id", ""), listed)

    def _listed(self, request: Request, row: Row) -> Row:
        told = self.issue_row(row["id"])
        if "relations" in request.query.get("include", "").split(","):
            told["relations"] = self.book.relations_of(row["id"])
        return told

    @route("GET", r"/issues/([0-9]+)\.json", params=_INCLUDE)
    def _issue(self, request: Request) -> Answer:
        number = int(request.groups[0])

        def shown(_: Row) -> Answer:
            told = self.issue_row(number)
            if request.query.get("include") == "journals":
                sees_all = self._known and (self.is_admin or "view_private_notes" in self.permissions)
                journals = self.book.journals_of(number)
                told["journals"] = [row for row in journals if sees_all or not row["private_notes"]]
            return Answer(200, {"issue": told})

        return self._at_issue(number, shown)

    def _at_issue(self, number: int, serve: Callable[[Row], Answer]) -> Answer:
        issue = self.book.issues.get(number)
        if issue is None:
            return self.error(404, "")
        project = self.book.projects[issue.project]
        if not self._sees(project):
            return self.forbidden() if self._known else self.expired()
        return serve(project)

    # -- writing ----------------------------------------------------------------------------------------------

    @route("PUT", r"/issues/([0-9]+)\.json", body=frozenset({"issue"}))
    def _update(self, request: Request) -> Answer:
        number = int(request.groups[0])
        sent = (request.body or {}).get("issue") or {}

        def update(project: Row) -> Answer:
            allowed = state.PERMISSIONS if self.is_admin else self.permissions
            if not self._known or not allowed & {"edit_issues", "add_issue_notes"}:
                return self.forbidden() if self._known else self.expired()
            if project["status"] == 5:
                return self.forbidden()
            taken = edits.allowed(sent, allowed)
            changes = edits.changes(self.book, self.book.issues[number], taken)
            if isinstance(changes, str):
                return self.error(422, changes)
            self._apply(number, changes, taken)
            return Answer(204)

        return self._at_issue(number, update)

    def _apply(self, number: int, changes: Row, sent: Row) -> None:
        """Keep what was changed, with a journal; nothing new leaves no trace."""
        details = edits.details(self.book.issues[number], changes)
        if changes:
            self.book.issues[number] = state.touched(self.book.issues[number], at=self.now(), **changes)
        if details or sent.get("notes"):
            row = self.add_journal(number, sent.get("notes") or "", details=details)
            row["private_notes"] = bool(sent.get("private_notes"))
