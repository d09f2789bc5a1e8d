"""The filters and orders of the imitated issue list.

Source: app/models/query.rb (release 5.0): `>=` with a time compares with one second less, `><` also; an operator is a
prefix of the value; without `status_id` only open issues are listed, without `subproject_id` those of subprojects too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.redmine.rest import Row
from connectors.redmine.state import Book, Issue
from syncd.sdk.paging import parse_stamp

PARAMETERS: Final = frozenset({"project_id", "subproject_id", "status_id", "updated_on", "issue_id", "sort"})
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SECOND: Final = timedelta(seconds=1)
_ORDERS: Final[Mapping[str, Callable[[Issue], Any]]] = {
    "id": lambda issue: issue.id,
    "updated_on": lambda issue: issue.updated,
}


def window(query: Mapping[str, str]) -> tuple[int, int]:
    """Return offset and limit; a limit above 100 is cut to that without a word."""
    limit = int(query.get("limit", 25))
    return max(0, int(query.get("offset", 0))), 25 if limit < 1 else min(limit, 100)


def select(book: Book, query: Mapping[str, str], project: Row) -> list[Issue] | None:
    """Return the issues that a query asks for, in its order; None when it is not valid."""
    times = _times(query.get("updated_on", ""))
    if times is None:
        return None
    below = set() if query.get("subproject_id") == "!*" else _below(book, project["id"])
    found = [
        issue
        for issue in book.issues.values()
        if issue.project in {project["id"], *below}
        and (query.get("status_id") == "*" or not issue.row["status"]["is_closed"])
        and times[0] <= issue.updated <= times[1]
        and issue.id >= _least(query.get("issue_id", ""))
    ]
    for name, _, direction in (part.partition(":") for part in reversed(query.get("sort", "id:desc").split(","))):
        found.sort(key=_ORDERS[name], reverse=direction == "desc")
    return found


def _times(value: str) -> tuple[datetime, datetime] | None:
    always = parse_stamp("0001-01-01T00:00:00Z"), parse_stamp("9999-12-31T23:59:59Z")
    if not value:
        return always
    operator, stamps = value[:2], value[2:].split("|")
    if len(stamps) != {">=": 1, "><": 2}.get(operator) or not all(map(_TIME.fullmatch, stamps)):
        return None
    # Later than one second before: stamps differ by microseconds.
    start = parse_stamp(stamps[0]) - _SECOND + timedelta(microseconds=1)
    return start, parse_stamp(stamps[1]) if operator == "><" else always[1]


def _least(value: str) -> int:
    return int(value.removeprefix(">=")) if value else 0


def _below(book: Book, project: int) -> set[int]:
    children = {row["id"] for row in book.projects.values() if (row.get("parent") or {}).get("id") == project}
    return children.union(*(_below(book, child) for child in children))
