"""Reads the streams: whole lists, and lists of what was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.github.rest import PAGE_SIZE, Rest, Row, moment, rows_of
from connectors.github.walk import changed_rows, whole_list
from syncd.sdk import ContractError, Cursor, Page, Record, Reply
from syncd.sdk.paging import parse_stamp, resume_from, stamp

# The issues list holds the pull requests too. GitHub's defaults are open ones only, newest first.
_CHANGED: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "issues": ("issues", {"state": "all", "sort": "updated", "direction": "asc", "per_page": PAGE_SIZE}),
    "comments": ("issues/comments", {"sort": "updated", "direction": "asc", "per_page": PAGE_SIZE}),
}
_PER_PAGE: Final = {"per_page": PAGE_SIZE}


def repositories(rest: Rest, names: Sequence[str]) -> Iterator[Page]:
    """Read each configured repository."""
    rows = [rest.get(f"repos/{name}").json for name in names]
    yield Page(_records("repositories", rows), complete=True)


def users(rest: Rest, names: Sequence[str]) -> Iterator[Page]:
    """Read who can be assigned in any of the repositories, each person once."""
    rows = [row for name in names for row in whole_list(rest, f"repos/{name}/assignees", _PER_PAGE)]
    try:
        people = {row["login"]: row for row in rows}
    except (KeyError, TypeError) as err:
        raise _not_as_documented("users", err) from err
    yield Page([Record("users", login, row) for login, row in people.items()], complete=True)


def labels(rest: Rest, name: str) -> Iterator[Page]:
    """Read the labels of one repository."""
    yield Page(_records("labels", whole_list(rest, f"repos/{name}/labels", _PER_PAGE)), complete=True)


def milestones(rest: Rest, name: str, cursor: Cursor | None, *, overlap: timedelta) -> Iterator[Page]:
    """Read all milestones of one repository, or none when the list is as it was: GitHub has no `since` here.

    The cursor is `{"etag": <of the list>}`, None when the list is longer than a page.
    """
    path, params = f"repos/{name}/milestones", {"state": "all", **_PER_PAGE}
    first = rest.get(path, params, etag=_etag_in(cursor))
    if first.status == 304:
        yield Page((), cursor, complete=True)
        return
    records = _records("milestones", whole_list(rest, path, params, first=first))
    since = resume_from(cursor, overlap)
    wanted = [record for record in records if since is None or (record.updated_at or since) >= since]
    # What was left out on a person's `--since` must not hide behind a 304 from now on.
    etag = _etag_of_all(first) if len(wanted) == len(records) else None
    yield Page(wanted, {"etag": etag} if etag else None, complete=True)


def changed(rest: Rest, stream: str, name: str, cursor: Cursor | None, *, overlap: timedelta) -> Iterator[Page]:
    """Read issues or comments of one repository changed since the cursor, oldest change first.

    Every page's cursor is `{"updated_at": <ISO 8601>, "id": <of that row>}`; where a read brought nothing new and was
    one page, its `etag` joins them, so that the next read costs a 304.
    """
    tail, params = _CHANGED[stream]
    path = f"repos/{name}/{tail}"
    start = resume_from(cursor, overlap)
    since = stamp(start.replace(microsecond=0)) if start else None
    first = rest.get(path, _since(params, since), etag=_etag_in(cursor))
    if first.status == 304:
        yield Page((), cursor, complete=True)
        return
    fetched = [first]

    def fetch(since: str | None, url: str | None) -> Reply:
        if fetched:
            return fetched.pop()
        return rest.get(url) if url else rest.get(path, _since(params, since))

    before = position = _position_in(cursor)
    for batch in changed_rows(fetch, since):
        position = _later(position, batch.reached)
        if batch.rows or batch.last:
            etag = _etag_of_all(first) if batch.last and position == before else None
            reached = {**position, "etag": etag} if position and etag else position
            yield Page(_records(stream, batch.rows), reached, complete=batch.last)


def _since(params: Mapping[str, Any], since: str | None) -> Mapping[str, Any]:
    return {**params, "since": since} if since else params


def _records(stream: str, rows: list[Row]) -> list[Record]:
    """Return the rows as records; the remote id is what stands behind `/repos/` in the row's own URL."""
    try:
        return [
            Record(
                stream,
                row["url"].partition("/repos/")[2],
                row,
                datetime.fromisoformat(row["updated_at"]) if "updated_at" in row else None,
            )
            for row in rows
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise _not_as_documented(stream, err) from err


def _not_as_documented(stream: str, err: Exception) -> ContractError:
    return ContractError(f"github {stream}: a row is not as documented: {type(err).__name__} {err}")


def _position_in(cursor: Cursor | None) -> dict[str, Any] | None:
    if not cursor or cursor.get("updated_at") is None:
        return None
    return {"updated_at": cursor["updated_at"], "id": cursor.get("id")}


def _later(position: dict[str, Any] | None, reached: Row | None) -> dict[str, Any] | None:
    """Return the later of two positions: an overlap page must not move the cursor back."""
    if reached is None:
        return position
    if position and parse_stamp(str(position["updated_at"])) >= moment(reached["updated_at"]):
        return position
    return {"updated_at": reached["updated_at"], "id": reached.get("id")}


def _etag_in(cursor: Cursor | None) -> str | None:
    etag = (cursor or {}).get("etag")
    return etag if isinstance(etag, str) else None


def _etag_of_all(first: Reply) -> str | None:
    """Return the ETag of a list that is one page with room left.

    The tag of a full page says nothing on what follows: a row added behind it would be missed.
    """
    is_all = first.next_url is None and len(rows_of(first)) < PAGE_SIZE
    return first.headers.get("etag") if is_all else None
