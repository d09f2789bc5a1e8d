"""GitHub's REST API imitated on loopback: what the connector uses of it, strict, with state.

Lists are paged by number, so that rows move from page to page when a row changes; the real issues list hands out
opaque positions. That is the harder case of the two, and older Enterprise servers have it.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import msgspec

from connectors.github import state
from connectors.github.history import Export, read_export, rebuild
from connectors.github.rest import Row
from connectors.github.state import Repository
from syncd.sdk.fake import Answer, FakeServer, Request, route
from syncd.sdk.paging import parse_stamp, stamp

DOCS: Final = "https://docs.github.com/rest"
MAX_BODY: Final = 65_536
TEAM: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_REPO: Final = r"/repos/([^/]+/[^/]+)"
_PAGE: Final = frozenset({"per_page", "page"})
_SORTED: Final = _PAGE | {"sort", "direction", "since"}
_EDITABLE: Final = frozenset({"title", "body", "state", "state_reason", "labels", "assignees", "milestone"})


class Fake(FakeServer):
    """An imitated GitHub with the repositories that were added; `token` is let in, with `scopes` (None = not told)."""

    token = "ghp_fake0123456789"
    scopes: str | None = "repo"

    def __init__(self) -> None:
        super().__init__()
        self.me = state.user_row(1, "syncd-bot")
        self.calls_left = 5000
        self._repositories: dict[str, Repository] = {}
        self._moved: dict[str, str] = {}
        self._ids = itertools.count(1_000)
        self._exhausted: list[float] = []

    # -- content ----------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, directory: Path, *, as_of: datetime | None = None) -> Self:
        """Return a fake with the repository exported to `directory`, as it was at `as_of` (aware, None = at its end).

        With `as_of` the fake's clock stands there.
        """
        export = read_export(directory)
        fake = cls()
        if as_of:
            fake.set_clock(as_of)
        fake.serve(rebuild(export, as_of) if as_of else export)
        return fake

    def serve(self, export: Export) -> Repository:
        """Replace a repository by what `export` holds: another day of its past, say, while the fake runs."""
        newest = max((row["updated_at"] for row in (*export.issues, *export.comments)), default=stamp(self.now()))
        oldest = min((row["created_at"] for row in export.issues), default=newest)
        name = "/".join(export.issues[0]["repository_url"].split("/")[-2:])
        found = Repository(state.repository_row(next(self._ids), name, at=oldest) | {"updated_at": newest})
        for row in export.issues:
            found.issues.put(row["number"], row)
        for row in export.comments:
            found.comments.put(row["id"], row)
        found.last_number = max((row["number"] for row in export.issues), default=0)
        found.milestones = {row["number"]: row for row in export.milestones}
        found.labels = {row["name"]: row for row in export.labels}
        found.people = {user["login"]: user for user in _team(export)}
        found.row["open_issues_count"] = sum(row["state"] == "open" for row in found.issues)
        self._repositories[name.lower()] = found
        return found

    def add_repository(self, name: str, **fields: Any) -> Repository:
        """Add an empty private repository."""
        with self.lock:
            row = state.repository_row(next(self._ids), name, at=stamp(self.now()))
            return self._repositories.setdefault(name.lower(), Repository(row | fields))

    def repository(self, name: str) -> Repository:
        """Return the repository called `name` (owner/repo)."""
        return self._repositories[name.lower()]

    def rename_repository(self, name: str, new: str) -> None:
        """Let `name` answer with a redirect to `new`."""
        with self.lock:
            self._repositories[new.lower()] = state.renamed(self._repositories.pop(name.lower()), new)
            self._moved[name.lower()] = new

    def add_user(self, name: str, login: str) -> Row:
        """Add someone who can be assigned."""
        with self.lock:
            return self.repository(name).people.setdefault(login, state.user_row(next(self._ids), login))

    def add_label(self, name: str, label: str) -> Row:
        """Add a label."""
        with self.lock:
            repository = self.repository(name)
            return repository.labels.setdefault(label, state.label_row(next(self._ids), repository.name, label))

    def add_milestone(self, name: str, title: str, *, at: datetime | None = None, **fields: Any) -> Row:
        """Add a milestone; `fields` are vendor fields such as `due_on`."""
        with self.lock:
            repository = self.repository(name)
            number = max(repository.milestones, default=0) + 1
            row = state.milestone_row(
                next(self._ids), repository.name, number, title, self.me, at=stamp(at or self.now())
            )
            repository.milestones[number] = row | fields
            return repository.milestones[number]

    def add_issue(
        self, name: str, title: str, *, at: datetime | None = None, is_pull_request: bool = False, **fields: Any
    ) -> Row:
        """Add an issue or pull request; `fields` are vendor fields, `milestone` one of the milestones' rows."""
        with self.lock:
            repository = self.repository(name)
            repository.last_number += 1
            row = state.issue_row(
                next(self._ids), repository.name, repository.last_number, title, self.me, at=stamp(at or self.now())
            )
            if is_pull_request:
                row |= state.pull_request(row)
            return repository.issues.put(repository.last_number, row | fields)

    def change_issue(self, name: str, number: int, *, at: datetime | None = None, **fields: Any) -> Row:
        """Change vendor fields of an issue."""
        with self.lock:
            issues = self.repository(name).issues
            return issues.put(number, {**_there(issues.get(number)), "updated_at": stamp(at or self.now()), **fields})

    def add_comment(
        self, name: str, number: int, body: str, *, at: datetime | None = None, user: Row | None = None
    ) -> Row:
        """Comment on an issue, which counts as a change of it."""
        with self.lock:
            repository = self.repository(name)
            issue = _there(repository.issues.get(number))
            made = stamp(at or self.now())
            row = state.comment_row(next(self._ids), issue, body, user or self.me, at=made)
            changed = {"comments": issue["comments"] + 1, "updated_at": max(made, issue["updated_at"])}
            repository.issues.put(number, issue | changed)
            return repository.comments.put(row["id"], row)

    def exhaust(self, *, seconds: float, times: int = 1) -> None:
        """Refuse the next `times` requests: the primary limit is used up for `seconds`."""
        self._exhausted += [seconds] * times

    # -- GitHub's dialect -------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> Answer | None:
        """Ask for a User-Agent and the token, and hold the primary limit."""
        if not request.headers.get("user-agent"):
            return self.error(403, "Request forbidden by administrative rules. A User-Agent header is required.")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return self.expired()
        if self._exhausted:
            reset = int(self.now().timestamp() + self._exhausted.pop())
            limits = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
            refusal = self.error(403, "API rate limit exceeded for user ID 1.")
            return Answer(refusal.status, refusal.body, limits)
        return None

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """Return GitHub's error envelope."""
        body = {"message": message, "documentation_url": DOCS, "status": str(status)}
        return Answer(status, body, self._limits())

    def rate_limited(self, headers: Mapping[str, str]) -> Answer:
        """Return the secondary limit, which comes as a 403."""
        answer = self.error(403, "You have exceeded a secondary rate limit. Please wait a few minutes.")
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    def expired(self) -> Answer:
        """Return the answer to a token that is not valid."""
        return self.error(401, "Bad credentials")

    def forbidden(self) -> Answer:
        """Return the answer to a token that lacks a right."""
        return self.error(403, "Resource not accessible by personal access token")

    # -- reading ----------------------------------------------------------------------------------------------

    @route("GET", r"/user")
    def _user(self, request: Request) -> Answer:
        answer = self._found(request, self.me)
        scopes = {} if self.scopes is None else {"x-oauth-scopes": self.scopes}
        return Answer(answer.status, answer.body, {**answer.headers, **scopes})

    @route("GET", _REPO)
    def _repository(self, request: Request) -> Answer:
        return self._within(request, lambda repository: self._found(request, repository.row))

    @route("GET", rf"{_REPO}/assignees", params=_PAGE)
    def _assignees(self, request: Request) -> Answer:
        return self._within(request, lambda repository: self._paged(request, list(repository.people.values())))

    @route("GET", rf"{_REPO}/labels", params=_PAGE)
    def _labels(self, request: Request) -> Answer:
        return self._within(request, lambda repository: self._paged(request, list(repository.labels.values())))

    @route("GET", rf"{_REPO}/milestones", params=_PAGE | {"state", "sort", "direction"})
    def _milestones(self, request: Request) -> Answer:
        wanted = request.query.get("state", "open")

        def listed(repository: Repository) -> Answer:
            rows = [row for row in repository.milestones.values() if wanted in ("all", row["state"])]
            return self._paged(request, sorted(rows, key=lambda row: (row["due_on"] or "9", row["number"])))

        return self._within(request, listed)

    @route("GET", rf"{_REPO}/issues", params=_SORTED | {"state"})
    def _issues(self, request: Request) -> Answer:
        wanted = request.query.get("state", "open")
        keep = None if wanted == "all" else lambda row: row["state"] == wanted
        return self._within(request, lambda repository: self._sorted(request, repository, repository.issues, keep))

    @route("GET", rf"{_REPO}/issues/comments", params=_SORTED)
    def _comments(self, request: Request) -> Answer:
        return self._within(request, lambda repository: self._sorted(request, repository, repository.comments, None))

    @route("GET", rf"{_REPO}/issues/([0-9]+)/comments", params=_PAGE | {"since"})
    def _comments_of(self, request: Request) -> Answer:
        since = _since(request)

        def listed(repository: Repository) -> Answer:
            if repository.issues.get(int(request.groups[1])) is None:
                return self.error(404, "Not Found")
            rows = repository.comments_of(int(request.groups[1]))
            return self._paged(request, [row for row in rows if row["updated_at"] >= since])

        return self._within(request, listed)

    # -- writing ----------------------------------------------------------------------------------------------

    @route("POST", rf"{_REPO}/issues/([0-9]+)/comments", body=frozenset({"body"}))
    def _comment(self, request: Request) -> Answer:
        text = (request.body or {}).get("body")

        def comment(repository: Repository) -> Answer:
            number = int(request.groups[1])
            if refusal := self._refused_write(repository, number):
                return refusal
            if not isinstance(text, str) or not text.strip():
                return self._invalid("IssueComment", "body", "missing_field")
            if len(text) > MAX_BODY:
                return self._invalid("IssueComment", "data", "unprocessable", "Body is too long")
            row = self.add_comment(repository.name, number, text)
            return Answer(201, row, {**self._limits(), "Location": row["url"]})

        return self._within(request, comment)

    @route("PATCH", rf"{_REPO}/issues/([0-9]+)", body=_EDITABLE)
    def _edit(self, request: Request) -> Answer:
        def edit(repository: Repository) -> Answer:
            number = int(request.groups[1])
            if refusal := self._refused_write(repository, number):
                return refusal
            issue = _there(repository.issues.get(number))
            changes = state.edited(repository, issue, request.body or {}, at=stamp(self.now()))
            if isinstance(changes, str):
                return self._invalid("Issue", changes, "invalid")
            if any(issue[name] != value for name, value in changes.items()):
                issue = self.change_issue(repository.name, number, **changes)
                repository.recount()
            return Answer(200, issue, self._limits())

        return self._within(request, edit)

    def _refused_write(self, repository: Repository, number: int) -> Answer | None:
        if repository.row["archived"]:
            return self.error(403, "Repository was archived so is read-only.")
        return self.error(404, "Not Found") if repository.issues.get(number) is None else None

    def _invalid(self, resource: str, name: str, code: str, message: str = "") -> Answer:
        answer = self.error(422, "Validation Failed")
        detail = {"resource": resource, "field": name, "code": code, "message": message}
        return Answer(422, {**answer.body, "errors": [detail]}, answer.headers)

    # -- answers ----------------------------------------------------------------------------------------------

    def _within(self, request: Request, serve: Callable[[Repository], Answer]) -> Answer:
        name = request.groups[0].lower()
        if name in self._moved:  # the query is lost on the way: a client that does not notice reads the defaults
            path = request.path.replace(request.groups[0], self._moved[name], 1)
            status = 301 if request.method == "GET" else 307
            return Answer(status, {"message": "Moved Permanently"}, {"Location": f"{self.url}{path}"})
        repository = self._repositories.get(name)
        if repository is None:
            return self.error(404, "Not Found")
        if "/issues" in request.path and not repository.row["has_issues"]:
            return self.error(410, "Issues has been disabled in this repository.")
        return serve(repository)

    def _sorted(
        self, request: Request, repository: Repository, table: state.Table, keep: Callable[[Row], bool] | None
    ) -> Answer:
        query = request.query
        start, size = _window(request)
        rows, total = table.page(
            sort=query.get("sort", "created"),
            # Issues come newest first by default, a repository's comments by ascending id.
            descending=query.get("direction", "asc" if table is repository.comments else "desc") == "desc",
            since=_since(request),
            keep=keep,
            start=start,
            size=size,
        )
        return self._found(request, rows, links=self._links(request, total))

    def _paged(self, request: Request, rows: list[Row]) -> Answer:
        start, size = _window(request)
        return self._found(request, rows[start : start + size], links=self._links(request, len(rows)))

    def _found(self, request: Request, body: Any, *, links: str = "") -> Answer:
        etag = f'W/"{hashlib.sha256(msgspec.json.encode(body)).hexdigest()}"'
        headers = {"ETag": etag, **({"Link": links} if links else {})}
        if request.headers.get("if-none-match") == etag:
            return Answer(304, None, {**headers, **self._limits()})  # and is not counted
        self.calls_left -= 1
        return Answer(200, body, {**headers, **self._limits()})

    def _links(self, request: Request, total: int) -> str:
        start, size = _window(request)
        page, last = start // size + 1, max(1, -(-total // size))
        targets = {"prev": page - 1 if page > 1 else 0, "next": page + 1 if page < last else 0}
        targets |= {"first": 1 if page > 1 else 0, "last": last if page < last else 0}
        base = f"{self.url}{request.path}"
        query = {name: value for name, value in request.query.items() if name != "page"}
        return ", ".join(
            f'<{base}?{urlencode({**query, "page": number})}>; rel="{relation}"'
            for relation, number in targets.items()
            if number
        )

    def _limits(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(self.calls_left),
            "x-ratelimit-used": str(5000 - self.calls_left),
            "x-ratelimit-reset": str(int(self.now().timestamp()) + 3600),
            "x-ratelimit-resource": "core",
        }


def _window(request: Request) -> tuple[int, int]:
    size = min(int(request.query.get("per_page", 30)), 100)
    return (int(request.query.get("page", 1)) - 1) * size, size


def _since(request: Request) -> str:
    value = request.query.get("since")
    return stamp(parse_stamp(value)) if value else ""


def _there(row: Row | None) -> Row:
    if row is None:
        raise KeyError("there is no such issue")
    return row


def _team(export: Export) -> list[Row]:
    """Return the people who can be assigned: members of the project, and whoever was assigned."""
    members = [row["user"] for row in (*export.issues, *export.comments) if row["author_association"] in TEAM]
    assigned = [user for row in export.issues for user in row["assignees"]]
    return list({user["login"]: user for user in (*members, *assigned) if user}.values())
