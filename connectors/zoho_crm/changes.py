"""The way through a module's list: by time of change, oldest first, in windows that begin where the last one ended.

Every window starts on page one, so a row that moves can only move ahead of us, and Zoho's limits on deep pages are
never met. Only a second in which more rows changed than fit a page is walked by page token or page number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from syncd.sdk import ConfigError, ContractError, Json, Reply
from syncd.sdk.api import where
from syncd.sdk.paging import MAX_SLICES, parse_stamp

_SECOND: Final = timedelta(seconds=1)
SORTED: Final = ("Modified_Time", "asc")


@dataclass(frozen=True, slots=True)
class Listing:
    """One answer of a list: rows, whether more follow, how to ask for them, and the order that Zoho says it used."""

    rows: Sequence[Json]
    more: bool = False
    token: str | None = None
    sorted_by: tuple[str, str] = SORTED


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask a list for: rows changed at or after a time, and behind a token or a page number."""

    after: datetime | None
    token: str | None = None
    page: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """Rows not given before, and the time up to which the read is complete; `reached` None when that is not known."""

    rows: Sequence[Json]
    reached: datetime | None
    last: bool


def changed_at(row: Json) -> datetime:
    """Return when `row` was changed last, aware UTC; ContractError when Zoho does not say."""
    at = time_of(row.get("Modified_Time"))
    if at is None:
        raise ContractError(f"record {row.get('id')}: Modified_Time is missing or no time; changes cannot be followed")
    return at


def time_of(value: Any) -> datetime | None:
    """Return a stamp of Zoho as aware UTC, None when it is none."""
    try:
        return parse_stamp(value) if isinstance(value, str) else None
    except ConfigError:
        return None


def walk(
    fetch: Callable[[Ask], Listing], after: datetime | None, *, has_tokens: bool, started_at: datetime
) -> Iterator[Step]:
    """Yield the rows changed at or after `after` (None = all), to the vendor's normal end.

    When Zoho does not list by time of change as asked, the rest is walked by token or page number; `reached` is then
    only known at the end, and not beyond `started_at`, since a row may change on a page already read.
    """
    state = _Walk(Ask(after), started_at)
    for _ in range(MAX_SLICES):
        listing = fetch(state.ask)
        again = _read_again(fetch, state.ask, has_tokens=has_tokens)
        fresh = [row for rows in (again, listing.rows) for row in rows if state.is_new(row)]
        state.take(listing)
        yield Step(fresh, state.safe_mark(is_end=not listing.more), last=not listing.more)
        if not listing.more:
            return
        state.go_on(listing, has_tokens=has_tokens)
    raise ContractError(f"the list did not end within {MAX_SLICES:,} pages")


def _read_again(fetch: Callable[[Ask], Listing], ask: Ask, *, has_tokens: bool) -> Sequence[Json]:
    """Read the page before once more: rows that moved up while we turned the page stand at its end."""
    if has_tokens or ask.page == 1:
        return ()
    return fetch(Ask(ask.after, page=ask.page - 1)).rows


@dataclass(slots=True)
class _Walk:
    ask: Ask
    started_at: datetime
    is_sorted: bool = True
    reached: datetime | None = None
    given: dict[str, datetime] = field(default_factory=dict)

    def is_new(self, row: Json) -> bool:
        """Say whether this version of the row was not given yet, and remember it."""
        key, at = str(row["id"]), changed_at(row)
        if self.given.get(key) == at:
            return False
        self.given[key] = at
        return True

    def take(self, listing: Listing) -> None:
        """Note how far the rows reach, and whether they came in the order asked for."""
        stamps = [changed_at(row) for row in listing.rows]
        floor = self.reached if self.ask.token or self.ask.page > 1 else self.ask.after
        ordered = stamps == sorted(stamps) and (not stamps or floor is None or stamps[0] >= floor)
        self.is_sorted = self.is_sorted and ordered and listing.sorted_by == SORTED
        if stamps:
            self.reached = max(self.reached or stamps[-1], *stamps)

    def safe_mark(self, *, is_end: bool) -> datetime | None:
        """Return the time up to which nothing is missing, None when that cannot be said here."""
        if self.is_sorted:
            return self.reached
        return min(self.reached, self.started_at) if is_end and self.reached else None

    def go_on(self, listing: Listing, *, has_tokens: bool) -> None:
        """Open the next window, or go deeper into this one when a single second fills it."""
        begin = self.reached - _SECOND if self.reached else None  # should the bound be exclusive, nothing is lost
        if self.is_sorted and begin and (self.ask.after is None or begin > self.ask.after):
            self.ask = Ask(begin)
            self.given = {key: at for key, at in self.given.items() if at >= begin}
            return
        if not has_tokens:
            self.ask = Ask(self.ask.after, page=self.ask.page + 1)
        elif listing.token is None or listing.token == self.ask.token:
            raise ContractError("Zoho says that more records follow but gives no new page token")
        else:
            self.ask = Ask(self.ask.after, token=listing.token)


def listing_of(reply: Reply, key: str = "data") -> Listing:
    """Read a list answer; 204 (no rows) and 304 (nothing changed) have no body. ContractError for any other shape."""
    if reply.status in (204, 304):
        return Listing(())
    body = reply.json
    rows = body.get(key) if isinstance(body, Mapping) else None
    info = body.get("info") if isinstance(body, Mapping) else None
    if not isinstance(rows, list) or not isinstance(info, Mapping) or not isinstance(info.get("more_records"), bool):
        raise ContractError(f"{where(reply.url)}: the answer has no list {key!r} with info.more_records")
    if not all(isinstance(row, Mapping) and row.get("id") for row in rows):
        raise ContractError(f"{where(reply.url)}: a row of {key!r} has no id")
    return Listing(
        rows,
        more=info["more_records"],
        token=info.get("next_page_token"),
        sorted_by=(str(info.get("sort_by")), str(info.get("sort_order"))),
    )
