"""What an imitated repository holds, kept sorted so that lists of many thousand rows are slices."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import msgspec

from connectors.github.rest import Row

API: Final = "https://api.github.com"
WEB: Final = "https://github.com"
_CLOSED_REASONS: Final = frozenset({"completed", "not_planned", "duplicate"})


class Table:
    """Rows by key (number, id or name), each with an `updated_at`, in the orders that GitHub's lists have."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._updated: list[tuple[str, int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, key: int) -> Row | None:
        """Return the row under `key`."""
        return self._rows.get(key)

    def put(self, key: int, row: Row) -> Row:
        """Add or replace a row."""
        self.remove(key)
        self._rows[key] = row
        insort(self._updated, (row["updated_at"], key))
        return row

    def remove(self, key: int) -> None:
        """Delete a row if it is there."""
        row = self._rows.pop(key, None)
        if row is not None:
            del self._updated[bisect_left(self._updated, (row["updated_at"], key))]

    def page(
        self,
        *,
        sort: str,
        descending: bool,
        since: str,
        keep: Callable[[Row], bool] | None,
        start: int,
        size: int,
    ) -> tuple[list[Row], int]:
        """Return `size` rows from `start` of those updated at or after `since`, and how many there are in all."""
        first = bisect_left(self._updated, (since, -1))
        if sort == "updated":
            keys = [key for _, key in self._updated[first:]]
        else:
            keys = sorted(
                (key for _, key in self._updated[first:]), key=lambda key: (self._rows[key]["created_at"], key)
            )
        if descending:
            keys.reverse()
        if keep:
            keys = [key for key in keys if keep(self._rows[key])]
        return [self._rows[key] for key in keys[start : start + size]], len(keys)


@dataclass(slots=True)
class Repository:
    """One imitated repository."""

    row: Row
    issues: Table = field(default_factory=Table)
    comments: Table = field(default_factory=Table)
    milestones: dict[int, Row] = field(default_factory=dict)
    labels: dict[str, Row] = field(default_factory=dict)
    people: dict[str, Row] = field(default_factory=dict)
    last_number: int = 0

    @property
    def name(self) -> str:
        """owner/repo."""
        return str(self.row["full_name"])

    @property
    def url(self) -> str:
        """The API's address of this repository, as rows carry it."""
        return f"{API}/repos/{self.name}"

    def comments_of(self, number: int) -> list[Row]:
        """Return the comments of one issue, oldest first."""
        url = f"{self.url}/issues/{number}"
        return sorted((row for row in self.comments if row["issue_url"] == url), key=lambda row: int(row["id"]))

    def recount(self) -> None:
        """Bring the counters of the milestones up to date, in the issues' copies too."""
        for number, milestone in self.milestones.items():
            states = [row["state"] for row in self.issues if (row["milestone"] or {}).get("number") == number]
            milestone |= {"open_issues": states.count("open"), "closed_issues": states.count("closed")}


def renamed(repository: Repository, name: str) -> Repository:
    """Return `repository` under another name: the addresses in its rows follow."""

    def moved(row: Row) -> Row:
        text = msgspec.json.encode(row).replace(f"/{repository.name}".encode(), f"/{name}".encode())
        found: Row = msgspec.json.decode(text)
        return found

    new = Repository(moved(repository.row) | {"full_name": name, "name": name.partition("/")[2]})
    for row in repository.issues:
        new.issues.put(row["number"], moved(row))
    for row in repository.comments:
        new.comments.put(row["id"], moved(row))
    new.milestones = {number: moved(row) for number, row in repository.milestones.items()}
    new.labels = {label: moved(row) for label, row in repository.labels.items()}
    new.people, new.last_number = repository.people, repository.last_number
    return new


def repository_row(number: int, name: str, *, at: str) -> Row:
    """Return a repository as `GET /repos/{owner}/{repo}` gives it, in the fields that matter."""
    owner, _, short = name.partition("/")
    return {
        "id": number,
        "node_id": f"R_{number}",
        "name": short,
        "full_name": name,
        "owner": user_row(0, owner),
        "private": True,
        "html_url": f"{WEB}/{name}",
        "url": f"{API}/repos/{name}",
        "description": None,
        "has_issues": True,
        "archived": False,
        "open_issues_count": 0,
        "permissions": {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True},
        "created_at": at,
        "updated_at": at,
        "pushed_at": at,
    }


def user_row(number: int, login: str) -> Row:
    """Return a user as lists and references carry it: GitHub does not tell names and addresses there."""
    return {
        "login": login,
        "id": number,
        "node_id": f"U_{number}",
        "url": f"{API}/users/{login}",
        "html_url": f"{WEB}/{login}",
        "type": "User",
        "site_admin": False,
    }


def label_row(number: int, repository: str, name: str) -> Row:
    """Return a label."""
    return {
        "id": number,
        "node_id": f"LA_{number}",
        "url": f"{API}/repos/{repository}/labels/{quote(name, safe='')}",
        "name": name,
        "color": "ededed",
        "default": False,
        "description": None,
    }


def milestone_row(ident: int, repository: str, number: int, title: str, creator: Row, *, at: str) -> Row:
    """Return an open milestone without a due date."""
    return {
        "id": ident,
        "node_id": f"MI_{ident}",
        "number": number,
        "title": title,
        "description": None,
        "state": "open",
        "url": f"{API}/repos/{repository}/milestones/{number}",
        "html_url": f"{WEB}/{repository}/milestone/{number}",
        "labels_url": f"{API}/repos/{repository}/milestones/{number}/labels",
        "creator": creator,
        "open_issues": 0,
        "closed_issues": 0,
        "due_on": None,
        "created_at": at,
        "updated_at": at,
        "closed_at": None,
    }


def issue_row(ident: int, repository: str, number: int, title: str, user: Row, *, at: str) -> Row:
    """Return an open issue."""
    url = f"{API}/repos/{repository}/issues/{number}"
    return {
        "id": ident,
        "node_id": f"I_{ident}",
        "number": number,
        "title": title,
        "body": None,
        "state": "open",
        "state_reason": None,
        "url": url,
        "html_url": f"{WEB}/{repository}/issues/{number}",
        "repository_url": f"{API}/repos/{repository}",
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "user": user,
        "labels": [],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "locked": False,
        "active_lock_reason": None,
        "comments": 0,
        "author_association": "MEMBER",
        "created_at": at,
        "updated_at": at,
        "closed_at": None,
    }


def pull_request(row: Row, *, merged_at: str | None = None) -> dict[str, Any]:
    """Return what makes `row` a pull request."""
    web = row["html_url"].replace("/issues/", "/pull/")
    return {
        "html_url": web,
        "draft": False,
        "pull_request": {
            "url": row["url"].replace("/issues/", "/pulls/"),
            "html_url": web,
            "merged_at": merged_at,
        },
    }


def comment_row(ident: int, issue: Row, body: str, user: Row, *, at: str) -> Row:
    """Return a comment on `issue`."""
    repository = issue["url"].rpartition("/issues/")[0]
    return {
        "id": ident,
        "node_id": f"IC_{ident}",
        "url": f"{repository}/issues/comments/{ident}",
        "html_url": f"{issue['html_url']}#issuecomment-{ident}",
        "issue_url": issue["url"],
        "user": user,
        "body": body,
        "author_association": "MEMBER",
        "created_at": at,
        "updated_at": at,
    }


def edited(repository: Repository, issue: Row, body: Mapping[str, Any], *, at: str) -> Row | str:
    """Return the fields that a PATCH changes, or the name of the one that is not valid."""
    changes = {name: body[name] for name in ("title", "body") if name in body}
    if "state" in body:
        if body["state"] not in ("open", "closed"):
            return "state"
        is_new = body["state"] != issue["state"]
        closed = body["state"] == "closed"
        reason = body.get("state_reason") or ("completed" if closed else "reopened")
        if closed and reason not in _CLOSED_REASONS:
            return "state_reason"
        changes |= {"state": body["state"], "closed_at": issue["closed_at"] if not is_new else at if closed else None}
        changes["state_reason"] = reason if is_new or "state_reason" in body else issue["state_reason"]
    if not repository.row["permissions"]["push"]:
        return changes  # the rest is dropped without a word
    if "labels" in body:
        changes["labels"] = [repository.labels[name] for name in body["labels"]]
    if "assignees" in body:
        changes["assignees"] = [repository.people[login] for login in body["assignees"]]
        changes["assignee"] = next(iter(changes["assignees"]), None)
    if "milestone" in body:
        if body["milestone"] is not None and body["milestone"] not in repository.milestones:
            return "milestone"
        changes["milestone"] = repository.milestones.get(body["milestone"])
    return changes
