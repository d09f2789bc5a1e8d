"""Ways through GitHub's lists that miss no row while the list moves.

A list by page number skips rows when one on an earlier page is changed (it moves to the end) or deleted. So a list
that takes `since` is read in windows: each starts one second before the last stamp of the page before, and is
asked for from its first page. Only where one second fills whole pages is the Link header followed, and that second
is then read again until nothing new turns up. Lists without `since` that are longer than a page are read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from connectors.github.rest import MAX_PAGES, Rest, Row, endless, linked, moment, rows_of
from syncd.sdk import ContractError, Reply
from syncd.sdk.paging import stamp

Seen = set[tuple[str, str]]
Fetch = Callable[[str | None, str | None], Reply]
"""Ask for the first page of a window (`since`, None), or for the URL of a Link header (`since`, url)."""

_TEXTS: Final = ("url", "updated_at")
_PASSES: Final = 3
_SECOND: Final = timedelta(seconds=1)


class Batch(NamedTuple):
    """Rows not given before; `reached` is the row that a cursor may name once they are stored; `last` at the end."""

    rows: list[Row]
    reached: Row | None
    last: bool


def changed_rows(fetch: Fetch, since: str | None) -> Iterator[Batch]:
    """Yield the rows changed at or after `since` (ISO 8601, None = all), oldest change first, each state once."""
    seen: Seen = set()
    for _ in range(MAX_PAGES):
        reply = fetch(since, None)
        rows, following = rows_of(reply, *_TEXTS), reply.next_url
        reached = rows[-1] if rows else None
        if following is None:
            yield Batch(_unseen(rows, seen), reached, last=True)
            return
        edge = _edge(rows)
        if edge is None:
            edge, reached = yield from _crowd(fetch, since, reply, seen)
            if edge is None:
                yield Batch([], reached, last=True)
                return
            seen = {key for key in seen if key[1] >= edge}
        else:
            yield Batch(_unseen(rows, seen), reached, last=False)
            seen = {(row["url"], row["updated_at"]) for row in rows if row["updated_at"] >= edge}
        if since is not None and edge <= since:
            raise ContractError(f"{reply.url}: no progress behind {since}; the vendor does not heed `since`")
        since = edge
    raise endless()


def whole_list(rest: Rest, path: str, params: Mapping[str, Any], *, first: Reply | None = None) -> list[Row]:
    """Return every row of a list without `since`; `first` is its first page if that was asked for already."""
    reply = first or rest.get(path, params)
    is_one_page = reply.next_url is None
    found: dict[str, Row] = {}
    for _ in range(_PASSES):
        known = len(found)
        for page in linked(rest, reply):
            found |= {row["url"]: row for row in rows_of(page, "url")}
        if is_one_page or len(found) == known:
            break
        reply = rest.get(path, params)
    return list(found.values())


def _crowd(
    fetch: Fetch, since: str | None, first: Reply, seen: Seen
) -> Generator[Batch, None, tuple[str | None, Row | None]]:
    """Follow Link through a second that fills whole pages, `first` being its first page, then repeat that.

    Rows may have moved up behind us: until nothing new turns up, a cursor may only name the first row of the crowd.
    Returns the start of the next window and the row reached; the start is None at the end of the list.
    """
    start = next(iter(rows_of(first, *_TEXTS)), None)
    rows = yield from _through(fetch, since, first, seen, start)
    for _ in range(_PASSES - 1):
        known = len(seen)
        yield from _through(fetch, since, fetch(since, None), seen, start)
        if len(seen) == known:
            break
    return _edge(rows), (rows[-1] if rows else start)


def _through(
    fetch: Fetch, since: str | None, reply: Reply, seen: Seen, start: Row | None
) -> Generator[Batch, None, list[Row]]:
    """Follow Link from `reply` until a later window can start or the list ends; return the rows of the last page."""
    for _ in range(MAX_PAGES):
        rows, url = rows_of(reply, *_TEXTS), reply.next_url
        yield Batch(_unseen(rows, seen), start, last=False)
        seen |= {(row["url"], row["updated_at"]) for row in rows}
        if url is None or _edge(rows):
            return rows
        reply = fetch(since, url)
    raise endless()


def _edge(rows: list[Row]) -> str | None:
    """Return where the next window starts, None when it would only repeat this page."""
    if not rows:
        return None
    edge = stamp(moment(rows[-1]["updated_at"]) - _SECOND)
    return edge if edge > rows[0]["updated_at"] else None


def _unseen(rows: list[Row], seen: Seen) -> list[Row]:
    return [row for row in rows if (row["url"], row["updated_at"]) not in seen] if seen else rows
