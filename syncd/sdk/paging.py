"""Ways through a vendor's list: page number, offset, token, link header, keyset.

Each yields `Slice`s from the first to a normal end, or raises: a half-finished read never looks complete.
All refuse to run in circles: a slice, token or position that comes back, or too many slices, is a ContractError.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.errors import ConfigError, ContractError
from syncd.sdk.connector import Cursor

MAX_SLICES = 100_000
_MOST_REPEATS = 20
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slice:
    """Raw items of one answer; `last` on the final one; `total` the vendor's count when it tells one."""

    items: Sequence[Any]
    last: bool
    total: int | None = None
    next: str | None = None


def page_numbers(fetch: Callable[[int], tuple[Sequence[Any], int | None, bool]], *, first: int = 1) -> Iterator[Slice]:
    """Walk numbered pages; `fetch(number)` returns (items, total or None, whether more follow).

    When the total shrinks on the way, rows have moved towards the front: as many pages back are read again.
    """
    number, seen_total = first, None
    turned = _Turned()
    for _ in range(MAX_SLICES):
        items, total, more = fetch(number)
        if more and not items:
            raise ContractError(f"page {number} is empty but the vendor says that more follow")
        shrunk = seen_total - total if total is not None and seen_total is not None else 0
        seen_total = total
        if shrunk > 0 and number > first:
            number = max(first, number - 1 - shrunk // max(1, len(turned.before)))
            turned = _Turned()  # the step back repeats a page on purpose
            continue
        turned.check(items, f"page {number}", more=more)
        yield Slice(items, last=not more, total=total)
        if not more:
            return
        number += 1
    raise _endless()


def offsets(
    fetch: Callable[[int], tuple[Sequence[Any], int | None]],
    *,
    limit: int,
    overlap: int = 1,
    key: Callable[[Any], Hashable] | None = None,
) -> Iterator[Slice]:
    """Walk by offset, each page overlapping the one before by `overlap` rows so that a moved row is not missed.

    `key` tells rows and their versions apart (id and update stamp, say): a page that shares none with the page before
    is asked for again from further back, so that no number of rows removed in front of it hides one.
    """
    start = 0
    turned = _Turned()
    for _ in range(MAX_SLICES):
        items, total = fetch(start)
        while key and start > 0 and turned.before and _disjoint(items, turned.before, key):
            start = max(0, start - limit)
            items, total = fetch(start)
        more = len(items) >= limit if total is None else start + len(items) < total
        if more and not items:
            raise ContractError(f"nothing comes from offset {start} but the vendor counts {total}")
        turned.check(items, f"offset {start}", more=more)
        yield Slice(items, last=not more, total=total)
        if not more:
            return
        start += max(1, len(items) - overlap)
    raise _endless()


def tokens(fetch: Callable[[str | None], Slice], start: str | None = None) -> Iterator[Slice]:
    """Walk by continuation token: `Slice.next` of one answer asks for the next; short and empty pages are normal."""
    token = start
    seen = {start}
    for _ in range(MAX_SLICES):
        part = fetch(token)
        yield part
        if part.last:
            return
        if part.next is None:
            raise ContractError("the vendor says that more follow but gives no new page token")
        if part.next in seen:
            raise ContractError("the vendor gives a page token for the second time: the list runs in circles")
        token = part.next
        seen.add(token)
    raise _endless()


def links(fetch: Callable[[str | None], tuple[Sequence[Any], str | None]]) -> Iterator[Slice]:
    """Follow `rel="next"` until it is absent; `fetch(url or None for the first)` returns (items, next url)."""

    def step(url: str | None) -> Slice:
        items, following = fetch(url)
        return Slice(items, last=following is None, next=following)

    return tokens(step)


@dataclass(frozen=True, slots=True)
class Position:
    """A keyset position: all rows up to this stamp, and of this stamp up to this id, have been read."""

    stamp: str
    id: str = ""


def keyset(
    fetch: Callable[[Position | None], tuple[Sequence[Any], bool]],
    position_of: Callable[[Any], Position],
    start: Position | None = None,
) -> Iterator[tuple[Slice, Position | None]]:
    """Walk in (stamp, id) order: `fetch(after)` returns the rows behind `after` and whether the answer was full.

    Equal stamps at a page edge are told apart by id, so thousands of rows with one stamp neither loop nor vanish.
    """
    after = start
    seen = {start}
    for _ in range(MAX_SLICES):
        items, full = fetch(after)
        reached = position_of(items[-1]) if items else after
        if full and reached in seen:
            raise ContractError(f"no progress behind {after}: the vendor repeats the same page")
        after = reached
        seen.add(after)
        yield Slice(items, last=not full), after
        if not full:
            return
    raise _endless()


def resume_from(cursor: Cursor | None, overlap: timedelta) -> datetime | None:
    """Return where an incremental read starts: the cursor's `updated_at` less `overlap`; None = everything."""
    if not cursor or cursor.get("updated_at") is None:
        return None
    at = parse_stamp(str(cursor["updated_at"]))
    return at - overlap if at - _EARLIEST > overlap else _EARLIEST


def parse_stamp(value: str) -> datetime:
    """Parse an ISO 8601 stamp with offset into aware UTC; ConfigError when it is none."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError as err:
        raise ConfigError(f"{value!r} is not an ISO 8601 time such as 2026-01-05T00:00:00Z") from err
    if at.tzinfo is None:
        raise ConfigError(f"{value!r} has no time zone; write 2026-01-05T00:00:00Z or with +08:00")
    try:
        return at.astimezone(UTC)
    except OverflowError as err:
        raise ConfigError(f"{value!r} lies outside the calendar (years 1 to 9999)") from err


def stamp(at: datetime) -> str:
    """Write an aware time as ISO 8601 UTC, to the microsecond only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class _Turned:
    """Notices a vendor that gives the same page however it is asked.

    A few repetitions may be chance (as many rows moved as the page was turned by), twenty in a row are not.
    """

    def __init__(self) -> None:
        self.before: Sequence[Any] = ()
        self._repeats = 0

    def check(self, items: Sequence[Any], name: str, *, more: bool) -> None:
        self._repeats = self._repeats + 1 if more and items == self.before else 0
        self.before = items
        if self._repeats >= _MOST_REPEATS:
            raise ContractError(f"{name} repeats the page before: the vendor does not turn the page")


def _disjoint(items: Sequence[Any], before: Sequence[Any], key: Callable[[Any], Hashable]) -> bool:
    return {key(item) for item in before}.isdisjoint(map(key, items))


def _endless() -> ContractError:
    return ContractError(f"the list did not end within {MAX_SLICES:,} pages")
