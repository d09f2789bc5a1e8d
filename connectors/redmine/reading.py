"""Reads the streams. Every page is given only after the server has said again that it knows our key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from connectors.redmine.projects import Projects
from connectors.redmine.rest import Rest, Row, moment, row_of, rows_of
from connectors.redmine.walk import Ask, changed
from syncd.sdk import AuthError, ContractError, Cursor, Page, Record
from syncd.sdk.paging import parse_stamp, resume_from, stamp

_PAGE_RECORDS: Final = 500
_STATES_OF_USERS: Final = ("1", "3")  # active and locked; only the active ones are listed without a filter
_NOT_FOUND: Final = 404


def whole(rest: Rest, projects: Projects, stream: str) -> Iterator[Page]:
    """Read a stream that is not partitioned, all of it."""
    readers: Mapping[str, Callable[[], Iterator[Record]]] = {
        "projects": lambda: _projects(rest, projects),
        "versions": lambda: _versions(rest, projects),
        "users": lambda: _users(rest, projects),
        "statuses": lambda: _plain(rest, stream, "issue_statuses"),
        "custom_fields": lambda: _plain(rest, stream, "custom_fields"),
    }
    return _sure(rest, _paged(readers[stream](), None, last=True))


def of_project(rest: Rest, stream: str, name: str, cursor: Cursor | None, *, overlap: timedelta) -> Iterator[Page]:
    """Read issues, journals or relations of the project `name`, of the issues that changed since the cursor.

    The cursor is `{"updated_at": <ISO 8601>}`, the update stamp of the last issue read; relations have none.
    """
    return _sure(rest, _changed(rest, stream, name, cursor, overlap=overlap))


def _changed(rest: Rest, stream: str, name: str, cursor: Cursor | None, *, overlap: timedelta) -> Iterator[Page]:
    dress = _Dress(rest, name)
    records_of: Mapping[str, Callable[[list[Row]], Iterator[Record]]] = {
        "issues": lambda rows: (dress.issue(row) for row in rows),
        "journals": lambda rows: (record for row in rows for record in _journals(rest, dress, row)),
        "relations": lambda rows: (record for row in rows for record in _relations(row)),
    }
    position = None if cursor is None or stream == "relations" else cursor.get("updated_at")
    for batch in changed(_asking(rest, name), resume_from(cursor, overlap)):
        if batch.reached and stream != "relations":
            position = _later(position, stamp(batch.reached))
        reached = {"updated_at": position} if position else None
        yield from _paged(records_of[stream](batch.rows), reached, last=batch.last)


def _asking(rest: Rest, name: str) -> Ask:
    # Redmine's defaults are open issues only, of the project and of those below it.
    fixed = {"project_id": name, "subproject_id": "!*", "status_id": "*", "include": "relations"}
    return lambda filters: rest.get("issues.json", {**fixed, **filters})


def _sure(rest: Rest, pages: Iterator[Page]) -> Iterator[Page]:
    """Ask after each fetch whether the key is known: what an unknown key is shown must not pass for all there is."""
    for page in pages:
        rest.me()
        yield page


def _paged(records: Iterator[Record], reached: Cursor | None, *, last: bool) -> Iterator[Page]:
    """Yield records in pages of a bearable size; only the last of them may be resumed behind."""
    chunk: list[Record] = []
    for record in records:
        if len(chunk) == _PAGE_RECORDS:
            yield Page(chunk)
            chunk = []
        chunk.append(record)
    yield Page(chunk, reached, complete=last)


def _projects(rest: Rest, projects: Projects) -> Iterator[Record]:
    for row in projects.rows():
        url = f"{rest.url}/projects/{row['identifier']}"
        yield Record("projects", row["identifier"], {**row, "url": url}, _stamp_of(row))


def _versions(rest: Rest, projects: Projects) -> Iterator[Record]:
    """Yield each version once: a shared one is listed by every project that may use it."""
    rows = projects.rows()
    identifiers = {row["id"]: row["identifier"] for row in rows}
    seen: set[int] = set()
    for project in rows:
        for row in rows_of(rest.get(f"projects/{project['identifier']}/versions.json"), "versions"):
            if row["id"] not in seen:
                seen.add(row["id"])
                owner = _object(row, "project")
                told = {"project": {**owner, "identifier": identifiers.get(owner.get("id"))}}
                url = f"{rest.url}/versions/{row['id']}"
                yield Record("versions", f"versions/{row['id']}", {**row, **told, "url": url}, _stamp_of(row))


def _users(rest: Rest, projects: Projects) -> Iterator[Record]:
    """Yield everybody where the key may list them (administrators), the members of the projects elsewhere."""
    try:
        yield from _everybody(rest)
    except AuthError as err:
        if err.status != 403:  # a key that is not known at all
            raise
        yield from _members(rest, projects)


def _everybody(rest: Rest) -> Iterator[Record]:
    for state in _STATES_OF_USERS:
        seen: set[int] = set()
        for rows in rest.listed("users.json", "users", {"status": state}):
            for row in (row for row in rows if row["id"] not in seen):
                seen.add(row["id"])
                yield Record("users", f"users/{row['id']}", {**row, "active": state == "1"}, _stamp_of(row))


def _members(rest: Rest, projects: Projects) -> Iterator[Record]:
    seen: set[int] = set()
    for name in projects.identifiers():
        for rows in rest.listed(f"projects/{name}/memberships.json", "memberships", {}):
            for user in (row["user"] for row in rows if isinstance(row.get("user"), dict)):  # others are groups
                if user.get("id") not in seen:
                    seen.add(user["id"])
                    yield Record("users", f"users/{user['id']}", user)


def _plain(rest: Rest, stream: str, key: str) -> Iterator[Record]:
    for row in rows_of(rest.get(f"{key}.json"), key):
        yield Record(stream, f"{key}/{row['id']}", row)


def _journals(rest: Rest, dress: _Dress, issue: Row) -> Iterator[Record]:
    """Yield the journals of an issue; none when it was deleted meanwhile."""
    try:
        reply = rest.get(f"issues/{issue['id']}.json", {"include": "journals"})
    except ContractError as err:
        if err.status == _NOT_FOUND:
            return
        raise
    rows = row_of(reply, "issue").get("journals")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and type(row.get("id")) is int for row in rows):
        raise ContractError(f"issue {issue['id']}: its journals are not as documented")
    yield from (dress.journal(row, issue) for row in rows)


def _relations(issue: Row) -> Iterator[Record]:
    """Yield the relations that start at an issue: each is told at both of its ends."""
    rows = issue.get("relations")
    if not isinstance(rows, list):
        raise ContractError(f"issue {issue['id']}: its relations are not as documented")
    for row in rows:
        if row.get("issue_id") == issue["id"]:
            yield Record("relations", f"relations/{row['id']}", row)


class _Dress:
    """Adds to the rows of one project what Redmine shows elsewhere: addresses, identifier, the meaning of a status."""

    def __init__(self, rest: Rest, project: str) -> None:
        self._rest = rest
        self._project = project
        self._closed: dict[Any, Any] | None = None

    def issue(self, row: Row) -> Record:
        number = row["id"]
        project = {**_object(row, "project"), "identifier": self._project}
        told = {"project": project, "status": self._status(row), "url": self._url(number)}
        return Record("issues", str(number), {**row, **told}, moment(row["updated_on"]))

    def journal(self, row: Row, issue: Row) -> Record:
        told = {
            "issue": {"id": issue["id"], "project": {"identifier": self._project}},
            "url": f"{self._url(issue['id'])}#change-{row['id']}",
        }
        at = moment(row.get("updated_on") or row.get("created_on"))
        return Record("journals", f"journals/{row['id']}", {**row, **told}, at)

    def _url(self, number: int) -> str:
        return f"{self._rest.url}/issues/{number}"

    def _status(self, row: Row) -> Row:
        """Return the status with `is_closed`, which servers before 5.0 do not tell with the issue."""
        status = _object(row, "status")
        if "is_closed" in status:
            return status
        if self._closed is None:
            rows = rows_of(self._rest.get("issue_statuses.json"), "issue_statuses")
            self._closed = {known["id"]: known.get("is_closed", False) for known in rows}
        return {**status, "is_closed": self._closed.get(status.get("id"))}


def _object(row: Row, name: str) -> Row:
    value = row.get(name)
    if type(value) is not dict:
        raise ContractError(f"{row['id']}: {name} is not as documented")
    return value


def _stamp_of(row: Row) -> Any:
    return moment(row["updated_on"]) if row.get("updated_on") else None


def _later(position: Any, reached: str) -> str:
    """Return the later of two stamps: an overlap page must not move the cursor back."""
    return str(position) if position and parse_stamp(str(position)) >= parse_stamp(reached) else reached
