"""Ways through a vendor's list: page number, offset, token, link header, keyset.

Each yields `Slice`s from the first to a normal end, or raises: a half-finished read never looks complete.
All refuse to run in circles: a slice that brings nothing new twice, or too many slices, is a ContractError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.errors import ConfigError, ContractError
from syncd.sdk.connector import Cursor

MAX_SLICES = 100_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Raw items of one answer; `last` on the final one; `total` the vendor's count when it tells one."""

    items: Sequence[Any]
    last: bool
    total: int | None = None
    next: str | None = None


def page_numbers(fetch: Callable[[int], tuple[Sequence[Any], int | None, bool]], *, first: int = 1) -> Iterator[Slice]:
    """Walk numbered pages; `fetch(number)` returns (items, total or None, whether more follow).

    When the total shrinks on the way, rows have moved towards the front: the page before is read again.
    """
    number, seen_total = first, None
    for _ in range(MAX_SLICES):
        items, total, more = fetch(number)
        if total is not None and seen_total is not None and total < seen_total and number > first:
            moved, _, _ = fetch(number - 1)
            yield Slice(moved, last=False, total=total)
        seen_total = total
        yield Slice(items, last=not more, total=total)
        if not more:
            return
        if not items:
            raise ContractError(f"page {number} is empty but the vendor says that more follow")
        number += 1
    raise _endless()


def offsets(
    fetch: Callable[[int], tuple[Sequence[Any], int | None]], *, limit: int, overlap: int = 1
) -> Iterator[Slice]:
    """Walk by offset, each page overlapping the one before by `overlap` rows so that a moved row is not missed."""
    start = 0
    for _ in range(MAX_SLICES):
        items, total = fetch(start)
        more = len(items) >= limit if total is None else start + len(items) < total
        yield Slice(items, last=not more or not items, total=total)
        if not more or not items:
            return
        start += max(1, len(items) - overlap)
    raise _endless()


def tokens(fetch: Callable[[str | None], Slice], start: str | None = None) -> Iterator[Slice]:
    """Walk by continuation token: `Slice.next` of one answer asks for the next; short and empty pages are normal."""
    token = start
    for _ in range(MAX_SLICES):
        part = fetch(token)
        yield part
        if part.last:
            return
        if part.next is None or part.next == token:
            raise ContractError("the vendor says that more follow but gives no new page token")
        token = part.next
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
    for _ in range(MAX_SLICES):
        items, full = fetch(after)
        reached = position_of(items[-1]) if items else after
        if full and reached == after:
            raise ContractError(f"no progress behind {after}: the vendor repeats the same page")
        after = reached
        yield Slice(items, last=not full), after
        if not full:
            return
    raise _endless()


def resume_from(cursor: Cursor | None, overlap: timedelta) -> datetime | None:
    """Return where an incremental read starts: the cursor's `updated_at` less `overlap`; None = everything."""
    if not cursor or cursor.get("updated_at") is None:
        return None
    return parse_stamp(str(cursor["updated_at"])) - overlap


def parse_stamp(value: str) -> datetime:
    """Parse an ISO 8601 stamp with offset into aware UTC; ConfigError when it is none."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError as err:
        raise ConfigError(f"{value!r} is not an ISO 8601 time such as 2026-01-05T00:00:00Z") from err
    if at.tzinfo is None:
        raise ConfigError(f"{value!r} has no time zone; write 2026-01-05T00:00:00Z or with +08:00")
    return at.astimezone(UTC)


def stamp(at: datetime) -> str:
    """Write an aware time as ISO 8601 UTC, to the microsecond only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _endless() -> ContractError:
    return ContractError(f"the list did not end within {MAX_SLICES:,} pages")
