"""The way through the issues of one project that misses none while they change, and can be resumed.

Offsets skip rows when one in front is changed or deleted, so none are used: the list is read in windows ordered by
update stamp, each starting at the last stamp seen. Redmine keeps fractions of a second but shows and takes whole ones;
`>=` also lets in the fractions before. Where one second fills a whole page (an import, a bulk edit), that second is
read in the order of the ids instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from connectors.redmine.rest import PAGE_SIZE, Row, count_in, moment, rows_of
from syncd.sdk import ContractError, Reply
from syncd.sdk.paging import MAX_SLICES, stamp

Ask = Callable[[Mapping[str, Any]], Reply]
"""Ask for issues of the project with these filters."""

_SECOND: Final = timedelta(seconds=1)
_REACH: Final = 3 * _SECOND  # a window starts up to a second early, and a crowd in it a second before that
_EARLIEST: Final = "1970-01-01T00:00:00Z"


class Batch(NamedTuple):
    """Rows not given before, in one state each; a cursor may name `reached` once they are stored."""

    rows: list[Row]
    reached: datetime | None
    last: bool


class _Seen:
    """Leaves out what was given already. Only the last seconds before a window can come again."""

    def __init__(self) -> None:
        self._keys: set[tuple[int, str]] = set()

    def take(self, rows: list[Row]) -> list[Row]:
        fresh = [row for row in rows if (row["id"], row["updated_on"]) not in self._keys]
        self._keys.update((row["id"], row["updated_on"]) for row in fresh)
        return fresh

    def forget_before(self, at: datetime) -> None:
        edge = stamp(at)
        self._keys = {key for key in self._keys if key[1] >= edge}


def changed(ask: Ask, since: datetime | None) -> Iterator[Batch]:
    """Yield the issues changed at or after `since` (aware, None = all), oldest change first."""
    seen, start = _Seen(), since.replace(microsecond=0) if since else None
    for _ in range(MAX_SLICES):
        rows, is_full = _window(ask, {"updated_on": f">={_written(start)}"} if start else {}, "updated_on:asc,id:asc")
        reached = moment(rows[-1]["updated_on"]) if rows else None
        if reached is None or not is_full:
            yield Batch(seen.take(rows), reached, last=True)
            return
        if start is None or reached > start:
            yield Batch(seen.take(rows), reached, last=False)
            start = reached
        else:
            yield from _crowd(ask, reached, seen)
            start = reached + 2 * _SECOND  # the crowd was read up to and with the second that follows
        seen.forget_before(start - _REACH)
    raise _endless()


def _crowd(ask: Ask, at: datetime, seen: _Seen) -> Iterator[Batch]:
    """Yield the issues of the second `at` and its neighbours in the order of their ids."""
    after = 0
    for _ in range(MAX_SLICES):
        filters = {"updated_on": f"><{_written(at)}|{_written(at + _SECOND)}", "issue_id": f">={after + 1}"}
        rows, is_full = _window(ask, filters, "id:asc")
        # Resuming at `at` reads the crowd from its beginning.
        yield Batch(seen.take(rows), at, last=False)
        if not is_full:
            return
        if rows[-1]["id"] <= after:
            raise ContractError(f"no progress behind issue {after}: the vendor does not heed `issue_id`")
        after = rows[-1]["id"]
    raise _endless()


def _window(ask: Ask, filters: Mapping[str, Any], sort: str) -> tuple[list[Row], bool]:
    reply = ask({**filters, "sort": sort, "limit": PAGE_SIZE})
    rows = rows_of(reply, "issues")
    if not all(type(row.get("updated_on")) is str for row in rows):
        raise ContractError("an issue has no updated_on")
    return rows, bool(rows) and len(rows) >= (count_in(reply, "limit") or PAGE_SIZE)


def _written(at: datetime) -> str:
    """Write a stamp as Redmine takes it; databases differ on times before 1970, and no issue is that old."""
    return max(stamp(at), _EARLIEST)


def _endless() -> ContractError:
    return ContractError(f"the list of issues did not end within {MAX_SLICES:,} pages")
